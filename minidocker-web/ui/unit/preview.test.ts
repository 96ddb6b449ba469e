import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import type { Spec } from "../src/api/types.ts";
import { curl, dockerRun, python } from "../src/lib/preview.ts";

const FULL: Spec = {
  name: "web",
  command: "python -m http.server 8000",
  mem_limit_mb: 100,
  cpu_limit_percent: 50,
  pids_limit: 20,
  volumes: ["/srv/my site:/app:ro"],
  env_vars: { MODE: "it's", EMPTY: "" },
  ports: ["8080:80", "0.0.0.0:53:53/udp"],
  dns: ["9.9.9.9"],
  extra_hosts: ["db:10.0.0.7"],
  hostname: "www",
  working_dir: "/app",
  user: "1000:1000",
  rlimits: [{ resource: "nofile", soft: 10, hard: 20 }],
  restart: "on-failure:5",
  health_check: { command: "true", interval_seconds: 5, retries: 2, start_period_seconds: 1 },
  init: false,
  tty: true,
  stdin_open: true,
  isolation: { pid: false, network: false, seccomp: false, no_new_privs: false },
};

/** The words that a shell makes of a command. */
function words(command: string): string[] {
  const script = `show() { for word in "$@"; do printf '%s\\0' "$word"; done; }\nshow ${command}`;
  return execFileSync("sh", ["-c", script]).toString().split("\0").slice(0, -1);
}

test("docker run says all that was asked for, quoted for a shell", () => {
  const given = words(dockerRun(FULL));
  const after = (option: string) => given[given.indexOf(option) + 1];
  expect(given.slice(0, 3)).toEqual(["docker", "run", "--detach"]);
  expect(after("--name")).toBe("web");
  expect(after("--memory")).toBe("100m");
  expect(after("--cpus")).toBe("0.5");
  expect(after("--pids-limit")).toBe("20");
  expect(after("--volume")).toBe("/srv/my site:/app:ro");
  expect(given).toContain("MODE=it's");
  expect(given).toContain("EMPTY=");
  expect(after("--restart")).toBe("on-failure:5");
  expect(after("--health-interval")).toBe("5s");
  expect(after("--ulimit")).toBe("nofile=10:20");
  expect(after("--network")).toBe("host");
  expect(after("--publish")).toBe("127.0.0.1:8080:80");
  expect(given).toContain("0.0.0.0:53:53/udp");
  expect(after("--dns")).toBe("9.9.9.9");
  expect(after("--add-host")).toBe("db:10.0.0.7");
  expect(after("--pid")).toBe("host");
  expect(given).toContain("seccomp=unconfined");
  expect(given).not.toContain("no-new-privileges");
  expect(given).not.toContain("--init");
  expect(given.slice(-5)).toEqual(["python:3-slim", "python", "-m", "http.server", "8000"]);
});

test("exact words stay exact", () => {
  const given = words(dockerRun({ name: "a", command: ["echo", "two words", "it's", ""] }));
  expect(given.slice(-5)).toEqual(["debian:stable-slim", "echo", "two words", "it's", ""]);
});

test("without options it is the safe default", () => {
  const given = words(dockerRun({ name: "a", command: "true" }));
  expect(given).toContain("--init");
  expect(given).toContain("no-new-privileges");
  expect(given.join(" ")).toContain("--network bridge");
});

test("curl sends exactly the specification", () => {
  const lines = curl(FULL, "http://localhost:5000").split("\ncurl ");
  const given = words(`curl ${lines[0]?.replace(/^curl /, "")}`);
  expect(given).toContain("http://localhost:5000/api/containers");
  expect(JSON.parse(given[given.indexOf("-d") + 1] ?? "")).toEqual(FULL);
});

/** Stands in for the package: prints what a container would be made from. */
const PACKAGE = `
import json, sys, types
class Container:
    def start(self): pass
    def logs(self, follow): return []
class Runtime:
    def create(self, name, command, **options):
        print(json.dumps({"name": name, "command": command, **options}))
        return Container()
md = types.ModuleType("minidocker")
md.Runtime, md.Isolation = Runtime, dict
md.HealthCheck = lambda command, **options: {"command": command, **options}
sys.modules["minidocker"] = md
`;

function pythonMakes(spec: Spec): unknown {
  const output = execFileSync("python3", ["-c", `${PACKAGE}${python(spec)}`]);
  return JSON.parse(output.toString());
}

test("python is python, and means the same by the names of the package", () => {
  expect(pythonMakes(FULL)).toEqual({
    name: "web",
    command: "python -m http.server 8000",
    memory_mb: 100,
    cpu_percent: 50,
    pids_limit: 20,
    volumes: ["/srv/my site:/app:ro"],
    env: { MODE: "it's", EMPTY: "" },
    hostname: "www",
    working_dir: "/app",
    user: "1000:1000",
    rlimits: { nofile: [10, 20] },
    restart: "on-failure:5",
    health_check: { command: "true", interval: 5, retries: 2, start_period: 1 },
    init: false,
    tty: true,
    stdin_open: true,
    isolation: { pid: false, network: false, seccomp: false, no_new_privs: false },
  });
  expect(pythonMakes({ name: "a", command: ["echo", 'it\'s "quoted"\n'], env_vars: {} })).toEqual({
    name: "a",
    command: ["echo", 'it\'s "quoted"\n'],
  });
});
