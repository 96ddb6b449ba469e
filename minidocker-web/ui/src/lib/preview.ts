/** Commands that make the same container with docker, curl and Python. */
import type { Spec } from "../api/types.ts";
import { dockerPort } from "./ports.ts";
import { literalCommand, shellQuote, splitWords } from "./words.ts";

/** Where the containers of this page are, for a program that is not this page. */
export interface Place {
  /** The address of the server. */
  server: string;
  /** The root folder of the server; null while it is not known. */
  root: string | null;
}

/**
 * The options of `docker run` for each field, in the order in which they are written. A field of
 * the specification that is missing here does not compile.
 */
const DOCKER: Record<keyof Spec, (spec: Spec) => string[][]> = {
  name: ({ name }) => (name ? [["--name", name]] : []),
  mem_limit_mb: ({ mem_limit_mb: mb }) =>
    mb === undefined
      ? []
      : [
          ["--memory", `${mb}m`],
          ["--memory-swap", `${mb}m`],
        ],
  cpu_limit_percent: ({ cpu_limit_percent: percent }) =>
    percent === undefined ? [] : [["--cpus", String(percent / 100)]],
  pids_limit: ({ pids_limit }) => [["--pids-limit", String(pids_limit ?? 512)]],
  volumes: ({ volumes }) => each("--volume", volumes),
  env_vars: ({ env_vars }) =>
    each(
      "--env",
      Object.entries(env_vars ?? {}).map(([name, value]) => `${name}=${value}`),
    ),
  ports: ({ ports }) => each("--publish", ports?.map(dockerPort)),
  aliases: ({ aliases }) => each("--network-alias", aliases),
  dns: ({ dns }) => each("--dns", dns),
  extra_hosts: ({ extra_hosts }) => each("--add-host", extra_hosts),
  hostname: ({ hostname }) => some("--hostname", hostname),
  working_dir: ({ working_dir }) => some("--workdir", working_dir),
  user: ({ user }) => some("--user", user),
  rlimits: ({ rlimits }) =>
    each(
      "--ulimit",
      rlimits?.map(({ resource, soft, hard }) => `${resource}=${soft}:${hard}`),
    ),
  restart: ({ restart }) => some("--restart", restart),
  // Docker has no such limit.
  timeout_seconds: () => [],
  stop_signal: ({ stop_signal }) => some("--stop-signal", stop_signal),
  health_check: ({ health_check: check }) => {
    if (!check) return [];
    if (check === "none") return [["--no-healthcheck"]];
    const { start_period_seconds: startPeriod } = check;
    return [
      // Docker gives this to a shell, and here no shell reads it.
      ["--health-cmd", literalCommand(check.command)],
      ["--health-interval", `${check.interval_seconds ?? 30}s`],
      ["--health-timeout", `${check.timeout_seconds ?? 30}s`],
      ["--health-retries", String(check.retries ?? 3)],
      ...(startPeriod ? [["--health-start-period", `${startPeriod}s`]] : []),
    ];
  },
  init: ({ init }) => (init === false ? [] : [["--init"]]),
  stdin_open: ({ stdin_open }) => (stdin_open ? [["--interactive"]] : []),
  tty: ({ tty }) => (tty ? [["--tty"]] : []),
  // Two files of half the size, as here.
  log_max_mb: ({ log_max_mb: mb }) =>
    mb === undefined
      ? []
      : [
          ["--log-opt", `max-size=${mb * 512}k`],
          ["--log-opt", "max-file=2"],
        ],
  network: ({ network, isolation }) => [
    ["--network", network ?? (isolation?.network === false ? "host" : "bridge")],
  ],
  isolation: ({ isolation = {} }) => [
    ...(isolation.pid === false ? [["--pid", "host"]] : []),
    ...(isolation.uts === false ? [["--uts", "host"]] : []),
    ...(isolation.ipc === false ? [["--ipc", "host"]] : []),
    ...(isolation.cgroup === false ? [["--cgroupns", "host"]] : []),
    ...(isolation.masked_paths === false ? [["--security-opt", "systempaths=unconfined"]] : []),
    ...(isolation.capabilities === false ? [["--cap-add", "ALL"]] : []),
    ...(isolation.no_new_privs === false ? [] : [["--security-opt", "no-new-privileges"]]),
    ...(isolation.seccomp === false ? [["--security-opt", "seccomp=unconfined"]] : []),
  ],
  // Docker refuses a limit that it cannot enforce, or warns; there is no option for it.
  best_effort_limits: () => [],
  // Docker takes one word; the others stand before the command.
  entrypoint: ({ entrypoint }) => (entrypoint ? [["--entrypoint", entrypoint[0] ?? ""]] : []),
  // These two stand behind all options.
  image: () => [],
  command: () => [],
};

function each(option: string, values: string[] | undefined): string[][] {
  return (values ?? []).map((value) => [option, value]);
}

function some(option: string, value: string | undefined): string[][] {
  return value ? [[option, value]] : [];
}

/** The `docker run` that comes nearest, each word quoted so that a shell takes it literally. */
export function dockerRun(spec: Spec): string {
  const options = Object.values(DOCKER).flatMap((option) => option(spec));
  const lines = ["docker run --detach", ...options.map((words) => words.map(shellQuote).join(" "))];
  const words = [dockerImage(spec), ...(spec.entrypoint ?? []).slice(1)].map(shellQuote);
  const end = [...words, literalCommand(spec.command)];
  return [...lines, end.filter(Boolean).join(" ")].join(" \\\n  ");
}

