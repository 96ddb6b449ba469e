/** What the kernel says of this container now, beside what it says of the host. */
import { useState } from "preact/hooks";
import { api } from "../../api/client.ts";
import type { Container, Feature, Isolation, Process, Xray } from "../../api/types.ts";
import { Button } from "../../components/button.tsx";
import { Empty, Notice } from "../../components/notice.tsx";
import { act, whyNot } from "../../lib/actions.tsx";
import { bytes, plural } from "../../lib/format.ts";
import { useLoad } from "../../lib/use-load.ts";
import { isAlive } from "../../state.ts";
import { NetworkXray } from "./xray-network.tsx";

const EVERY_MS = 2000;

export function XrayTab({ container }: { container: Container }) {
  const { name, status, started_at } = container;
  const [still, setStill] = useState(false);
  const { data, problem } = useLoad(
    () => api.xray(name),
    [name, status, started_at],
    isAlive(container) && !still ? EVERY_MS : undefined,
  );

  if (problem && !data) return <Notice problem={problem} />;
  if (!data) return <p class="soft">Asking the kernel…</p>;
  if (!data.running) {
    return (
      <div class="panel">
        <Empty title="Nothing to show">
          <p>
            {data.why ?? "The container is not running."} A container that is not running is only
            files: without processes the kernel has no namespaces and no cgroups for it.
          </p>
          <Button
            icon="play"
            kind="primary"
            unavailable={whyNot("start", container)}
            onClick={() => act("start", container)}
          >
            Start
          </Button>
        </Empty>
      </div>
    );
  }

  return (
    <div class="stack">
      <div class="row spread">
        <p class="soft lead">
          The kernel knows no containers, only processes with a changed view of the machine. This
          page shows that view, read from <code>/proc/{data.pid}</code> and the cgroup files, beside
          the view of the host.
        </p>
        <Button pressed={still} icon={still ? "play" : "pause"} onClick={() => setStill(!still)}>
          {still ? "Resume refresh" : "Pause refresh"}
        </Button>
      </div>
      <Namespaces data={data} isolation={container.spec?.isolation ?? {}} />
      <Processes processes={data.processes} />
      <NetworkXray network={data.network} />
      <Cgroups data={data} />
      <Rights data={data} />
      <Mounts data={data} />
    </div>
  );
}

/** Which switch makes a namespace; there is none for user and time. */
const SWITCHES: Record<string, Feature> = {
  cgroup: "cgroup",
  ipc: "ipc",
  mnt: "rootfs",
  net: "network",
  pid: "pid",
  uts: "uts",
};

