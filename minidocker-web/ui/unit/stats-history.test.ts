import { expect, test } from "vitest";
import type { Stats } from "../src/api/types.ts";
import { ratesOf, timesOf, withGaps } from "../src/lib/stats-history.ts";

const at = (second: number, read: number) =>
  ({
    time: new Date(second * 1000).toISOString(),
    block_io: { read_bytes: read, write_bytes: 0 },
  }) as Stats;

test("where nobody measured the curve has a gap, and no rate is made up across it", () => {
  const samples = withGaps([at(1, 0), at(2, 100), at(60, 9000), at(61, 9010), at(62, 5)]);
  expect(samples.map((one) => one !== null)).toEqual([true, true, false, true, true, true]);
  const times = timesOf(samples);
  expect(times).toEqual([1, 2, 3, 60, 61, 62]);
  expect(ratesOf(samples, (one) => one.block_io.read_bytes)).toEqual([
    null,
    100,
    null,
    null,
    10,
    // A new start: its counters begin at 0.
    null,
  ]);
});
