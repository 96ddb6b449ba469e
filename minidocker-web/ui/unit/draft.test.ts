import { expect, test } from "vitest";
import type { Spec } from "../src/api/types.ts";
import { draftOf, draftProblems, emptyDraft, specOf, usesAdvanced } from "../src/lib/draft.ts";

test("an untouched form asks for nothing but a name and a command", () => {
  expect(specOf({ ...emptyDraft(), name: " a ", command: "true" })).toEqual({
    name: "a",
    command: "true",
  });
});

test("what fills the form comes out of it again", () => {
  const spec: Spec = {
    name: "web",
    command: "python -m http.server",
    image: "debian",
    mem_limit_mb: 100,
    cpu_limit_percent: 50,
    pids_limit: 64,
    volumes: ["/srv:/app:ro"],
    env_vars: { A: "1=2", B: "" },
    network: "backend",
    ports: ["8080:80"],
    aliases: ["db"],
    dns: ["9.9.9.9"],
    extra_hosts: ["db:10.0.0.7"],
    hostname: "www",
    working_dir: "/app",
    user: "1:1",
    restart: "always",
    health_check: { command: "true", interval_seconds: 5, restart_unhealthy: true },
    rlimits: [{ resource: "nofile", soft: 1, hard: 2 }],
    isolation: { pid: false },
    init: false,
    tty: true,
    stdin_open: true,
    best_effort_limits: true,
  };
  expect(specOf(draftOf(spec))).toEqual(spec);
  expect(specOf(draftOf({ ...spec, network: "bridge" })).network).toBeUndefined();
  expect(usesAdvanced(draftOf(spec))).toBe(true);
  const everyday = {
    name: "a",
    command: "b",
    mem_limit_mb: 1,
    ports: ["0:80"],
    volumes: ["/a:/b"],
  };
  expect(usesAdvanced(draftOf(everyday))).toBe(false);
});

test("what is no number is sent as it is, for the server to refuse", () => {
  expect(specOf({ ...emptyDraft(), memory: "much" }).mem_limit_mb).toBe("much");
});

test("empty lines of volumes and variables count for nothing", () => {
  const spec = specOf({ ...emptyDraft(), volumes: ["", " "], env: ["", "A"] });
  expect(spec.volumes).toBeUndefined();
  expect(spec.env_vars).toBeUndefined();
});

test("a variable without a value is asked about, not made empty", () => {
  const draft = { ...emptyDraft(), name: "a", command: "true", env: ["A=1", " HOME ", ""] };
  expect(specOf(draft).env_vars).toEqual({ A: "1" });
  const [problem, ...others] = draftProblems(draft, true);
  expect(others).toEqual([]);
  expect(problem?.field).toBe("env_vars");
  expect(problem?.message).toContain('HOME has no "="');
  expect(problem?.hint).toContain("HOME=value");
  expect(draftProblems({ ...draft, env: ["A=", "B=x=y"] }, true)).toEqual([]);
  expect(draftProblems({ ...draft, env: ["A=1", "A=2"] }, true)[0]?.message).toContain("A is set");
});

test("what is still empty is missing only when the form is finished", () => {
  expect(draftProblems(emptyDraft(), false)).toEqual([]);
  const fields = draftProblems(emptyDraft(), true).map(({ field, message }) => [field, message]);
  expect(fields).toEqual([
    ["name", "Enter a name."],
    ["command", "Enter a command."],
  ]);
});
