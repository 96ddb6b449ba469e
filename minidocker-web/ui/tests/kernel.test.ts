/** What the page says of the kernel is what the kernel says. */
import { readFileSync, readlinkSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { micros } from "../src/lib/format.ts";
import { eventually, Lab, TICKER, type View } from "./lab.ts";

let lab: Lab;
let view: View;

beforeAll(async () => {
  lab = await Lab.start();
});

afterAll(() => lab?.end());

beforeEach(async () => {
  view = await lab.open();
});

afterEach(async () => {
  await view.page.context().close();
  await lab.deleteAll();
  expect(view.complaints).toEqual([]);
});

test("before the start the timeline is a plan, after it what was done", async () => {
  const { page, goto } = view;
  await lab.create(TICKER);
  await goto("containers/ticker/how");
  await page.getByText(/What a start will do, in \d+ steps/).waitFor();
  const plan = await lab.ask<{ steps: { title: string; why: string; syscalls: string[] }[] }>(
    "GET",
    "containers/ticker/plan",
  );
  const titles = page.locator(".step-title > span:first-child");
  expect(await titles.allInnerTexts()).toEqual(plan.steps.map(({ title }) => title));
  await page.locator(".step-head").first().click();
  await page.getByText(plan.steps[0]!.why).waitFor();
  await page.getByText(plan.steps[0]!.syscalls[0]!, { exact: true }).waitFor();

  await page.getByRole("button", { name: "Start, and see how long each step takes" }).click();
  await page.getByText(/Built in/).waitFor();
  const trace = await lab.trace("ticker");
  expect(await titles.allInnerTexts()).toEqual(trace.steps.map(({ title }) => title));
  expect(await page.locator(".step-time").allInnerTexts()).toEqual(
    trace.steps.map((step) => micros(step.micros)),
  );
  const overlay = page.locator("#step-overlay");
  await overlay.locator(".step-head").click();
  const calls = trace.steps.find(({ id }) => id === "overlay")!.calls;
  expect(await overlay.locator(".calls li").count()).toBe(calls.length);
  await overlay.getByText(calls[0]!.call).waitFor();
  await overlay.getByText("The same by hand").waitFor();
});

test("a failed start marks the step, with errno and advice", async () => {
  const { page, goto } = view;
  const { mkdirSync, rmdirSync } = await import("node:fs");
  const folder = `${lab.folder}/soon-gone`;
  mkdirSync(folder);
  await lab.create({ name: "orphan", command: "true", volumes: [`${folder}:/data`] });
  rmdirSync(folder);
  await goto("containers/orphan");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.locator(".status.pill", { hasText: "Error" }).waitFor();
  await page.getByRole("link", { name: "See the step that failed" }).click();
  const { failure } = await lab.trace("orphan");
  const alert = page.locator("main .notice.bad");
  await alert.getByText(failure!.hint).waitFor();
  await alert.getByText("ENOENT").waitFor();
  const failed = page.locator('.step[data-outcome="failed"]');
  expect(await failed.count()).toBe(1);
  expect(await failed.getAttribute("id")).toBe(`step-${failure!.step}`);
  expect(await failed.locator(".step-head").getAttribute("aria-expanded")).toBe("true");
  expect(await page.locator('.step[data-outcome="not_reached"]').count()).toBeGreaterThan(3);
});

test("the x-ray agrees with /proc", async () => {
  const { page, goto } = view;
  const { pid } = await lab.run(TICKER);
  await goto("containers/ticker/xray");
  const row = (name: string) =>
    page
      .getByRole("region", { name: "Namespaces" })
      .locator("tr", { has: page.getByRole("rowheader", { name, exact: true }) });
  for (const kind of ["pid", "mnt", "uts", "ipc", "net", "user"]) {
    const number = (file: string) => /\d+/.exec(readlinkSync(file))![0];
    const cells = await row(kind).locator("td").allInnerTexts();
    expect(cells[0]).toBe(number(`/proc/self/ns/${kind}`));
    expect(cells[1]).toContain(number(`/proc/${pid}/ns/${kind}`));
  }
  expect(await row("host name").locator("td").nth(1).innerText()).toBe("ticker");

  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const inside = /^NSpid:.*\t(\d+)$/m.exec(status)![1]!;
  const processes = page.getByRole("region", { name: "Processes" });
  const cells = await processes.locator("tr", { hasText: "python" }).locator("td").allInnerTexts();
  expect(cells.slice(0, 2)).toEqual([String(pid), inside]);

  const xray = await lab.xray("ticker");
  const memory = xray.cgroups.find(({ files }) =>
    files.some(({ name }) => /^memory\.(limit_in_bytes|max)$/.test(name)),
  )!;
  const limit = memory.files.find(({ name }) => /^memory\.(limit_in_bytes|max)$/.test(name))!;
  expect(readFileSync(`${memory.folder}/${limit.name}`, "utf8").trim()).toBe("67108864");
  const shown = page.locator(".cgroups dl > div", { hasText: limit.name }).first();
  expect(await shown.locator("dd").innerText()).toBe("67108864");

  const kept = (await page.locator(".caps").first().innerText()).split(/\s+/).length;
  const bounding = BigInt(`0x${/^CapBnd:\t(\w+)$/m.exec(status)![1]}`);
  expect(kept).toBe([...bounding.toString(2)].filter((bit) => bit === "1").length);
  await page.getByText("filtered").waitFor();
});

test("the stats charts follow what it uses", async () => {
  const { page, goto } = view;
  await lab.run({
    ...TICKER,
    name: "busy",
    command: 'python -c "while True: pass"',
    cpu_limit_percent: 30,
  });
  await goto("containers/busy/stats");
  await page.locator(".chart canvas").first().waitFor();
  const cpu = page.locator(".chart", { hasText: "CPU" }).locator("figcaption span");
  await eventually(async () => {
    const [, used] = /^(\d+)% of 30%$/.exec(await cpu.innerText()) ?? [];
    expect(Number(used)).toBeGreaterThan(15);
    expect(Number(used)).toBeLessThan(45);
  });
  await page.getByText(/used up its share/).waitFor();

  // The curve is kept while one looks elsewhere, and after the end.
  const known = () =>
    page
      .locator(".chart")
      .first()
      .evaluate((one) => one.textContent);
  await page.getByRole("link", { name: "Files" }).click();
  await page.getByRole("button", { name: "All changes" }).waitFor();
  await page.waitForTimeout(1500);
  await page.getByRole("link", { name: "Stats" }).click();
  await page.locator(".chart canvas").first().waitFor();
  expect(await page.getByText("Measuring").count()).toBe(0);
  expect(await known()).toContain("used");
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText(/The charts show the time until then/).waitFor();
  await page.getByText(/Memory peak \d/).waitFor();
  await goto("containers");
  await goto("containers/busy/stats");
  await page.getByText(/The charts show the time until then/).waitFor();
});

test("what fails with a wall is seen to work without it", async () => {
  const { page, goto } = view;
  for (const [feature, refusal] of [
    ["capabilities", "Permission denied"],
    ["no_new_privs", "Permission denied"],
    ["seccomp", "Operation not permitted"],
  ]) {
    await goto(`experiments/${feature}`);
    await page.getByRole("button", { name: "Run both" }).click();
    const output = (name: string) =>
      page.getByRole("region", { name: `Output ${name} ${feature}` });
    await output("With").getByText(refusal!).waitFor({ timeout: 30_000 });
    expect(await output("Without").innerText()).not.toContain(refusal);
  }
});

test("no command of one's own runs on the host's files without a question", async () => {
  const { page, goto } = view;
  const { existsSync } = await import("node:fs");
  const proof = `${lab.folder}/proof`;
  await goto("experiments/rootfs");
  await page.getByLabel("Command, run in both containers").fill(`touch ${proof}`);
  await page.getByRole("button", { name: "Run both" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("is written or deleted on this machine").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await page.waitForTimeout(300);
  expect(existsSync(proof)).toBe(false);
  await page.getByRole("button", { name: "Run both" }).click();
  await dialog.getByRole("button", { name: "Run on this machine" }).click();
  await page.getByText("What to look for").waitFor({ timeout: 30_000 });
  expect(existsSync(proof)).toBe(true);
});

test("an experiment shows what a process tree of its own hides", async () => {
  const { page, goto } = view;
  await goto("experiments/pid");
  await page.getByRole("button", { name: "Run both" }).click();
  const count = async (name: string) => {
    const output = page.getByRole("region", { name: `Output ${name}` });
    await output.waitFor({ timeout: 30_000 });
    return Number(/(\d+)\s*$/.exec(await output.innerText())![1]);
  };
  expect(await count("With pid")).toBeLessThan(10);
  expect(await count("Without pid")).toBeGreaterThan(10);
  await page.getByText("What to look for").waitFor();
  expect(await lab.ask("GET", "containers")).toEqual([]);
});
