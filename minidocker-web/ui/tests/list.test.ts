/** The list: what needs attention, how it is sorted and selected, and any number at once. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Container } from "../src/api/types.ts";
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

test("more containers than one request takes are deleted at once, with the title in sight", async () => {
  const { page, goto } = view;
  const names = Array.from({ length: 230 }, (_, n) => `many-${n + 1}`);
  for (const name of names) await lab.create({ name, command: "true" });
  await goto("containers");
  await page.getByRole("button", { name: "Table" }).click();
  await page.getByLabel("Select all").check();
  const bar = page.getByRole("toolbar");
  await bar.getByText("230 selected").waitFor();
  await bar.getByRole("button", { name: "Delete" }).click();
  const dialog = page.getByRole("dialog");
  const title = dialog.getByRole("heading", { name: "Delete 230 containers?" });
  const box = (await title.boundingBox())!;
  expect(box.y).toBeGreaterThan(0);
  expect(box.y + box.height).toBeLessThan(860);
  await dialog.getByText(/many-\d+ and 222 more/).waitFor();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await page.getByText("No containers yet").waitFor();
  expect(await lab.ask("GET", "containers")).toEqual([]);
  await page.evaluate(() => localStorage.clear());
});

test("unhealthy and out of memory are seen at a glance, searched, and sorted to the top", async () => {
  const { page, goto } = view;
  await lab.run({
    ...TICKER,
    name: "ill",
    health_check: { command: "false", interval_seconds: 1, retries: 1 },
  });
  await lab.run({ ...TICKER, name: "well" });
  await lab.run({
    name: "hog",
    command: 'python -c "b = bytearray(200 * 1024 * 1024)"',
    mem_limit_mb: 32,
  });
  await goto("containers");
  const card = (name: string) =>
    page.locator(".card", { has: page.locator(`a.name >> text="${name}"`) });
  await card("ill").locator(".status.pill", { hasText: "Unhealthy" }).waitFor();
  await card("hog").locator(".status.pill", { hasText: "Out of memory" }).waitFor();
  const ribs = (name: string) =>
    card(name)
      .locator(".ribs")
      .evaluate((one) => getComputedStyle(one).backgroundColor);
  expect(await ribs("ill")).not.toBe(await ribs("well"));
  const names = () => page.locator("a.name").allInnerTexts();
  expect(await names()).toEqual(["hog", "ill", "well"]);

  const chips = page.getByRole("group", { name: "Show only containers in this state" });
  await chips.getByRole("button", { name: "Unhealthy 1" }).click();
  expect(await names()).toEqual(["ill"]);
  await chips.getByRole("button", { name: "All" }).click();
  await page.getByLabel("Search containers").fill("unhealthy");
  expect(await names()).toEqual(["ill"]);
  await page.getByLabel("Search containers").fill("oom");
  expect(await names()).toEqual(["hog"]);
  await goto("containers/ill");
  await page.locator(".status.pill", { hasText: "Unhealthy" }).waitFor();
});

test("a normal stop is not painted as a failure", async () => {
  const { page, goto } = view;
  await lab.run({ name: "calm", command: "sleep 1000" });
  await lab.run({ name: "broken", command: "sh -c 'exit 3'" });
  await lab.until("broken", "stopped");
  await lab.ask("POST", "containers/calm/stop");
  await goto("containers");
  const colour = (text: RegExp) =>
    page
      .locator(".outcome > span", { hasText: text })
      .evaluate((one) => getComputedStyle(one).color);
  await page.getByText("ended by SIGTERM, as a stop asks").waitFor();
  expect(await colour(/143/)).not.toBe(await colour(/code 3:/));
});

test("a head of the table sorts, and Shift selects a range", async () => {
  const { page, goto } = view;
  for (const name of ["c1", "c2", "c3", "c4", "c5"]) await lab.create({ name, command: "true" });
  await goto("containers");
  await page.getByRole("button", { name: "Table" }).click();
  const names = () => page.locator("a.name").allInnerTexts();
  await page.getByRole("button", { name: "Name", exact: true }).click();
  expect(await names()).toEqual(["c1", "c2", "c3", "c4", "c5"]);
  await page.getByRole("button", { name: "Name", exact: true }).click();
  expect(await names()).toEqual(["c5", "c4", "c3", "c2", "c1"]);
  const head = page.getByRole("columnheader", { name: "Name" });
  expect(await head.getAttribute("aria-sort")).toBe("descending");

  await page.getByLabel("Select c4").click();
  await page.getByLabel("Select c2").click({ modifiers: ["Shift"] });
  await page.getByRole("toolbar").getByText("3 selected").waitFor();
  // By keyboard too.
  await page.getByLabel("Select c1").focus();
  await page.keyboard.press("Shift+Space");
  await page.getByRole("toolbar").getByText("4 selected").waitFor();
  await page.evaluate(() => localStorage.clear());
});

test("a failed start is told shortly, and the message is gone on the next page", async () => {
  const { page, goto } = view;
  const { mkdirSync, rmdirSync } = await import("node:fs");
  const folder = `${lab.folder}/gone-too`;
  mkdirSync(folder);
  await lab.create({ name: "orphan", command: "true", volumes: [`${folder}:/data`] });
  rmdirSync(folder);
  await goto("containers");
  await page.getByRole("button", { name: "Start orphan" }).click();
  const toast = page.locator(".toast");
  await toast.getByText("orphan did not start").waitFor();
  expect((await toast.innerText()).length).toBeLessThan(80);
  const { failure } = await lab.trace("orphan");
  expect(await toast.innerText()).not.toContain(failure!.hint);
  await page.getByRole("link", { name: "Images" }).click();
  await toast.waitFor({ state: "detached" });

  // The steps that were done fill the timeline; the clean-up is not among them.
  await goto("containers/orphan/how");
  const lanes = page.locator(".lane > span");
  const lane = (await page.locator(".lane").first().boundingBox())!;
  const ends = await eventually(async () => {
    const boxes = await Promise.all((await lanes.all()).map((one) => one.boundingBox()));
    return boxes.map((box) => box!.x + box!.width);
  });
  expect(Math.max(...ends)).toBeGreaterThan(lane.x + lane.width * 0.95);
});

test("a bulk action that none of them takes says why", async () => {
  const { page, goto } = view;
  await lab.run({ name: "over", command: "true" });
  await lab.until("over", "stopped");
  await goto("containers");
  await page.getByLabel("Select over").check();
  const stop = page.getByRole("toolbar").getByRole("button", { name: "Stop" });
  expect(await stop.getAttribute("title")).toBe("Can't stop: already stopped");
  const all = await lab.ask<Container[]>("GET", "containers");
  expect(all.length).toBe(1);
});
