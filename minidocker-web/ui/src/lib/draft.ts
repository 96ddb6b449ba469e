/** What the form holds while somebody types, and the specification it stands for. */
import { type FieldProblem, ISOLATION, type Isolation, type Spec } from "../api/types.ts";
import { commandLine } from "./words.ts";

export interface Draft {
  name: string;
  command: string;
  image: string;
  /** That of the specification it was filled from. */
  entrypoint: Spec["entrypoint"];
  stopSignal: Spec["stop_signal"];
  memory: string;
  cpu: string;
  pids: string;
  volumes: string[];
  env: string[];
  network: string;
  ports: string[];
  aliases: string[];
  dns: string[];
  extraHosts: string[];
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
    /** Not even as the image says. */
    off: boolean;
  };
  isolation: Isolation;
  init: boolean;
  tty: boolean;
  stdinOpen: boolean;
  bestEffort: boolean;
  timeoutSeconds: Spec["timeout_seconds"];
  logMaxMb: Spec["log_max_mb"];
  rlimits: Spec["rlimits"];
}

const ALL_ON = Object.fromEntries(ISOLATION.map((feature) => [feature, true])) as Isolation;

export function emptyDraft(): Draft {
  return {
    name: "",
    command: "",
    image: "",
    entrypoint: undefined,
    stopSignal: undefined,
    memory: "",
    cpu: "",
    pids: "",
    volumes: [],
    env: [],
    network: "",
    ports: [],
    aliases: [],
    dns: [],
    extraHosts: [],
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
      off: false,
    },
    isolation: { ...ALL_ON },
    init: true,
    tty: false,
    stdinOpen: false,
    bestEffort: false,
    timeoutSeconds: undefined,
    logMaxMb: undefined,
    rlimits: undefined,
  };
}

/** A form filled from a specification: a template, a copy, an import, a lesson. */
export function draftOf(spec: Partial<Spec>): Draft {
  const draft = emptyDraft();
  const off = spec.health_check === "none";
  const health = spec.health_check === "none" ? undefined : spec.health_check;
  return {
    ...draft,
    name: spec.name ?? "",
    command: commandLine(spec.command),
    image: spec.image === "host" ? "" : (spec.image ?? ""),
    entrypoint: spec.entrypoint,
    stopSignal: spec.stop_signal,
    memory: text(spec.mem_limit_mb),
    cpu: text(spec.cpu_limit_percent),
    pids: text(spec.pids_limit),
    volumes: [...(spec.volumes ?? [])],
    env: Object.entries(spec.env_vars ?? {}).map(([name, value]) => `${name}=${value}`),
    network: spec.network === "bridge" ? "" : (spec.network ?? ""),
    ports: [...(spec.ports ?? [])],
    aliases: [...(spec.aliases ?? [])],
    dns: [...(spec.dns ?? [])],
    extraHosts: [...(spec.extra_hosts ?? [])],
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
          off: false,
        }
      : { ...draft.health, off },
    isolation: { ...ALL_ON, ...spec.isolation },
    init: spec.init ?? true,
    tty: spec.tty ?? false,
    stdinOpen: spec.stdin_open ?? false,
    bestEffort: spec.best_effort_limits ?? false,
    timeoutSeconds: spec.timeout_seconds,
    logMaxMb: spec.log_max_mb,
    rlimits: spec.rlimits,
  };
}