/** The image `host` shows this machine's programs; Docker has no such thing. */
function dockerImage({ image, command }: Spec): string {
  if (image && image !== "host") return image;
  const [program = ""] = Array.isArray(command) ? command : (splitWords(command ?? "") ?? []);
  return /^python/.test(program) ? "python:3-slim" : "debian:stable-slim";
}

export function curl(spec: Spec, { server }: Place): string {
  const containers = `${server}/api/containers`;
  const name = encodeURIComponent(spec.name || "NAME");
  return [
    `curl -sS ${shellQuote(containers)} \\`,
    "  -H 'Content-Type: application/json' \\",
    `  -d ${shellQuote(JSON.stringify(spec, null, 2))}`,
    `curl -sS -X POST ${shellQuote(`${containers}/${name}/start`)}`,
  ].join("\n");
}

/**
 * What the Python package calls each field, in the order in which one would explain them. A
 * field of the specification that is missing here does not compile.
 */
export const KEYWORDS = {
  name: null,
  command: null,
  image: "image",
  entrypoint: "entrypoint",
  mem_limit_mb: "memory_mb",
  cpu_limit_percent: "cpu_percent",
  pids_limit: "pids_limit",
  volumes: "volumes",
  env_vars: "env",
  ports: "ports",
  network: "network",
  aliases: "aliases",
  dns: "dns",
  extra_hosts: "extra_hosts",
  hostname: "hostname",
  working_dir: "working_dir",
  user: "user",
  rlimits: "rlimits",
  restart: "restart",
  timeout_seconds: "timeout_seconds",
  stop_signal: "stop_signal",
  health_check: "health_check",
  stdin_open: "stdin_open",
  tty: "tty",
  log_max_mb: "log_max_mb",
  init: "init",
  best_effort_limits: "best_effort_limits",
  isolation: "isolation",
} satisfies Record<keyof Spec, string | null>;

export function python(spec: Spec, { root }: Place): string {
  const keywords = Object.entries(KEYWORDS).flatMap(([field, keyword]) => {
    const value = pythonField(field as keyof Spec, spec);
    return keyword === null || value === undefined ? [] : [`    ${keyword}=${value},`];
  });
  return [
    "import minidocker as md",
    "",
    `rt = md.Runtime(${root === null ? "" : pythonValue(root)})`,
    "container = rt.create(",
    `    ${pythonValue(spec.name || "NAME")},`,
    `    ${pythonValue(spec.command)},`,
    ...keywords,
    ")",
    "container.start()",
    "for line in container.logs(follow=True):",
    "    print(line)",
  ].join("\n");
}

/** A field of the specification as the Python package takes it, if it is given. */
function pythonField(field: keyof Spec, spec: Spec): string | undefined {
  const value = spec[field];
  if (value === undefined) return undefined;
  const isEmpty = typeof value === "object" && Object.keys(value).length === 0;
  // Of all fields, the empty one means something here: not the program of the image.
  if (isEmpty && field !== "entrypoint") return undefined;
  if (field === "isolation" && spec.isolation) return pythonCall("md.Isolation", spec.isolation);
  if (field === "rlimits" && spec.rlimits) {
    const pairs = spec.rlimits.map(
      ({ resource, soft, hard }) =>
        `${pythonValue(resource)}: (${pythonValue(soft)}, ${pythonValue(hard)})`,
    );
    return `{${pairs.join(", ")}}`;
  }
  if (field === "extra_hosts" && spec.extra_hosts) {
    const pairs = spec.extra_hosts.map((line) => {
      const at = line.indexOf(":");
      return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
    });
    return pythonValue(Object.fromEntries(pairs));
  }
  if (field === "entrypoint" && spec.entrypoint) return pythonValue(spec.entrypoint);
  if (field === "health_check" && spec.health_check && spec.health_check !== "none") {
    const { command, interval_seconds, timeout_seconds, start_period_seconds, ...rest } =
      spec.health_check;
    return pythonCall(
      "md.HealthCheck",
      {
        interval: interval_seconds,
        timeout: timeout_seconds,
        start_period: start_period_seconds,
        ...rest,
      },
      [pythonValue(command)],
    );
  }
  return pythonValue(value);
}

function pythonCall(name: string, keywords: object, values: string[] = []): string {
  const named = Object.entries(keywords)
    .filter(([, value]) => value !== undefined)
    .map(([keyword, value]) => `${keyword}=${pythonValue(value)}`);
  return `${name}(${[...values, ...named].join(", ")})`;
}

/** A value as Python writes it. */
function pythonValue(value: unknown): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value == null) return "None";
  if (Array.isArray(value)) return `[${value.map(pythonValue).join(", ")}]`;
  if (typeof value === "object") {
    const pairs = Object.entries(value).map(
      ([key, item]) => `${JSON.stringify(key)}: ${pythonValue(item)}`,
    );
    return `{${pairs.join(", ")}}`;
  }
  // JSON's escapes of strings are Python's too.
  return JSON.stringify(value);
}
