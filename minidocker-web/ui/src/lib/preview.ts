/** The same container in other words: for docker, for curl and for Python. */
import type { Spec } from "../api/types.ts";
import { commandLine, shellQuote } from "./format.ts";
import { dockerPort } from "./ports.ts";

/** The `docker run` that comes nearest. */
export function dockerRun(spec: Spec): string {
  const options: string[][] = [];
  const option = (...words: string[]) => options.push(words.map(shellQuote));
  const isolation = spec.isolation ?? {};

  if (spec.name) option("--name", spec.name);
  if (spec.mem_limit_mb !== undefined) {
    option("--memory", `${spec.mem_limit_mb}m`);
    option("--memory-swap", `${spec.mem_limit_mb}m`);
  }
  if (spec.cpu_limit_percent !== undefined) option("--cpus", String(spec.cpu_limit_percent / 100));
  option("--pids-limit", String(spec.pids_limit ?? 512));
  for (const volume of spec.volumes ?? []) option("--volume", volume);
  for (const [name, value] of Object.entries(spec.env_vars ?? {})) {
    option("--env", `${name}=${value}`);
  }
  for (const port of spec.ports ?? []) option("--publish", dockerPort(port));
  for (const alias of spec.aliases ?? []) option("--network-alias", alias);
  for (const server of spec.dns ?? []) option("--dns", server);
  for (const host of spec.extra_hosts ?? []) option("--add-host", host);
  if (spec.hostname) option("--hostname", spec.hostname);
  if (spec.working_dir) option("--workdir", spec.working_dir);
  if (spec.user) option("--user", spec.user);
  for (const { resource, soft, hard } of spec.rlimits ?? []) {
    option("--ulimit", `${resource}=${soft}:${hard}`);
  }
  if (spec.restart) option("--restart", spec.restart);
  if (spec.health_check) {
    const check = spec.health_check;
    option("--health-cmd", commandLine(check.command));
    option("--health-interval", `${check.interval_seconds ?? 30}s`);
    option("--health-timeout", `${check.timeout_seconds ?? 30}s`);
    option("--health-retries", String(check.retries ?? 3));
    if (check.start_period_seconds) {
      option("--health-start-period", `${check.start_period_seconds}s`);
    }
  }
  if (spec.init !== false) option("--init");
  if (spec.stdin_open) option("--interactive");
  if (spec.tty) option("--tty");
  option("--network", spec.network ?? (isolation.network === false ? "host" : "bridge"));
  if (isolation.pid === false) option("--pid", "host");
  if (isolation.uts === false) option("--uts", "host");
  if (isolation.ipc === false) option("--ipc", "host");
  if (isolation.cgroup === false) option("--cgroupns", "host");
  if (isolation.masked_paths === false) option("--security-opt", "systempaths=unconfined");
  if (isolation.capabilities === false) option("--cap-add", "ALL");
  if (isolation.no_new_privs !== false) option("--security-opt", "no-new-privileges");
  if (isolation.seccomp === false) option("--security-opt", "seccomp=unconfined");

  const lines = ["docker run --detach", ...options.map((words) => words.join(" "))];
  return [...lines, `${shellQuote(dockerImage(spec))} ${commandLine(spec.command)}`].join(
    " \\\n  ",
  );
}

/** The image `host` shows this machine's programs; Docker has no such thing. */
function dockerImage({ image, command }: Spec): string {
  if (image && image !== "host") return image;
  return /^\W*python/.test(commandLine(command)) ? "python:3-slim" : "debian:stable-slim";
}

export function curl(spec: Spec, server: string): string {
  const json = JSON.stringify(spec, null, 2);
  const name = encodeURIComponent(spec.name || "NAME");
  return [
    `curl -sS ${server}/api/containers \\`,
    "  -H 'Content-Type: application/json' \\",
    `  -d ${shellQuote(json)}`,
    `curl -sS -X POST ${server}/api/containers/${name}/start`,
  ].join("\n");
}

/** The names by which the Python package calls what the API calls otherwise. */
const KEYWORDS: Partial<Record<keyof Spec, string>> = {
  mem_limit_mb: "memory_mb",
  cpu_limit_percent: "cpu_percent",
  env_vars: "env",
};

/** The keywords in the order in which one would explain them. */
const ORDER: (keyof Spec)[] = [
  "image",
  "mem_limit_mb",
  "cpu_limit_percent",
  "pids_limit",
  "volumes",
  "env_vars",
  "hostname",
  "working_dir",
  "user",
  "rlimits",
  "restart",
  "timeout_seconds",
  "health_check",
  "stdin_open",
  "tty",
  "init",
  "best_effort_limits",
  "isolation",
];

export function python(spec: Spec): string {
  const keywords = ORDER.flatMap((field) => {
    const value = pythonKeyword(field, spec);
    return value === undefined ? [] : [`    ${KEYWORDS[field] ?? field}=${value},`];
  });
  return [
    "import minidocker as md",
    "",
    "rt = md.Runtime()",
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
function pythonKeyword(field: keyof Spec, spec: Spec): string | undefined {
  if (field === "isolation" && spec.isolation) return pythonCall("md.Isolation", spec.isolation);
  if (field === "rlimits" && spec.rlimits) {
    const pairs = spec.rlimits.map(
      ({ resource, soft, hard }) => `"${resource}": (${soft}, ${hard})`,
    );
    return `{${pairs.join(", ")}}`;
  }
  if (field === "health_check" && spec.health_check) {
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
  const value = spec[field];
  const isEmpty = typeof value === "object" && Object.keys(value).length === 0;
  return value === undefined || isEmpty ? undefined : pythonValue(value);
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