/** Only what differs from the defaults, so that what is shown and sent is short. */
export function specOf(draft: Draft): Spec {
  const off = ISOLATION.filter((feature) => !draft.isolation[feature]);
  return {
    name: draft.name.trim(),
    ...present({
      // Left out, it is that of the image.
      command: draft.command.trim() === "" && draft.image.trim() ? undefined : draft.command,
      entrypoint: draft.entrypoint,
      stop_signal: draft.stopSignal,
      image: draft.image.trim() || undefined,
      mem_limit_mb: number(draft.memory),
      cpu_limit_percent: number(draft.cpu),
      pids_limit: number(draft.pids),
      volumes: lines(draft.volumes),
      env_vars: variables(draft.env),
      network: draft.network || undefined,
      ports: lines(draft.ports),
      aliases: lines(draft.aliases),
      dns: lines(draft.dns),
      extra_hosts: lines(draft.extraHosts),
      hostname: draft.hostname.trim() || undefined,
      working_dir: draft.workingDir.trim() || undefined,
      user: draft.user.trim() || undefined,
      restart: unless("no", draft.restart),
      timeout_seconds: draft.timeoutSeconds,
      log_max_mb: draft.logMaxMb,
      health_check: healthCheck(draft.health),
      isolation: some(off) && Object.fromEntries(off.map((feature) => [feature, false])),
      init: unless(true, draft.init),
      tty: unless(false, draft.tty),
      stdin_open: unless(false, draft.stdinOpen),
      best_effort_limits: unless(false, draft.bestEffort),
      rlimits: some(draft.rlimits ?? []),
    }),
  };
}

function healthCheck(health: Draft["health"]): Spec["health_check"] {
  if (!health.command.trim()) return health.off ? "none" : undefined;
  return {
    command: health.command,
    ...present({
      interval_seconds: unless(30, number(health.interval)),
      timeout_seconds: unless(30, number(health.timeout)),
      retries: unless(3, number(health.retries)),
      start_period_seconds: unless(0, number(health.startPeriod)),
      restart_unhealthy: unless(false, health.restartUnhealthy),
    }),
  };
}

/**
 * What the form itself finds wrong, and no specification can express: the server is not asked
 * then. `finished` is whether what is still empty is missing too.
 */
export function draftProblems(draft: Draft, finished: boolean): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const say = (field: string, code: string, message: string, hint: string) =>
    problems.push({ field, code, message, hint });
  if (finished && !draft.name.trim()) say("name", "missing", "Enter a name.", "");
  if (finished && !draft.command.trim() && !draft.image.trim()) {
    say("command", "missing", "Enter a command.", "");
  }
  const given = draft.env.map((line) => line.trim()).filter(Boolean);
  const bare = given.find((line) => !line.includes("="));
  if (bare !== undefined) {
    const hint = `Write ${bare}=value, or ${bare}= for an empty value.`;
    say("env_vars", "no_value", `${bare} has no "=" and no value.`, hint);
  }
  const names = given.map((line) => line.split("=", 1)[0]!.trim());
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined && bare === undefined) {
    say("env_vars", "duplicate", `${twice} is set twice.`, "Remove one of the two lines.");
  }
  return problems;
}

/** Lines without a "=" are no variables; the form says what they lack. */
function variables(lines: string[]): Record<string, string> | undefined {
  const pairs = lines
    .filter((line) => line.includes("="))
    .map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at).trim(), line.slice(at + 1)];
    });
  return some(pairs) && Object.fromEntries(pairs);
}

/** The fields that the form always shows; the others are below "Advanced options". */
export const EVERYDAY = [
  "name",
  "command",
  "mem_limit_mb",
  "cpu_limit_percent",
  "volumes",
  "env_vars",
  "ports",
  "network",
] as const;

/** Whether a field below "Advanced options" is set. */
export function usesAdvanced(draft: Draft): boolean {
  const everyday: readonly string[] = EVERYDAY;
  return Object.keys(specOf(draft)).some((field) => !everyday.includes(field));
}

function text(value: number | undefined): string {
  return value === undefined ? "" : String(value);
}

/** What is no number goes to the server as it is: it is the server that says what is wrong. */
function number(value: string): number | undefined {
  if (value.trim() === "") return undefined;
  const parsed = Number(value);
  return Number.isFinite(parsed) ? parsed : (value as unknown as number);
}

/** Those that are not empty. */
function lines(list: string[]): string[] | undefined {
  return some(list.map((one) => one.trim()).filter(Boolean));
}

function unless<T>(usual: T, value: T | undefined): T | undefined {
  return value === usual ? undefined : value;
}

function some<T>(list: T[]): T[] | undefined {
  return list.length > 0 ? list : undefined;
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the fields that are undefined. */
function present<T extends object>(object: T): Present<T> {
  const given = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Present<T>;
}
