/** The server goes and comes back; the page and the containers go on. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, Lab, TICKER, type View } from "./lab.ts";

let lab: Lab;
let view: View;

beforeAll(async () => {
  lab = await Lab.start();
});

afterAll(() => lab?.end());

test("a server that restarts is found again, and nothing is lost or shown twice", async () => {
  view = await lab.open();
  const { page, goto } = view;
  const { pid } = await lab.run(TICKER);
  await goto("containers/ticker/logs");
  const numbers = async () => {
    const texts = await page.locator(".log-text").allInnerTexts();
    return texts.flatMap((text) => /^tick (\d+)$/.exec(text)?.[1] ?? []).map(Number);
  };
  await eventually(async () => expect((await numbers()).length).toBeGreaterThan(3));

  await lab.endServer();
  await page.getByRole("alert").getByText("The server does not answer.").waitFor();
  await page.getByText("Reconnecting…").waitFor();
  await lab.serve();
  await page.getByText("Connected again").waitFor();
  await page.getByText("Reconnecting…").waitFor({ state: "detached" });
  expect((await lab.inspect("ticker")).pid).toBe(pid);

  const before = Math.max(...(await numbers()));
  await eventually(async () => expect(Math.max(...(await numbers()))).toBeGreaterThan(before + 3));
  const seen = await numbers();
  expect(seen).toEqual(seen.map((_, index) => seen[0]! + index));
  expect(view.complaints).toEqual([]);
});
