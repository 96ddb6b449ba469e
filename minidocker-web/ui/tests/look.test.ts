/** Every view, in both themes and at the width of a phone, read by axe and by the browser. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Lab, TICKER, type View } from "./lab.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const VIEWS = [
  "containers",
  "create",
  "containers/ticker",
  "containers/ticker/logs",
  "containers/ticker/stats",
  "containers/ticker/terminal",
  "containers/ticker/files",
  "containers/ticker/how",
  "containers/ticker/xray",
  "containers/ticker/configuration",
  "containers/hog",
  "containers/nobody",
  "experiments",
  "learn/what",
  "learn/states",
  "learn/files",
  "learn/logs",
  "learn/mistakes",
  "learn/glossary",
  "learn/keyboard",
  "templates",
  "images",
  "networks",
  "learn/network",
  "system",
  "nowhere",
];

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.run({ ...TICKER, health_check: { command: "true", interval_seconds: 1 } });
  await lab.create({ name: "idle", command: "true" });
  await lab.run({
    name: "hog",
    command: 'python -c "b = bytearray(200 * 1024 * 1024)"',
    mem_limit_mb: 32,
  });
  await lab.until("hog", "stopped");
});

afterAll(() => lab?.end());

type Axe = { run: (options: object) => Promise<AxeResults> };

/** Findings that keep somebody from using the page. In the dark only colours are different. */
async function axe({ page }: View, only?: string): Promise<string[]> {
  await page.evaluate(AXE);
  const results = await page.evaluate(
    (options) => (window as unknown as { axe: Axe }).axe.run(options),
    only ? { runOnly: [only] } : {},
  );
  return results.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
}

test("axe has no serious finding in light and dark, and the browser no complaint", async () => {
  const view = await lab.open();
  const { page } = view;
  const findings: Record<string, string[]> = {};
  for (const path of VIEWS) {
    await page.emulateMedia({ colorScheme: "light" });
    await view.goto(path);
    if (path.endsWith("terminal")) {
      await page.getByRole("button", { name: "Open", exact: true }).click();
      await page.locator('.terminal[data-session="open"]').waitFor();
    }
    if (path === "create") await page.getByText("Advanced options").click();
    if (path.endsWith("how")) await page.locator(".step-head").nth(6).click();
    if (path.endsWith("stats")) await page.locator(".chart canvas").first().waitFor();
    await page.waitForTimeout(200);
    const light = await axe(view);
    if (light.length) findings[path] = light;
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await axe(view, "color-contrast");
    if (dark.length) findings[`${path}, dark`] = dark;
  }
  await page.context().close();
  expect(findings).toEqual({});
  expect(view.complaints).toEqual([]);
}, 120_000);

test("menus and questions have no serious finding either", async () => {
  const view = await lab.open();
  const { page, goto } = view;
  await goto("containers");
  await page.getByLabel("All actions of idle").click();
  await page.getByRole("menu").waitFor();
  expect(await axe(view)).toEqual([]);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Table" }).click();
  await page.getByLabel("Select all").check();
  expect(await axe(view)).toEqual([]);
  await page.getByRole("button", { name: "Import" }).click();
  await page.getByRole("dialog").waitFor();
  expect(await axe(view)).toEqual([]);
  await page.context().close();
  expect(view.complaints).toEqual([]);
});

test("nothing is wider than a phone", async () => {
  const view = await lab.open({ width: 390, height: 844, touch: true });
  const wide: string[] = [];
  for (const path of VIEWS) {
    await view.goto(path);
    await view.page.waitForTimeout(250);
    const width = await view.page.evaluate(() => document.documentElement.scrollWidth);
    if (width > 390) wide.push(`${path}: ${width}`);
  }
  await view.page.context().close();
  expect(wide).toEqual([]);
  expect(view.complaints).toEqual([]);
});

test("the policy is the strict one, and holds", async () => {
  const response = await fetch(lab.url);
  const policy = response.headers.get("content-security-policy") ?? "";
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'"]) {
    expect(policy).toContain(part);
  }
  expect(policy).not.toContain("unsafe");
  const { page } = await lab.open();
  await page.goto(lab.url);
  await page.locator("h1").waitFor();
  const refused = await page.evaluate(async () => {
    const violated = new Promise((resolve) =>
      document.addEventListener("securitypolicyviolation", resolve, { once: true }),
    );
    const script = document.createElement("script");
    script.textContent = "document.title = 'run'";
    document.head.append(script);
    await violated;
    return document.title;
  });
  expect(refused).not.toBe("run");
  await page.context().close();
});
