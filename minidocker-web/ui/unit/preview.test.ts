import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Spec } from "../src/api/types.ts";
import { curl, dockerRun, KEYWORDS, python } from "../src/lib/preview.ts";

const HERE = { server: "http://localhost:5000", root: "/srv/my lab" };

/** With every field: one that is missing here does not compile. */
const FULL: Required<Spec> = {
  name: "web",
  command: "python -m http.server 8000",
  mem_limit_mb: 100,
  cpu_limit_percent: 50,
  pids_limit: 20,
  volumes: ["/srv/my site:/app:ro"],
  env_vars: { MODE: "it's", EMPTY: "" },
  ports: ["8080:80", "0.0.0.0:53:53/udp"],
  network: "backend",
  aliases: ["www.internal"],
  image: "site",
  entrypoint: ["/entry"],
  stop_signal: "SIGQUIT",
  best_effort_limits: true,
  dns: ["9.9.9.9"],
  extra_hosts: ["db:10.0.0.7"],
  hostname: "www",
  working_dir: "/app",
  user: "1000:1000",
  rlimits: [{ resource: "nofile", soft: 10, hard: 20 }],
  restart: "on-failure:5",
  timeout_seconds: 60,
  log_max_mb: 8,
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
  expect(after("--network")).toBe("backend");
  expect(after("--network-alias")).toBe("www.internal");
  expect(after("--publish")).toBe("127.0.0.1:8080:80");
  expect(given).toContain("0.0.0.0:53:53/udp");
  expect(after("--dns")).toBe("9.9.9.9");
  expect(after("--add-host")).toBe("db:10.0.0.7");
  expect(after("--pid")).toBe("host");
  expect(given).toContain("seccomp=unconfined");
  expect(given).not.toContain("no-new-privileges");
  expect(given).not.toContain("--init");
  expect(given.slice(-5)).toEqual(["site", "python", "-m", "http.server", "8000"]);
});

test.each<[string, string | string[], string[]]>([
  ["pipes and redirections", "echo one && echo two | sort > /tmp/zz *", []],
  ["variables and substitutions", 'echo "$HOME" `id` $(id) $PATH', []],
  ["a comment", "echo one # two", ["echo", "one"]],
  ["globs, braces, tilde, history", "echo * ? [a-z] {a,b} ~ ~root !! ; &", []],
  ["a quote inside quotes", `python -c "print('it''s')"`, ["python", "-c", "print('it''s')"]],
  ["escapes", "echo \\$X \"\\$Y \\n\" '\\n'", ["echo", "$X", "$Y \\n", "\\n"]],
  ["lines", "echo one \\\n  two\n", ["echo", "one", "two"]],
  ["an open quote", "echo 'never closed", ["echo 'never closed"]],
  ["exact words", ["echo", "two words", "it's", "", "$X", "a\nb"], []],
])("%s of a command are plain words in every snippet", (_, command, exact) => {
  const expected = exact.length ? exact : Array.isArray(command) ? command : command.split(" ");
  // The double quotes of a line go, as they do for minidocker.
  const wanted = expected.map((word) => word.replace(/^"(.*)"$/, "$1"));
  const given = words(dockerRun({ name: "a", command, image: "site" }));
  expect(given.slice(given.indexOf("site") + 1)).toEqual(wanted);

  const [create = ""] = curl({ name: "a", command }, HERE).split("\ncurl ");
  const sent = words(create);
  expect(JSON.parse(sent[sent.indexOf("-d") + 1] ?? "")).toEqual({ name: "a", command });
  expect(pythonMakes({ name: "a", command })).toMatchObject({ command });

  const checked = words(dockerRun({ name: "a", command: "true", health_check: { command } }));
  const probe = checked[checked.indexOf("--health-cmd") + 1] ?? "";
  // Docker gives the probe to a shell, which must find the same words.
  expect(words(probe)).toEqual(wanted);
});

