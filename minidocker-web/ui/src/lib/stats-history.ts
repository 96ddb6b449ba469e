/**
 * What containers have used since their page was first opened. It outlives the tab and the end of
 * the container, so that the curve of one that ran out of memory can still be looked at.
 */
import { signal } from "@preact/signals";
import { type Problem, url } from "../api/client.ts";
import { stream } from "../api/stream.ts";
import type { Stats } from "../api/types.ts";

/** Ten minutes of seconds. */
const KEPT = 600;
/** Of so many containers. */
const CONTAINERS = 20;
/** Seconds without a sample, after which the curve has a gap. */
const GAP = 4;

interface History {
  samples: Stats[];
  problem: Problem | null;
}

const NONE: History = { samples: [], problem: null };
const histories = signal<ReadonlyMap<string, History>>(new Map());

export function historyOf(id: string | undefined): History {
  return histories.value.get(id ?? "") ?? NONE;
}

function remember(id: string, change: Partial<History>): void {
  const all = [...histories.peek()].filter(([other]) => other !== id);
  const before = histories.peek().get(id) ?? NONE;
  histories.value = new Map([...all.slice(1 - CONTAINERS), [id, { ...before, ...change }]]);
}

/** Measures from now on; the function that is returned ends it. */
export function measure(name: string, id: string): () => void {
  return stream(() => `${url("containers", name, "stats")}?follow=true`, {
    on: {
      message: (sample: Stats) => {
        const { samples } = histories.peek().get(id) ?? NONE;
        remember(id, { samples: [...samples.slice(1 - KEPT), sample], problem: null });
      },
      error: ({ error }: { error: Problem }) => remember(id, { problem: error }),
    },
  });
}

/** The samples, with null where there was nobody to measure. */
export function withGaps(samples: Stats[]): (Stats | null)[] {
  return samples.flatMap((sample, at) => {
    const before = samples[at - 1];
    const gap = before !== undefined && secondsOf(sample) - secondsOf(before) > GAP;
    return gap ? [null, sample] : [sample];
  });
}

/** When each was measured; a gap begins right after the sample before it. */
export function timesOf(samples: (Stats | null)[]): number[] {
  return samples.map((sample, at) =>
    sample ? secondsOf(sample) : secondsOf(samples[at - 1]!) + 1,
  );
}

/** How much more per second, from sample to sample; null where that is not known. */
export function ratesOf(
  samples: (Stats | null)[],
  pick: (one: Stats) => number | null,
): (number | null)[] {
  return samples.map((sample, at) => {
    const before = samples[at - 1];
    if (!sample || !before) return null;
    const [now, then] = [pick(sample), pick(before)];
    // Counters begin at 0 again with each start.
    if (now === null || then === null || now < then) return null;
    const passed = secondsOf(sample) - secondsOf(before);
    return passed > 0 ? (now - then) / passed : null;
  });
}

export function secondsOf({ time }: Stats): number {
  return Date.parse(time) / 1000;
}
