import { expect, test } from "vitest";
import { inPieces } from "../src/lib/bulk.ts";

const NAMES = Array.from({ length: 1001 }, (_, n) => `c${n}`);

test("any number of containers goes to the server in pieces, none left out, none twice", async () => {
  const sent: string[][] = [];
  const progress: number[] = [];
  const outcome = await inPieces(
    NAMES,
    async (names) => {
      sent.push(names);
      return { results: names.map((name) => ({ name, ok: name !== "c500" })) };
    },
    (done) => progress.push(done),
  );
  expect(sent.flat()).toEqual(NAMES);
  // The server refuses more than 200.
  expect(Math.max(...sent.map((names) => names.length))).toBeLessThanOrEqual(200);
  expect(progress.at(-1)).toBe(1001);
  expect(outcome.good.length).toBe(1000);
  expect(outcome.bad.map(({ name }) => name)).toEqual(["c500"]);
  expect(outcome.problem).toBeNull();
});

test("a server that goes away in the middle: what was done is told, and what was not", async () => {
  let calls = 0;
  const outcome = await inPieces(
    NAMES,
    async (names) => {
      calls += 1;
      if (calls === 3) throw new Error("gone");
      return { results: names.map((name) => ({ name, ok: true })) };
    },
    () => {},
  );
  expect(outcome.problem?.message).toBe("gone");
  expect(outcome.good.length + outcome.notTried).toBe(1001);
  expect(outcome.good.length).toBeGreaterThan(0);
});
