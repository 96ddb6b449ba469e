/** The log as it is read: wrapped, searched from hit to hit, true when the server is gone. */
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

/** Lines that are far apart, the hits among them. */
const FAR =
  "python -c \"for n in range(3000): print(n, 'needle' if n in (10, 1500, 2990) else 'hay', 'x' * (n % 7 * 40))\"";

test("a long line is wrapped, and one can see where it ends", async () => {
  const { page, goto } = view;
  await lab.run({ name: "long", command: ["printf", `${"word ".repeat(200)}THE-END\\n`] });
  await lab.until("long", "stopped");
  await goto("containers/long/logs");
  const log = page.locator(".log");
  await log.getByText("THE-END").last().waitFor();
  const sideways = () => log.evaluate((one) => one.scrollWidth - one.clientWidth);
  expect(await sideways()).toBeLessThanOrEqual(1);
  await page.getByLabel("Wrap").uncheck();
  await eventually(async () => expect(await sideways()).toBeGreaterThan(1000));
  await page.getByLabel("Wrap").check();
  await eventually(async () => expect(await sideways()).toBeLessThanOrEqual(1));
});

test("from hit to hit, forwards, backwards and around, wherever they are", async () => {
  const { page, goto } = view;
  await lab.run({ name: "far", command: FAR });
  await lab.until("far", "stopped");
  await goto("containers/far/logs");
  const search = page.getByLabel("Search in the log");
  await search.fill("needle");
  // The three lines, and the command at the top.
  await page.getByText("4 lines found").waitFor();
  await page.getByRole("button", { name: "Regular expression" }).click();
  await search.fill("^\\d+ NEEDLE");
  await page.getByText("3 lines found").waitFor();
  const seen = async (number: number) => {
    const current = page.locator(".log-line.current", { hasText: new RegExp(`${number} needle`) });
    await current.waitFor();
    const line = (await current.boundingBox())!;
    const log = (await page.locator(".log").boundingBox())!;
    expect(line.y).toBeGreaterThanOrEqual(log.y);
    expect(line.y).toBeLessThan(log.y + log.height);
  };
  await search.press("Enter");
  await seen(10);
  await search.press("Enter");
  await seen(1500);
  await page.getByRole("button", { name: "Next match" }).click();
  await seen(2990);
  await page.getByRole("button", { name: "Next match" }).click();
  await seen(10);
  await search.press("Shift+Enter");
  await seen(2990);
  await page.getByText("3 lines found, number 3").waitFor();

  await search.fill("(");
  await page.getByText("Not a regular expression").waitFor();
});

test("what is looked at is in the address", async () => {
  const { page, goto } = view;
  await lab.run({ name: "far", command: FAR });
  await lab.until("far", "stopped");
  await goto("containers/far/logs");
  await page.getByLabel("Search in the log").fill("needle");
  await page.getByLabel("Only these").check();
  await page.getByLabel("Wrap").uncheck();
  await page.getByLabel("Times").uncheck();
  await page.getByRole("button", { name: "stdout" }).click();
  await page.getByText("2990 needle").waitFor();
  const address = page.url();
  expect(address).toContain("q=needle");
  await page.goto("about:blank");
  await page.goto(address);
  await page.getByText("1500 needle").waitFor();
  expect(await page.getByLabel("Search in the log").inputValue()).toBe("needle");
  expect(await page.getByLabel("Wrap").isChecked()).toBe(false);
  expect(await page.locator(".log-time").count()).toBe(0);
  // The header has the command, and with it the word.
  await eventually(async () => {
    expect(await page.locator(".log-line.stdout").count()).toBe(3);
  });
});

test("progress that is written over itself is shown as a terminal would", async () => {
  const { page, goto } = view;
  await lab.run({ name: "progress", command: ["printf", "p 1%%\\rp 50%%\\rp 100%%\\nabc\\rX\\n"] });
  await lab.until("progress", "stopped");
  await goto("containers/progress/logs");
  const lines = page.locator(".log-line.stdout .log-text");
  await lines.nth(1).waitFor();
  expect(await lines.allInnerTexts()).toEqual(["p 100%", "Xbc"]);
});

test("when the server is gone, the log says that, and not that there is none", async () => {
  const { page, goto } = view;
  await lab.run(TICKER);
  await goto("containers/ticker/logs");
  await page.getByText(/^tick 3$/).waitFor();
  await goto("containers/ticker");
  await lab.endServer();
  await page.getByRole("alert").getByText("The server does not answer.").first().waitFor();
  await page.getByRole("link", { name: "Logs", exact: true }).click();
  await page.getByText("The log cannot be read now").waitFor();
  const main = await page.locator("main").innerText();
  expect(main).not.toContain("printed nothing");
  expect(main).toContain("Not connected");
  await lab.serve();
  await page
    .getByText(/^tick \d+$/)
    .first()
    .waitFor();
  await page.getByText(/lines, following/).waitFor();
});

test("all times of the page are of one zone", async () => {
  const { page, goto } = view;
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setTimezoneOverride", { timezoneId: "Asia/Tokyo" });
  await lab.run({ name: "when", command: "echo now" });
  const { started_at } = await lab.until("when", "stopped");
  await goto("containers/when/logs");
  await page.getByText("Times are in Asia/Tokyo").waitFor();
  const tokyo = new Date(Date.parse(started_at!) + 9 * 3_600_000).toISOString();
  const header = page.locator(".log-line.system").first();
  await header.getByText(`started at ${tokyo.slice(0, 16).replace("T", " ")}`).waitFor();
  expect(await header.locator("time").innerText()).toContain(tokyo.slice(11, 16));
});
