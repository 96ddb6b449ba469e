/** The machine, what it can enforce, what it lacks and how to mend that. */
import { api } from "../api/client.ts";
import type { System } from "../api/types.ts";
import { Button } from "../components/button.tsx";
import { Code } from "../components/copy.tsx";
import { ask } from "../components/dialog.tsx";
import { Heading } from "../components/heading.tsx";
import { Icon } from "../components/icon.tsx";
import { Meter } from "../components/meter.tsx";
import { Notice } from "../components/notice.tsx";
import { StatusWord } from "../components/status.tsx";
import { done } from "../components/toast.tsx";
import { ago, bytes, exact, plural } from "../lib/format.ts";
import { useLoad } from "../lib/use-load.ts";
import { containers, isAlive, system } from "../state.ts";

export function SystemView() {
  const { data, problem } = useLoad(
    async () => {
      const answer = await api.system();
      system.value = answer;
      return answer;
    },
    [],
    5000,
  );
  return (
    <>
      <Heading title="System" about="This machine, its limits, and what could be improved.">
        <a class="button" href="/api/docs" target="_blank" rel="noreferrer">
          <Icon name="link" /> API documentation
        </a>
      </Heading>
      {problem && <Notice problem={problem} />}
      {!data && !problem && <p class="soft">Loading…</p>}
      {data && (
        <div class="stack">
          <Doctor data={data} />
          <div class="two wide">
            <Machine data={data} />
            <Enforced data={data} />
          </div>
          <DiskPanel />
        </div>
      )}
    </>
  );
}

function Doctor({ data }: { data: System }) {
  const bad = data.doctor.filter((one) => one.status !== "ok");
  const order = { problem: 0, warning: 1, ok: 2 };
  const checks = [...data.doctor].sort((a, b) => order[a.status] - order[b.status]);
  return (
    <section class="panel">
      <header>
        <h2>Doctor</h2>
        <span class={`tag ${bad.length ? "warn" : "good"}`}>
          {bad.length ? `${plural(bad.length, "check")} to look at` : "all checks passed"}
        </span>
      </header>
      <ul class="doctor">
        {checks.map(({ id, title, status, detail, command }) => (
          <li key={id} data-check={status}>
            <span class="doctor-mark" aria-hidden="true">
              <Icon name={status === "ok" ? "check" : "warning"} />
            </span>
            <div class="grow">
              <h3>
                {title} <span class="visually-hidden">({status})</span>
              </h3>
              <p class="soft">{detail}</p>
              {command && <Code text={command} label={`the command that fixes: ${title}`} />}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Machine({ data }: { data: System }) {
  const { kernel, disk, cgroup, backend } = data;
  const used = data.memory_bytes - data.memory_available_bytes;
  return (
    <section class="panel">
      <header>
        <h2>Machine</h2>
        <span class="mono small soft">{kernel.hostname}</span>
      </header>
      <dl class="facts body">
        <dt>Kernel</dt>
        <dd>
          {kernel.name} {kernel.release}, {kernel.architecture}
        </dd>
        <dt>Backend</dt>
        <dd>
          {backend.kind} <span class="soft">{backend.why}</span>
        </dd>
        <dt>Cores</dt>
        <dd>
          {data.cores}{" "}
          <span class="soft">load {data.load.map((one) => one.toFixed(2)).join(", ")}</span>
        </dd>
        <dt>Memory</dt>
        <dd>
          {bytes(used)} of {bytes(data.memory_bytes)} used
          <Meter percent={(used / data.memory_bytes) * 100} />
        </dd>
        <dt>Disk</dt>
        <dd>
          {bytes(disk.available_bytes)} of {bytes(disk.total_bytes)} free
          <Meter percent={(1 - disk.available_bytes / disk.total_bytes) * 100} />
        </dd>
        <dt>Cgroups</dt>
        <dd>
          version {cgroup.version}: {cgroup.controllers.join(", ") || "no controllers"}
        </dd>
        <dt>Root folder</dt>
        <dd>
          <code>{data.root}</code>
        </dd>
        <dt>Server</dt>
        <dd title={exact(data.started_at)}>
          minidocker {data.version}, as user {data.user.uid}, started {ago(data.started_at)},{" "}
          {data.streams.open} of {data.streams.limit} live streams open
        </dd>
      </dl>
    </section>
  );
}

function Enforced({ data }: { data: System }) {
  return (
    <section class="panel">
      <header>
        <h2>Limits this machine can enforce</h2>
      </header>
      <table>
        <tbody>
          {data.enforced.map(({ limit, enforced, why }) => (
            <tr key={limit}>
              <th scope="row">{limit}</th>
              <td>
                <span class={`tag ${enforced ? "good" : "bad"}`}>
                  {enforced ? "enforced" : "not enforced"}
                </span>
              </td>
              <td class="soft small">{why}</td>
            </tr>
          ))}
          {data.backend.unsupported.map(({ feature, why }) => (
            <tr key={feature}>
              <th scope="row">{feature}</th>
              <td>
                <span class="tag bad">not supported</span>
              </td>
              <td class="soft small">{why}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function DiskPanel() {
  const count = containers.value.size;
  const { data, problem, reload } = useLoad(() => api.disk(), [count]);
  const ended = [...containers.value.values()].filter((one) => !isAlive(one));
  return (
    <section class="panel">
      <header>
        <h2>Disk use</h2>
        <Button
          icon="trash"
          kind="danger"
          unavailable={ended.length === 0 ? "no container has stopped" : null}
          onClick={() => askPrune(ended.length, data?.reclaimable_bytes ?? null, reload)}
        >
          Prune stopped containers
        </Button>
      </header>
      {problem && <Notice problem={problem} />}
      {data && data.containers.length === 0 && <p class="body soft">No containers.</p>}
      {data && data.containers.length > 0 && (
        <div class="scroll-x" tabIndex={0} role="region" aria-label="Disk use by container">
          <table>
            <thead>
              <tr>
                <th scope="col">Container</th>
                <th scope="col">Status</th>
                <th scope="col" class="right">
                  Changed files
                </th>
                <th scope="col" class="right">
                  Log
                </th>
                <th scope="col" class="right">
                  Records
                </th>
              </tr>
            </thead>
            <tbody>
              {data.containers.map((one) => (
                <tr key={one.id}>
                  <td>{one.name}</td>
                  <td>
                    <StatusWord status={one.status} />
                  </td>
                  <td class="right number">{bytes(one.changes_bytes)}</td>
                  <td class="right number">{bytes(one.log_bytes)}</td>
                  <td class="right number">{bytes(one.records_bytes)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data && (
        <p class="body small soft">
          Containers {bytes(data.containers_bytes)}, images {bytes(data.images_bytes)};{" "}
          {bytes(data.reclaimable_bytes)} can be freed.
        </p>
      )}
    </section>
  );
}

function askPrune(count: number, size: number | null, reload: () => void): void {
  ask({
    title: `Delete ${plural(count, "container")}?`,
    body: (
      <p>
        All containers that are not running are deleted, with their changed files and logs
        {size !== null && `. This frees ${bytes(size)}`}. Running containers stay.
      </p>
    ),
    action: "Delete",
    danger: true,
    run: async () => {
      const { containers: gone, reclaimed_bytes } = await api.prune();
      done(`${plural(gone.length, "container")} deleted, ${bytes(reclaimed_bytes)} freed`);
      reload();
    },
  });
}
