/** A container's life, as somebody leads it with mouse and keyboard. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
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

test("an empty list leads to a template, and that to a running container", async () => {
  const { page, goto } = view;
  await goto("containers");
  await page.getByText("No containers yet").waitFor();
  await page.getByRole("button", { name: "Use python-web-server" }).click();
  expect(await page.getByLabel("Name", { exact: true }).inputValue()).toBe("python-web-server");
  await page.getByRole("button", { name: "Create and start" }).click();
  await page.getByRole("heading", { name: "python-web-server" }).waitFor();
  await page.locator(".status.pill", { hasText: "Running" }).waitFor();
  expect((await lab.inspect("python-web-server")).status).toBe("running");

  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator(".status.pill", { hasText: "Stopped" }).waitFor();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.locator(".status.pill", { hasText: "Running" }).waitFor();
});

test("what other programs do appears by itself", async () => {
  const { page, goto } = view;
  await goto("containers");
  await lab.run(TICKER);
  const card = page.locator(".card", { hasText: "ticker" });
  await card.locator(".status", { hasText: "Running" }).waitFor();
  await eventually(async () => {
    expect(await card.locator(".gauges").innerText()).toMatch(/\d%? of 50%/);
  });
  await lab.ask("DELETE", "containers/ticker?force=true");
  await card.waitFor({ state: "detached" });
});

test("a container may be called constructor, and so may the address of a tab", async () => {
  const { page, goto } = view;
  await goto("containers");
  await lab.run({ ...TICKER, name: "constructor" });
  const card = page.locator(".card", { hasText: "constructor" });
  await eventually(async () => {
    expect(await card.locator(".gauges").innerText()).toMatch(/\d%? of 50%/);
  });
  await goto("containers/constructor/constructor");
  await page.locator(".status.pill", { hasText: "Running" }).waitFor();
});

test("logs are live, stand still while paused, and go on", async () => {
  const { page, goto } = view;
  await lab.run(TICKER);
  await goto("containers/ticker/logs");
  const last = async () => {
    const texts = await page.locator(".log-text").allInnerTexts();
    return Number(/tick (\d+)/.exec(texts.at(-1) ?? "")?.[1] ?? 0);
  };
  await eventually(async () => expect(await last()).toBeGreaterThan(3));

  await page.getByRole("button", { name: "Pause" }).click();
  await page.locator(".status.pill", { hasText: "Paused" }).waitFor();
  await page.waitForTimeout(600);
  const frozen = await last();
  await page.waitForTimeout(900);
  expect(await last()).toBe(frozen);

  await page.getByRole("button", { name: "Resume" }).click();
  await page.locator(".status.pill", { hasText: "Running" }).waitFor();
  await eventually(async () => expect(await last()).toBeGreaterThan(frozen + 2));
});

test("a log is searched, and shown stream by stream", async () => {
  const { page, goto } = view;
  await lab.run({
    name: "both",
    command: "sh -c 'echo a result; echo a complaint >&2; echo another result'",
  });
  await lab.until("both", "stopped");
  await goto("containers/both/logs");
  const results = page.locator(".log-line.stdout");
  await results.getByText("another result").waitFor();
  await page.getByRole("button", { name: "stderr" }).click();
  await results.first().waitFor({ state: "detached" });
  expect(await page.locator(".log-line.stderr").count()).toBe(1);
  await page.getByRole("button", { name: "all", exact: true }).click();
  await page.getByLabel("Search in the log").fill("RESULT");
  // The two lines, and the command at the top, which has the word twice.
  await page.getByText("3 lines found").waitFor();
  expect(await page.locator(".log mark").count()).toBe(4);

  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download" }).click();
  expect(readFileSync(await (await download).path(), "utf8")).toContain("a complaint");
});

test("HTML, ANSI and control characters in a log are text and colour, nothing else", async () => {
  const { page, goto } = view;
  await lab.run({
    name: "hostile",
    command: [
      "printf",
      "<img src=x onerror=document.title=1><script>document.title=1</script>\\n\\033[31mred\\033[0m \\033]0;owned\\007\\033[2Jplain\\n",
    ],
  });
  await lab.until("hostile", "stopped");
  await goto("containers/hostile/logs");
  const printed = page.locator(".log-line.stdout");
  await printed.getByText("<script>document.title=1</script>").waitFor();
  expect(await page.locator(".log img, .log script").count()).toBe(0);
  expect(await page.title()).toContain("hostile");
  const red = printed.locator(".log-text span", { hasText: /^red$/ });
  expect(await red.evaluate((span) => getComputedStyle(span).color)).toBe("rgb(255, 123, 114)");
  expect(await printed.allInnerTexts()).toContainEqual(expect.stringMatching(/red plain$/));
});

test("100,000 lines do not stutter", async () => {
  const { page, goto } = view;
  await lab.run({
    name: "many",
    command: "python -c \"for n in range(100000): print('line', n)\"",
  });
  await lab.until("many", "stopped");
  await goto("containers/many/logs");
  await eventually(async () => {
    expect(await page.locator(".log-text").last().innerText()).toContain("code 0");
  });
  await page.getByText(/100,\d+ lines/).waitFor();
  expect(await page.locator(".log-line").count()).toBeLessThan(150);
  // A second of scrolling through all of it: no frame may take long.
  const worst = await page.locator(".log").evaluate(async (log) => {
    let longest = 0;
    let before = performance.now();
    for (let step = 0; step <= 60; step += 1) {
      log.scrollTop = (log.scrollHeight * step) / 60;
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      longest = Math.max(longest, now - before);
      before = now;
    }
    return longest;
  });
  expect(worst).toBeLessThan(250);
  await page.locator(".log-line").first().waitFor();
});

test("a shell in the terminal is typed to", async () => {
  const { page, goto } = view;
  await lab.run({ ...TICKER, env_vars: { WHERE: "inside" } });
  await goto("containers/ticker/terminal");
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await page.locator('.terminal[data-session="open"]').waitFor();
  await page.keyboard.type("echo $WHERE $((6*7)); tty\n");
  const screen = page.locator(".xterm-rows");
  await eventually(async () => {
    const text = (await screen.innerText()).replaceAll("\u00a0", " ");
    expect(text).toContain("inside 42");
    expect(text).toContain("/dev/pts/");
  });
  await page.keyboard.type("exit 3\n");
  await page.getByText("Ended with exit code 3").waitFor();
});

test("one command is run and its answer shown", async () => {
  const { page, goto } = view;
  await lab.run(TICKER);
  await goto("containers/ticker");
  await page.getByLabel("Command to run inside").fill("sh -c 'echo out; echo err >&2; exit 4'");
  await page.getByRole("button", { name: "Run" }).click();
  await page.locator("pre.output", { hasText: "out" }).waitFor();
  await page.locator("pre.output.err", { hasText: "err" }).waitFor();
  await page.getByText("Exit code 4").waitFor();
});

test("a volume is the host's folder, and its files show inside", async () => {
  const { page, goto } = view;
  const shared = path.join(lab.folder, "shared");
  mkdirSync(shared, { recursive: true });
  writeFileSync(path.join(shared, "from-host.txt"), "put there outside");
  await goto("create");
  await page.getByLabel("Name", { exact: true }).fill("sharer");
  await page
    .getByLabel("Command", { exact: true })
    .fill(
      "sh -c 'cat /app/data/from-host.txt > /app/data/from-inside.txt; touch /own.txt; sleep 60'",
    );
  await page.getByRole("button", { name: "Add volume" }).click();
  await page.getByLabel("Volume 1", { exact: true }).fill(`${shared}:/app/data`);
  await page.getByText(`--volume ${shared}:/app/data`).waitFor();
  await page.getByRole("button", { name: "Create and start" }).click();
  await page.locator(".status.pill", { hasText: "Running" }).waitFor();
  await eventually(async () => {
    expect(readFileSync(path.join(shared, "from-inside.txt"), "utf8")).toBe("put there outside");
  });

  await page.getByRole("link", { name: "Files" }).click();
  const row = page.locator("tr", { hasText: "own.txt" });
  await row.getByText("added").waitFor();
  await page.getByRole("button", { name: "All changes" }).click();
  await page.getByRole("button", { name: "/own.txt" }).waitFor();
});

test("of a large file the beginning is shown, and no more of it is loaded", async () => {
  const { page, goto } = view;
  // A gibibyte that takes no room.
  const script = "yes é | head -c 1000000 > /big; truncate -s 1G /big; echo done; sleep 60";
  await lab.run({ name: "a", command: ["sh", "-c", script] });
  await goto("containers/a/logs");
  await page.locator(".log-text", { hasText: /^done$/ }).waitFor();
  await goto("containers/a/files?path=/big");
  await page.getByText("The first 256 KB of 1 GB.").waitFor();
  const text = await page.locator(".file-text").innerText();
  expect(text.startsWith("é\né\n") && !text.includes("\ufffd")).toBe(true);
  await goto("containers/a");
});

test("out of memory is said plainly", async () => {
  const { page, goto } = view;
  await lab.run({
    name: "hog",
    command: 'python -c "b = bytearray(200 * 1024 * 1024)"',
    mem_limit_mb: 32,
  });
  await goto("containers/hog");
  await page
    .getByText("Out of memory: the kernel killed the command at its memory limit.")
    .waitFor();
  await goto("containers");
  const card = page.locator(".card", { hasText: "hog" });
  await card.getByText("killed by the kernel at its memory limit").waitFor();
  await card.locator(".status.pill", { hasText: "Out of memory" }).waitFor();
  expect(await card.innerText()).toContain("137");
});

test("bulk: several are selected, stopped and deleted at once", async () => {
  const { page, goto } = view;
  for (const name of ["one", "two", "three"]) await lab.run({ ...TICKER, name });
  await lab.create({ name: "idle", command: "true" });
  await goto("containers");
  for (const name of ["one", "two", "three", "idle"]) {
    await page.getByLabel(`Select ${name}`).check();
  }
  const bar = page.getByRole("toolbar");
  await bar.getByRole("button", { name: "Kill 3/4" }).click();
  for (const name of ["one", "two", "three"]) {
    await page.locator(".card", { hasText: name }).getByText("Stopped").waitFor();
  }
  await bar.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByText("Delete 4 containers?").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("No containers yet").waitFor();
  expect(await lab.ask("GET", "containers")).toEqual([]);
});

test("the menu opens by right click, long press and keyboard, and says why not", async () => {
  const { page, goto } = view;
  await lab.create({ name: "quiet", command: "sleep 60" });
  await goto("containers");
  const card = page.locator(".card", { hasText: "quiet" });
  await card.click({ button: "right" });
  const menu = page.getByRole("menu", { name: "quiet" });
  const items = await menu.getByRole("menuitem").allInnerTexts();
  expect(items.map((item) => item.split("\n")[0])).toEqual([
    "Start",
    "Stop",
    "Pause",
    "Resume",
    "Restart",
    "Kill",
    "View logs",
    "View stats",
    "Terminal",
    "Files",
    "How it works",
    "X-ray",
    "Export",
    "Save as template",
    "Duplicate",
    "Delete",
  ]);
  expect(items[1]).toContain("not running");
  await page.keyboard.press("Escape");
  await menu.waitFor({ state: "detached" });

  await card.locator("a.name").focus();
  await page.keyboard.press("Shift+F10");
  await menu.waitFor();
  await page.keyboard.press("v");
  await page.keyboard.press("Enter");
  await page.waitForURL(/quiet\/logs/);
  await page.getByText("It was never started").waitFor();

  await goto("containers");
  const box = (await card.boundingBox())!;
  const at = { clientX: box.x + 60, clientY: box.y + 100 };
  await card.evaluate((element, { clientX, clientY }) => {
    const touch = new Touch({ identifier: 1, target: element, clientX, clientY });
    element.dispatchEvent(new TouchEvent("touchstart", { touches: [touch], bubbles: true }));
  }, at);
  await menu.waitFor();
  await menu.getByRole("menuitem", { name: "Start", exact: true }).click();
  await card.getByText("Running").waitFor();
});

test("export, delete, import: the same container", async () => {
  const { page, goto } = view;
  const spec = { ...TICKER, name: "original", env_vars: { MODE: "dev" }, restart: "on-failure:3" };
  await lab.create(spec);
  await goto("containers/original/configuration");
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Export" }).click();
  const file = await (await download).path();
  const before = (await lab.inspect("original")).spec;
  await lab.ask("DELETE", "containers/original");

  await goto("containers");
  await page.getByRole("button", { name: "Import" }).click();
  await page.getByLabel("From a file").setInputFiles(file);
  await eventually(async () => {
    expect(await page.getByLabel("Or pasted").inputValue()).toContain("on-failure:3");
  });
  await page.getByRole("dialog").getByRole("button", { name: "Import" }).click();
  await page.getByRole("heading", { name: "original" }).waitFor();
  expect((await lab.inspect("original")).spec).toEqual(before);

  // Pasted, wrong, and with another name.
  await goto("create");
  await page.getByRole("button", { name: "Import" }).click();
  await page
    .getByLabel("Or pasted")
    .fill('{"name": "x", "command": "true", "mem_limit_mb": "much"}');
  await page.getByRole("dialog").getByRole("button", { name: "Import" }).click();
  await page.getByRole("dialog").getByRole("alert").getByText("mem_limit_mb").waitFor();
});

test("bad input is told beside its field, with the server's hint", async () => {
  const { page, goto } = view;
  await goto("create");
  await page.getByLabel("Name", { exact: true }).fill("a name/with");
  await page.locator("#name-problem").waitFor();
  await page.getByLabel("Name", { exact: true }).fill("good");
  await page.locator("#name-problem").waitFor({ state: "detached" });
  await page.getByLabel("Command", { exact: true }).fill("echo 'unfinished");
  await page.locator("#command-problem").waitFor();
  await page.getByLabel("Command", { exact: true }).fill("true");
  await page.locator("#memory").fill("3");
  const problem = page.locator("#memory-problem");
  await problem.waitFor();
  const answer = await lab.ask<{ problems: { message: string; hint: string }[] }>(
    "POST",
    "containers/validate",
    { name: "good", command: "true", mem_limit_mb: 3 },
  );
  expect(await problem.innerText()).toContain(answer.problems[0]?.hint);
  expect(await page.locator("#memory").getAttribute("aria-invalid")).toBe("true");
  await page.getByRole("button", { name: "Create and start" }).click();
  await eventually(async () => {
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("memory");
  });
  await page.locator("#memory").fill("64");

  // What only create can find: the folder, the name that is taken.
  await page.getByRole("button", { name: "Add volume" }).click();
  await page.getByLabel("Volume 1", { exact: true }).fill("/no/such/folder:/data");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.locator("fieldset .problem", { hasText: "/no/such/folder" }).waitFor();
});

test("a configuration is saved as a template and used again", async () => {
  const { page, goto } = view;
  await lab.create(TICKER);
  await goto("containers/ticker/configuration");
  await page.getByRole("button", { name: "Save as template" }).click();
  await page.getByLabel("Name", { exact: true }).fill("my-ticker");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText("Template my-ticker saved").waitFor();
  await goto("templates");
  await page.getByText("Use my-ticker").click();
  expect(await page.locator("#memory").inputValue()).toBe("64");
  await goto("templates");
  await page.getByLabel("Delete the template my-ticker").click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("Use my-ticker").waitFor({ state: "detached" });
});

test("the keyboard alone: create, open, delete", async () => {
  const { page, goto } = view;
  await lab.create({ name: "other", command: "true" });
  await goto("containers");
  await page.keyboard.press("n");
  await page.getByRole("heading", { name: "Create a container" }).waitFor();
  await page.locator("#name").focus();
  await page.keyboard.type("typed");
  await page.keyboard.press("Tab");
  await page.keyboard.type("true");
  await page.locator("#memory").focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "typed" }).waitFor();
  await page.keyboard.press("g");
  await page.locator("a.name", { hasText: "other" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("typed");
  await page.locator("a.name", { hasText: "other" }).waitFor({ state: "detached" });
  await page.locator("a.name").focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/containers\/typed/);
});

test("the overview has limits, volumes and variables, and the path of the rootfs to copy", async () => {
  const { page, goto } = view;
  const shared = path.join(lab.folder, "facts");
  mkdirSync(shared, { recursive: true });
  await lab.run({
    name: "facts",
    command: "python -m http.server 8000",
    mem_limit_mb: 64,
    cpu_limit_percent: 50,
    volumes: [`${shared}:/app/data`],
    env_vars: { MODE: "dev" },
  });
  await goto("containers/facts");
  const facts = page.getByRole("region", { name: "Facts" });
  for (const text of [
    "64 MB",
    "50% of one core",
    `${shared}:/app/data`,
    "MODE=dev",
    "Started once",
  ]) {
    await facts.getByText(text).first().waitFor();
  }
  await facts.getByRole("button", { name: "Copy the path of the rootfs" }).click();
  const { rootfs } = await lab.inspect("facts");
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(rootfs);

  // A server that nobody can reach says so, and how that is changed.
  await page.getByText("The command listens at port 8000").waitFor();
  await page.getByRole("button", { name: "Duplicate with port 8000 published" }).click();
  await page.getByRole("heading", { name: "Create a container" }).waitFor();
  expect(await page.locator("#name").inputValue()).toBe("facts-2");
  expect(await page.getByLabel("Port 1", { exact: true }).inputValue()).toMatch(/:8000$/);
});
