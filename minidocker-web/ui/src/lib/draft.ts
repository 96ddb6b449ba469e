/** What the form holds while somebody types, and the specification it stands for. */
import { type Feature, ISOLATION, type Isolation, type Spec } from "../api/types.ts";
import { commandLine } from "./format.ts";

export interface Draft {
  name: string;
  command: string;
  image: string;
  memory: string;
  cpu: string;
  pids: string;
  volumes: string[];
  env: string[];
  hostname: string;
  workingDir: string;
  user: string;
  restart: string;
  health: {
    command: string;
    interval: string;
    timeout: string;
    retries: string;
    startPeriod: string;
    restartUnhealthy: boolean;
  };
  isolation: Isolation;
  init: boolean;
  tty: boolean;
  stdinOpen: boolean;
  bestEffort: boolean;
  rlimits: Spec["rlimits"];
}

const ALL_ON = Object.fromEntries(ISOLATION.map((feature) => [feature, true])) as Isolation;

export function emptyDraft(): Draft {
  return {
    name: "",
    command: "",
    image: "",
    memory: "",
    cpu: "",
    pids: "",
    volumes: [],
    env: [],
    hostname: "",
    workingDir: "",
    user: "",
    restart: "no",
    health: {
      command: "",
      interval: "30",
      timeout: "30",
      retries: "3",
      startPeriod: "0",
      restartUnhealthy: false,
    },
    isolation: { ...ALL_ON },
    init: true,
    tty: false,
    stdinOpen: false,
    bestEffort: false,
    rlimits: undefined,
  };
}

/** A form filled from a specification: a template, a copy, an import, a lesson. */
export function draftOf(spec: Partial<Spec>): Draft {
  const draft = emptyDraft();
  const health = spec.health_check;
  return {
    ...draft,
    name: spec.name ?? "",
    command: commandLine(spec.command),
    image: spec.image === "host" ? "" : (spec.image ?? ""),
    memory: text(spec.mem_limit_mb),
    cpu: text(spec.cpu_limit_percent),
    pids: text(spec.pids_limit),
    volumes: [...(spec.volumes ?? [])],
    env: Object.entries(spec.env_vars ?? {}).map(([name, value]) => `${name}=${value}`),
    hostname: spec.hostname ?? "",
    workingDir: spec.working_dir ?? "",
    user: spec.user ?? "",
    restart: spec.restart ?? "no",
    health: health
      ? {
          command: commandLine(health.command),
          interval: String(health.interval_seconds ?? 30),
          timeout: String(health.timeout_seconds ?? 30),
          retries: String(health.retries ?? 3),
          startPeriod: String(health.start_period_seconds ?? 0),
          restartUnhealthy: health.restart_unhealthy ?? false,
        }
      : draft.health,
    isolation: { ...ALL_ON, ...spec.isolation },
    init: spec.init ?? true,
    tty: spec.tty ?? false,
    stdinOpen: spec.stdin_open ?? false,
    bestEffort: spec.best_effort_limits ?? false,
    rlimits: spec.rlimits,
  };
}

/** Only what differs from the defaults, so that what is shown and sent is short. */
export function specOf(draft: Draft): Spec {
  const spec: Spec = { name: draft.name.trim(), command: draft.command };
  const image = draft.image.trim();
  if (image) spec.image = image;
  number(draft.memory, (value) => (spec.mem_limit_mb = value));
  number(draft.cpu, (value) => (spec.cpu_limit_percent = value));
  number(draft.pids, (value) => (spec.pids_limit = value));
  const volumes = draft.volumes.map((one) => one.trim()).filter(Boolean);
  if (volumes.length) spec.volumes = volumes;
  const env = draft.env.filter((one) => one.trim() !== "");
  if (env.length) {
    // Without a "=" it is a name without a value; the server says what it thinks of the name.
    spec.env_vars = Object.fromEntries(
      env.map((one) => {
        const at = one.indexOf("=");
        return at < 0 ? [one.trim(), ""] : [one.slice(0, at).trim(), one.slice(at + 1)];
      }),
    );
  }
  if (draft.hostname.trim()) spec.hostname = draft.hostname.trim();
  if (draft.workingDir.trim()) spec.working_dir = draft.workingDir.trim();
  if (draft.user.trim()) spec.user = draft.user.trim();
  if (draft.restart !== "no") spec.restart = draft.restart;
  if (draft.health.command.trim()) {
    const { health } = draft;
    spec.health_check = { command: health.command };
    const check = spec.health_check;
    number(health.interval, (value) => value !== 30 && (check.interval_seconds = value));
    number(health.timeout, (value) => value !== 30 && (check.timeout_seconds = value));
    number(health.retries, (value) => value !== 3 && (check.retries = value));
    number(health.startPeriod, (value) => value !== 0 && (check.start_period_seconds = value));
    if (health.restartUnhealthy) check.restart_unhealthy = true;
  }
  const off = ISOLATION.filter((feature) => !draft.isolation[feature]);
  if (off.length) {
    spec.isolation = Object.fromEntries(off.map((feature) => [feature, false])) as Record<
      Feature,
      boolean
    >;
  }
  if (!draft.init) spec.init = false;
  if (draft.tty) spec.tty = true;
  if (draft.stdinOpen) spec.stdin_open = true;
  if (draft.bestEffort) spec.best_effort_limits = true;
  if (draft.rlimits?.length) spec.rlimits = draft.rlimits;
  return spec;
}

/** Whether anything but the everyday fields is set: then the form shows its second half. */
export function usesAdvanced(draft: Draft): boolean {
  const { name, command, mem_limit_mb, cpu_limit_percent, ...rest } = specOf(draft);
  return Object.keys(rest).length > 0;
}

function text(value: number | undefined): string {
  return value === undefined ? "" : String(value);
}

/** What is no number goes to the server as it is: it is the server that says what is wrong. */
function number(value: string, set: (value: number) => unknown): void {
  if (value.trim() === "") return;
  const parsed = Number(value);
  set(Number.isFinite(parsed) ? parsed : (value as unknown as number));
}
