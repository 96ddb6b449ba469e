/** The page on a phone: every place is reached, the content begins soon, nothing is too small. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, Lab, TICKER, type View } from "./lab.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let lab: Lab;
let view: View;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.run({ ...TICKER, ports: ["0:8000"] });
  view = await lab.open({ width: 390, height: 844, touch: true });
});

afterAll(async () => {
  expect(view.complaints).toEqual([]);
  await lab?.end();
});

test("all eight places are reached", async () => {
  const { page, goto } = view;
  await goto("containers");
  const nav = page.getByRole("navigation", { name: "Main" });
  for (const place of ["Containers", "Create", "Learn", "Experiments"]) {
    const box = (await nav.getByRole("link", { name: place }).boundingBox())!;
    expect(box.x).toBeGreaterThanOrEqual(0);
    expect(box.x + box.width).toBeLessThanOrEqual(390);
  }
  for (const place of ["Templates", "Images", "Networks", "System"]) {
    await nav.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: place }).click();
    await page.getByRole("heading", { name: place, level: 1 }).waitFor();
    expect(await nav.getByRole("button", { name: "More" }).getAttribute("aria-current")).toBe(
      "true",
    );
  }
});

test("the content begins in the upper third", async () => {
  const { page, goto } = view;
  for (const [path, content] of [
    ["containers", ".card"],
    ["containers/ticker", ".now"],
    ["containers/ticker/files", "table"],
    ["create", "form .panel"],
  ] as const) {
    await goto(path);
    const box = await eventually(async () => (await page.locator(content).first().boundingBox())!);
    expect(box.y, path).toBeLessThan(844 / 3);
  }
});

test("what is touched is large enough, and what scrolls is reached by keyboard", async () => {
  const { page, goto } = view;
  const findings: string[] = [];
  for (const path of ["containers", "create", "containers/ticker", "containers/ticker/xray"]) {
    await goto(path);
    await page.waitForTimeout(500);
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() =>
      (window as unknown as { axe: { run: (options: object) => Promise<AxeResults> } }).axe.run({
        runOnly: ["target-size", "scrollable-region-focusable", "heading-order"],
      }),
    );
    for (const { id, nodes } of violations) {
      findings.push(...nodes.map(({ html }) => `${path} ${id}: ${html.slice(0, 120)}`));
    }
  }
  expect(findings).toEqual([]);
});

test("a table that is wider than the screen shows that it goes on", async () => {
  const { page, goto } = view;
  await goto("containers/ticker/xray");
  const table = page.getByRole("region", { name: "Namespaces" });
  await table.waitFor();
  const [scrolls, shadow] = await table.evaluate((one) => [
    one.scrollWidth > one.clientWidth,
    getComputedStyle(one).backgroundAttachment.includes("local"),
  ]);
  expect([scrolls, shadow]).toEqual([true, true]);
});

test("the time of a log line is whole", async () => {
  const { page, goto } = view;
  await goto("containers/ticker/logs");
  const time = page.locator(".log-time").first();
  await time.waitFor();
  expect(await time.innerText()).toMatch(/^\d\d:\d\d:\d\d$/);
  expect(await time.evaluate((one) => one.scrollWidth <= one.clientWidth + 1)).toBe(true);
});