function Namespaces({ data, isolation }: { data: Xray; isolation: Partial<Isolation> }) {
  const own = data.namespaces.filter((one) => one.own).length;
  const switchedOff = (kind: string) => {
    const feature = SWITCHES[kind];
    return feature !== undefined && isolation[feature] === false;
  };
  return (
    <section class="panel">
      <header>
        <h2>Namespaces</h2>
        <span class="soft small">
          {own} of {data.namespaces.length} belong to the container
        </span>
      </header>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Namespaces">
        <table class="xray">
          <thead>
            <tr>
              <th scope="col">Kind</th>
              <th scope="col">Host</th>
              <th scope="col">Container</th>
              <th scope="col">What it isolates</th>
            </tr>
          </thead>
          <tbody>
            {data.hostname && (
              <tr>
                <th scope="row">host name</th>
                <td class="mono">{data.hostname.host}</td>
                <td class="mono inside">{data.hostname.container}</td>
                <td class="soft small">The output of the command hostname.</td>
              </tr>
            )}
            {data.namespaces.map((one) => (
              <tr key={one.kind} class={switchedOff(one.kind) ? "shared" : ""}>
                <th scope="row">{one.kind}</th>
                <td class="mono number">{one.host}</td>
                <td class={`mono number ${one.own ? "inside" : ""}`}>
                  {one.container}{" "}
                  {!one.own && (
                    <span class={`tag ${switchedOff(one.kind) ? "warn" : ""}`}>
                      {switchedOff(one.kind)
                        ? "switched off: shared with the host"
                        : "shared with the host"}
                    </span>
                  )}
                </td>
                <td class="soft small">
                  {one.shows} <code class="nowrap">{one.manual}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const STATES: Record<string, string> = {
  R: "running",
  S: "sleeping",
  D: "waiting for a device",
  T: "stopped",
  Z: "ended, not yet reaped (zombie)",
  I: "idle",
};

/** The tree, each process under its parent. */
function Processes({ processes }: { processes: Process[] }) {
  const ids = new Set(processes.map((one) => one.host_pid));
  const rows: { process: Process; depth: number }[] = [];
  const visit = (parent: number | null, depth: number) => {
    for (const process of processes) {
      const below = ids.has(process.parent_host_pid) ? process.parent_host_pid : null;
      if (below !== parent || rows.some((row) => row.process === process)) continue;
      rows.push({ process, depth });
      visit(process.host_pid, depth + 1);
    }
  };
  visit(null, 0);
  return (
    <section class="panel">
      <header>
        <h2>Processes</h2>
        <span class="soft small">each process has two numbers</span>
      </header>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Processes">
        <table class="xray">
          <thead>
            <tr>
              <th scope="col">PID on the host</th>
              <th scope="col">PID inside</th>
              <th scope="col">Command</th>
              <th scope="col">State</th>
              <th scope="col">User</th>
              <th scope="col" class="right">
                Threads
              </th>
              <th scope="col" class="right">
                Memory
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ process, depth }) => (
              <tr key={process.host_pid}>
                <td class="mono number">{process.host_pid}</td>
                <td class="mono number inside">{process.container_pid ?? "not visible"}</td>
                <td class="mono">
                  <span style={{ paddingLeft: `${depth * 18}px` }}>
                    {depth > 0 && <span class="soft">└ </span>}
                    {process.command}
                  </span>
                </td>
                <td class="nowrap" title={process.state}>
                  {STATES[process.state[0] ?? ""] ?? process.state}
                </td>
                <td class="number">{process.uid}</td>
                <td class="right number">{process.threads}</td>
                <td class="right number nowrap">{bytes(process.memory_bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Cgroups({ data }: { data: Xray }) {
  return (
    <section class="panel">
      <header>
        <h2>Cgroup files: limits and counters</h2>
        <span class="soft small">live; a limit is set by writing to its file</span>
      </header>
      <div class="cgroups">
        {data.cgroups.map(({ controller, version, folder, files }) => (
          <div key={`${controller} ${folder}`}>
            <h3>
              {controller || "unified"} <span class="soft small">version {version}</span>
            </h3>
            <code class="small soft folder">{folder}</code>
            {files.length === 0 ? (
              <p class="small soft">No files to show.</p>
            ) : (
              <dl>
                {files.map(({ name, value }) => (
                  <div key={name}>
                    <dt class="mono small">{name}</dt>
                    <FileValue value={value} />
                  </div>
                ))}
              </dl>
            )}
          </div>
        ))}
      </div>
    </section>
  );
}

/** What the kernel writes where there is no limit. */
const NO_LIMIT = /^(max|92233720368547\d{5}|-1)$/;

function FileValue({ value }: { value: string }) {
  const long = value.split("\n").length > 6;
  return (
    <dd class={`mono small number ${long ? "long" : ""}`} tabIndex={long ? 0 : undefined}>
      {NO_LIMIT.test(value.trim()) ? <span title={value}>no limit</span> : value}
    </dd>
  );
}

function Rights({ data }: { data: Xray }) {
  const { capabilities, seccomp, uid_map, gid_map } = data;
  const maps = [
    ...uid_map.map((map) => ({ ...map, what: "user" })),
    ...gid_map.map((map) => ({ ...map, what: "group" })),
  ];
  return (
    <section class="panel">
      <header>
        <h2>Capabilities and system calls</h2>
        {capabilities && (
          <span class="soft small">
            {capabilities.kept.length} capabilities kept, {capabilities.dropped.length} dropped
          </span>
        )}
      </header>
      <div class="body stack">
        {capabilities && (
          <div class="two">
            <div>
              <h3>Capabilities kept</h3>
              <ul class="caps">
                {capabilities.kept.map((one) => (
                  <li key={one} class="tag good">
                    {short(one)}
                  </li>
                ))}
                {capabilities.kept.length === 0 && <li class="soft">none</li>}
              </ul>
            </div>
            <div>
              <h3>Capabilities dropped</h3>
              <ul class="caps">
                {capabilities.dropped.map((one) => (
                  <li key={one} class="tag">
                    {short(one)}
                  </li>
                ))}
                {capabilities.dropped.length === 0 && (
                  <li class="tag warn">none: the container has all capabilities of root</li>
                )}
              </ul>
            </div>
          </div>
        )}
        <dl class="facts">
          {seccomp && (
            <>
              <dt>System calls</dt>
              <dd>
                {seccomp.mode === 2 ? (
                  <>
                    <span class="tag good">filtered</span> by{" "}
                    {plural(seccomp.filters ?? 1, "seccomp filter")}
                  </>
                ) : (
                  <span class="tag warn">not filtered</span>
                )}{" "}
                <span class="soft">
                  mode {seccomp.mode}, {seccomp.name}
                </span>
              </dd>
              <dt>New privileges</dt>
              <dd>
                {seccomp.no_new_privs ? (
                  <span class="tag good">not possible: sudo and the like have no effect</span>
                ) : (
                  <span class="tag warn">possible through set-user-ID programs</span>
                )}
              </dd>
            </>
          )}
          {maps.map(({ what, inside, outside, count }) => (
            <>
              <dt>{what === "user" ? "User ids" : "Group ids"}</dt>
              <dd class="number">
                {inside === outside && count > 4_000_000_000 ? (
                  `No user namespace: ${what === "user" ? "root inside is root" : "group 0 inside is group 0"} on the host`
                ) : (
                  <>
                    {inside} inside is {outside} on the host{" "}
                    <span class="soft">({plural(count, "id")})</span>
                  </>
                )}
              </dd>
            </>
          ))}
        </dl>
      </div>
    </section>
  );
}

function short(capability: string): string {
  return capability.replace(/^CAP_/, "").toLowerCase();
}

function Mounts({ data }: { data: Xray }) {
  return (
    <section class="panel">
      <header>
        <h2>Mounts</h2>
        <span class="soft small">
          {data.mounts.length} inside
          {data.host_mounts != null && `, ${data.host_mounts} on the host`}
        </span>
      </header>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Mounts">
        <table class="xray">
          <thead>
            <tr>
              <th scope="col">Where</th>
              <th scope="col">Kind</th>
              <th scope="col">From</th>
              <th scope="col">Writable</th>
              <th scope="col">Options</th>
            </tr>
          </thead>
          <tbody>
            {data.mounts.map((mount, index) => (
              <tr key={index}>
                <td class="mono nowrap">{mount.target}</td>
                <td class="nowrap">{mount.filesystem}</td>
                <td class="mono small">{mount.source}</td>
                <td>
                  {mount.read_only ? (
                    <span class="tag">read-only</span>
                  ) : (
                    <span class="tag good">writable</span>
                  )}
                </td>
                <td class="mono small soft">{mount.options.join(", ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