test("every other value of docker run and curl is taken literally too", () => {
  const evil = "$(touch /tmp/x) `id` \"$HOME\" * ; & 'it' \\ \n#";
  const given = words(
    dockerRun({
      name: evil,
      command: "true",
      image: evil,
      volumes: [evil],
      env_vars: { [evil]: evil },
      ports: [`127.0.0.1:1:${evil}`],
      network: evil,
      aliases: [evil],
      dns: [evil],
      extra_hosts: [evil],
      hostname: evil,
      working_dir: evil,
      user: evil,
      restart: evil,
    }),
  );
  const plain = given.filter((word) => word.includes("touch"));
  expect(plain.length).toBe(13);
  expect(new Set(plain.map((word) => word.replace(/^127.0.0.1:1:|^.*=(?=\$)/s, "")))).toEqual(
    new Set([evil]),
  );
  const start = curl({ name: "it's", command: "true" }, HERE).split("\n").at(-1) ?? "";
  expect(words(start).at(-1)).toBe("http://localhost:5000/api/containers/it's/start");
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
  const lines = curl(FULL, HERE).split("\ncurl ");
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
    def __init__(self, root=None): self.root = root
    def create(self, name, command, **options):
        print(json.dumps({"root": self.root, "name": name, "command": command, **options}))
        return Container()
md = types.ModuleType("minidocker")
md.Runtime, md.Isolation = Runtime, dict
md.HealthCheck = lambda command, **options: {"command": command, **options}
sys.modules["minidocker"] = md
`;

function pythonMakes(spec: Spec, place = HERE): unknown {
  const output = execFileSync("python3", ["-c", `${PACKAGE}${python(spec, place)}`]);
  return JSON.parse(output.toString());
}

test("python is python, and means the same by the names of the package", () => {
  expect(pythonMakes(FULL)).toEqual({
    root: "/srv/my lab",
    image: "site",
    entrypoint: ["/entry"],
    stop_signal: "SIGQUIT",
    ports: ["8080:80", "0.0.0.0:53:53/udp"],
    network: "backend",
    aliases: ["www.internal"],
    dns: ["9.9.9.9"],
    extra_hosts: { db: "10.0.0.7" },
    best_effort_limits: true,
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
    timeout_seconds: 60,
    log_max_mb: 8,
    health_check: { command: "true", interval: 5, retries: 2, start_period: 1 },
    init: false,
    tty: true,
    stdin_open: true,
    isolation: { pid: false, network: false, seccomp: false, no_new_privs: false },
  });
  expect(pythonMakes({ name: "a", command: ["echo", 'it\'s "quoted"\n'], env_vars: {} })).toEqual({
    root: "/srv/my lab",
    name: "a",
    command: ["echo", 'it\'s "quoted"\n'],
  });
});

test("an empty entrypoint, which stands for none instead of the image's, is in every snippet", () => {
  const spec: Spec = { name: "a", command: "true", image: "site", entrypoint: [] };
  expect(pythonMakes(spec)).toMatchObject({ entrypoint: [] });
  const given = words(dockerRun(spec));
  expect(given[given.indexOf("--entrypoint") + 1]).toBe("");
  expect(curl(spec, HERE)).toContain('"entrypoint": []');
});

test("the Python package knows every keyword, and every field has one", () => {
  const package_ = new URL("../../../minidocker-py/python/minidocker/_spec.py", import.meta.url);
  const [, options = ""] =
    /class Options\(TypedDict.*?\n(.*?)\n\n\n/s.exec(readFileSync(package_, "utf8")) ?? [];
  const known = [...options.matchAll(/^ {4}(\w+): /gm)].map(([, keyword]) => keyword);
  const used = Object.values(KEYWORDS).filter((keyword) => keyword !== null);
  expect(known).toEqual(expect.arrayContaining(used));
  // Every field of the form is in both snippets.
  for (const [field, keyword] of Object.entries(KEYWORDS)) {
    if (keyword === null) continue;
    expect(FULL).toHaveProperty(field);
    expect(python(FULL, HERE)).toContain(`    ${keyword}=`);
  }
});

test("without a known root the Python package takes its own", () => {
  expect(python({ name: "a", command: "true" }, { ...HERE, root: null })).toContain("md.Runtime()");
});
