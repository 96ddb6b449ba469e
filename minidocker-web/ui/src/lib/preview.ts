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

export function python(spec: Spec, server: string): string {
  const name = encodeURIComponent(spec.name || "NAME");
  return [
    "import json",
    "from urllib.request import Request, urlopen",
    "",
    `api = ${pythonValue(`${server}/api/containers`)}`,
    'json_type = {"Content-Type": "application/json"}',
    `spec = ${pythonValue(spec)}`,
    "",
    "urlopen(Request(api, json.dumps(spec).encode(), json_type))",
    `urlopen(Request(f"{api}/${name}/start", method="POST"))`,
  ].join("\n");
}

/** A value as Python writes it. */
function pythonValue(value: unknown, indent = ""): string {
  const inner = `${indent}    `;
  if (value === true) return "True";
  if (value === false) return "False";
  if (value == null) return "None";
  if (Array.isArray(value)) {
    return `[${value.map((item) => pythonValue(item, inner)).join(", ")}]`;
  }
  if (typeof value === "object") {
    const pairs = Object.entries(value).filter(([, item]) => item !== undefined);
    if (pairs.length === 0) return "{}";
    const lines = pairs.map(
      ([key, item]) => `${inner}${JSON.stringify(key)}: ${pythonValue(item, inner)},`,
    );
    return `{\n${lines.join("\n")}\n${indent}}`;
  }
  // JSON's escapes of strings are Python's too.
  return JSON.stringify(value);
}
