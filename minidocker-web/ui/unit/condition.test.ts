import { expect, test } from "vitest";
import type { Container, Exit } from "../src/api/types.ts";
import { conditionOf, is, isFailure, rank } from "../src/lib/condition.ts";
import { matches } from "../src/lib/search.ts";

const exit = (code: number, oom_killed = false): Exit => ({
  code,
  signal: null,
  oom_killed,
  timed_out: false,
});
const health = (status: "healthy" | "unhealthy") => ({ status, failing_streak: 1, probes: [] });

const running: Container = { name: "a", status: "running", id: "1", health: health("healthy") };
const unhealthy: Container = { ...running, health: health("unhealthy") };
const oom: Container = { name: "b", status: "stopped", id: "2", exit: exit(137, true) };
const again: Container = { ...oom, status: "running" };
const stopped: Container = { name: "c", status: "stopped", id: "3", exit: exit(143) };
const wasUnhealthy: Container = { ...stopped, health: health("unhealthy") };

test("unhealthy and out of memory are told instead of the plain status", () => {
  expect([running, unhealthy, oom, again, stopped, wasUnhealthy].map(conditionOf)).toEqual([
    "running",
    "unhealthy",
    "oom",
    "running",
    "stopped",
    "stopped",
  ]);
  // It is both: the filter for running ones shows it too.
  expect(is("running", unhealthy) && is("unhealthy", unhealthy)).toBe(true);
  expect(conditionOf({ ...unhealthy, status: "paused" })).toBe("paused");
});

test("sorted by state, what needs attention comes first", () => {
  const failed: Container = { name: "d", status: "error" };
  const order = [stopped, running, oom, unhealthy, failed].sort((a, b) => rank(a) - rank(b));
  expect(order).toEqual([failed, oom, unhealthy, running, stopped]);
});

test.each([
  ["unhealthy", ["unhealthy"]],
  ["health:unhealthy", ["unhealthy"]],
  ["healthy", ["running"]],
  ["oom", ["oom"]],
  ["status:running", ["running", "unhealthy"]],
])("the search %s finds them", (search, names) => {
  const all = { running, unhealthy, oom, stopped, wasUnhealthy };
  const found = Object.entries(all).filter(([, one]) => matches(one, search));
  expect(found.map(([name]) => name)).toEqual(names);
});

test("a normal stop, Ctrl+C and a kill are no bad news; a crash is", () => {
  expect([0, 143, 130, 137].map((code) => isFailure(exit(code)))).toEqual(Array(4).fill(false));
  expect([1, 127, 139].map((code) => isFailure(exit(code)))).toEqual([true, true, true]);
  expect(isFailure(exit(137, true))).toBe(true);
  expect(isFailure({ ...exit(137), timed_out: true })).toBe(true);
});
