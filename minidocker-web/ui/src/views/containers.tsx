/** All containers, as they are now. */
import { signal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import type { Container, Status, Usage } from "../api/types.ts";
import { Ago } from "../components/ago.tsx";
import { Button, LinkButton } from "../components/button.tsx";
import { Heading } from "../components/heading.tsx";
import { Icon } from "../components/icon.tsx";
import { menuTriggers, openMenuAt } from "../components/menu.tsx";
import { Empty } from "../components/notice.tsx";
import { PortLinks } from "../components/port-link.tsx";
import { Sparkline } from "../components/sparkline.tsx";
import { StatusWord } from "../components/status.tsx";
import { attempt } from "../components/toast.tsx";
import { act, bulk, confirmDelete, menuOf, VERBS, whyNot } from "../lib/actions.tsx";
import { bytes, bytesOf, duration, exact, exitMeaning, percent, plural } from "../lib/format.ts";
import { matches } from "../lib/search.ts";
import { useMore } from "../lib/use-more.ts";
import { href } from "../router.ts";
import { containers, isAlive, listed, recentCpu, usageOf } from "../state.ts";
import { askImport } from "./import.tsx";
import { TemplateCards } from "./templates.tsx";

const STATUSES: Status[] = ["running", "paused", "restarting", "created", "stopped", "error"];

const SORTS = {
  state: "State",
  name: "Name",
  newest: "Newest",
  cpu: "CPU",
  memory: "Memory",
} as const;

type Sort = keyof typeof SORTS;

const search = signal("");
const only = signal<Status | null>(null);
const sort = signal<Sort>("state");
const layout = signal<"cards" | "table">(
  localStorage.getItem("minidocker.layout") === "table" ? "table" : "cards",
);
const selected = signal<Set<string>>(new Set());

export function ContainersView() {
  const all = [...containers.value.values()];
  const found = all.filter((one) => matches(one, search.value));
  const shown = sorted(found.filter((one) => !only.value || one.status === only.value));
  const list = useRef<HTMLDivElement>(null);
  const { count, end } = useMore(shown.length);
  const drawn = shown.slice(0, count);

  if (listed.value && all.length === 0) return <NoneYet />;

  return (
    <>
      <Heading title="Containers">
        <Button icon="upload" onClick={askImport}>
          Import
        </Button>
        <LinkButton to={href("create")} icon="plus" kind="primary">
          Create
        </LinkButton>
      </Heading>
      <div class="toolbar">
        <label class="search grow">
          <Icon name="search" />
          <input
            type="search"
            class="input"
            placeholder="Search: a name, a command, status:running, env:MODE=dev"
            aria-label="Search containers"
            value={search.value}
            onInput={(event) => {
              search.value = event.currentTarget.value;
            }}
          />
        </label>
        <label class="row small soft">
          Sort by
          <select
            class="input compact"
            value={sort.value}
            onChange={(event) => {
              sort.value = event.currentTarget.value as Sort;
            }}
          >
            {Object.entries(SORTS).map(([key, label]) => (
              <option key={key} value={key}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <div class="segments" role="group" aria-label="Layout">
          {(["cards", "table"] as const).map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={layout.value === one}
              aria-label={one === "cards" ? "Cards" : "Table"}
              title={one === "cards" ? "Cards" : "Table"}
              onClick={() => {
                layout.value = one;
                localStorage.setItem("minidocker.layout", one);
              }}
            >
              <Icon name={one === "cards" ? "grid" : "list"} />
            </button>
          ))}
        </div>
      </div>
      <StatusFilter found={found} />
      <BulkBar shown={shown} />
      {!listed.value && <p class="soft">Asking the server for its containers…</p>}
      {listed.value && shown.length === 0 && (
        <Empty title="Nothing matches">
          <p>
            {plural(all.length, "container")} {all.length === 1 ? "is" : "are"} here, none with what
            you search for.
          </p>
          <Button
            onClick={() => {
              search.value = "";
              only.value = null;
            }}
          >
            Show all
          </Button>
        </Empty>
      )}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: arrows go from link to link inside */}
      <div ref={list} onKeyDown={(event) => arrows(event, list.current)}>
        {shown.length > 0 &&
          (layout.value === "cards" ? (
            <ul class="cards" aria-label="Containers">
              {drawn.map((one) => (
                <Card key={one.id ?? one.name} container={one} />
              ))}
            </ul>
          ) : (
            <Table shown={shown} drawn={drawn} />
          ))}
        <div ref={end} />
      </div>
    </>
  );
}

function sorted(list: Container[]): Container[] {
  const order = (one: Container) => STATUSES.indexOf(one.status);
  const by: Record<Sort, (a: Container, b: Container) => number> = {
    state: (a, b) => order(a) - order(b),
    name: () => 0,
    newest: (a, b) => (b.created_at ?? "").localeCompare(a.created_at ?? ""),
    cpu: (a, b) => (usageOf(b)?.cpu_percent ?? -1) - (usageOf(a)?.cpu_percent ?? -1),
    memory: (a, b) => (usageOf(b)?.memory_bytes ?? -1) - (usageOf(a)?.memory_bytes ?? -1),
  };
  const names = (a: Container, b: Container) =>
    a.name.localeCompare(b.name, "en", { numeric: true });
  return list.sort((a, b) => by[sort.value](a, b) || names(a, b));
}

/** Up and down go from container to container. */
function arrows(event: KeyboardEvent, list: HTMLElement | null): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  if ((event.target as HTMLElement).matches("select, input:not([type=checkbox])")) return;
  const names = [...(list?.querySelectorAll<HTMLElement>("a.name") ?? [])];
  const here = (event.target as HTMLElement).closest("li, tr");
  const at = names.findIndex((name) => here?.contains(name));
  const next = names[at + (event.key === "ArrowDown" ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function StatusFilter({ found }: { found: Container[] }) {
  return (
    <div class="chips" role="group" aria-label="Only those in this state">
      <button type="button" aria-pressed={only.value === null} onClick={() => (only.value = null)}>
        All <span class="number">{found.length}</span>
      </button>
      {STATUSES.map((status) => {
        const count = found.filter((one) => one.status === status).length;
        if (count === 0 && only.value !== status) return null;
        return (
          <button
            key={status}
            type="button"
            data-state={status}
            aria-pressed={only.value === status}
            onClick={() => {
              only.value = only.value === status ? null : status;
            }}
          >
            <StatusWord status={status} /> <span class="number">{count}</span>
          </button>
        );
      })}
    </div>
  );
}

function BulkBar({ shown }: { shown: Container[] }) {
  const chosen = [...containers.value.values()].filter((one) => selected.value.has(one.name));
  if (chosen.length === 0) return null;
  const all = shown.every((one) => selected.value.has(one.name));
  return (
    <div class="bulk" role="toolbar" aria-label="Actions on the selected containers">
      <strong>{chosen.length} selected</strong>
      <Button
        kind="quiet"
        small
        onClick={() => {
          selected.value = new Set(all ? [] : shown.map((one) => one.name));
        }}
      >
        {all ? "Select none" : `Select all ${shown.length}`}
      </Button>
      <span class="grow" />
      {VERBS.map(({ verb, label, icon }) => {
        const able = chosen.filter((one) => whyNot(verb, one) === null);
        const [first] = chosen;
        return (
          <Button
            key={verb}
            icon={icon}
            small
            kind={verb === "delete" ? "danger" : ""}
            unavailable={
              able.length === 0 && first
                ? `none of them can be: ${first.name}: ${whyNot(verb, first)}`
                : null
            }
            onClick={async () => {
              const finish = () => {
                if (verb === "delete") selected.value = new Set();
              };
              if (verb === "delete") confirmDelete(able, finish);
              else await attempt(() => bulk(verb, able));
            }}
          >
            {label}
            {able.length < chosen.length && able.length > 0 && (
              <span class="number">
                {" "}
                {able.length}/{chosen.length}
              </span>
            )}
          </Button>
        );
      })}
    </div>
  );
}

function toggle(name: string): void {
  const next = new Set(selected.value);
  if (!next.delete(name)) next.add(name);
  selected.value = next;
}

function SelectBox({ name }: { name: string }) {
  return (
    <input
      type="checkbox"
      aria-label={`Select ${name}`}
      checked={selected.value.has(name)}
      onChange={() => toggle(name)}
    />
  );
}

/** The one thing that is most likely wanted next, and the menu with all. */
function Quick({ container }: { container: Container }) {
  const { name, status } = container;
  const verbs = VERBS.filter(({ verb }) => {
    if (status === "paused") return verb === "resume" || verb === "stop";
    if (status === "running") return verb === "pause" || verb === "stop";
    if (status === "restarting") return verb === "stop";
    return verb === "start";
  });
  return (
    <div class="row quick">
      {verbs.map(({ verb, label, icon }) => (
        <Button
          key={verb}
          icon={icon}
          small
          label={`${label} ${name}`}
          unavailable={whyNot(verb, container)}
          onClick={() => act(verb, container)}
        />
      ))}
      <LinkButton
        to={href("containers", name, "logs")}
        icon="logs"
        small
        label={`Logs of ${name}`}
      />
      <Button
        icon="menu"
        small
        label={`All actions of ${name}`}
        onClick={(event) => openMenuAt(name, menuOf(container), event.currentTarget as Element)}
      />
    </div>
  );
}

function Card({ container }: { container: Container }) {
  const { name, status, reason, command, short_id } = container;
  const usage = usageOf(container);
  const triggers = useMemo(() => menuTriggers(name, () => currentMenu(name)), [name]);
  const { spec } = container;
  const [memory, most] = usage ? bytesOf(usage.memory_bytes, usage.memory_limit_bytes) : [];
  return (
    <li class="card" data-state={status} data-selected={selected.value.has(name)} {...triggers}>
      <div class="ribs" aria-hidden="true" />
      <div class="card-head">
        <SelectBox name={name} />
        <div class="grow">
          <a class="name truncate" href={href("containers", name)}>
            {name}
          </a>
          <span class="mono small soft">{short_id ?? "damaged"}</span>
        </div>
        <StatusWord status={status} pill />
      </div>
      <code class="command truncate" title={command}>
        {command ?? reason}
      </code>
      {usage ? (
        <div class="gauges">
          <div>
            <span class="small soft">
              CPU
              <span>
                <strong class="number">{percent(usage.cpu_percent)}</strong>
                {spec?.cpu_limit_percent !== undefined && ` of ${spec.cpu_limit_percent}%`}
              </span>
            </span>
            <Sparkline values={recentCpu.value[name] ?? []} top={spec?.cpu_limit_percent} />
          </div>
          <div>
            <span class="small soft">
              Memory
              <span>
                <strong class="number">{memory}</strong>
                {most}
              </span>
            </span>
            <Meter percent={usage.memory_percent} />
          </div>
        </div>
      ) : (
        <p class="outcome small">
          <Outcome container={container} />
        </p>
      )}
      {container.network && container.network.ports.length > 0 && (
        <div class="small">
          <PortLinks ports={container.network.ports} />
        </div>
      )}
      <footer>
        <span class="small soft" title={`Last started: ${exact(container.started_at)}`}>
          {sinceWhen(container, usage)}
          {container.restarts ? `, ${plural(container.restarts, "restart")}` : ""}
          {container.health ? `, ${container.health.status}` : ""}
        </span>
        <Quick container={container} />
      </footer>
    </li>
  );
}

function sinceWhen(container: Container, usage: Usage | null) {
  if (usage && usage.uptime_seconds !== null) return `up ${duration(usage.uptime_seconds)}`;
  if (usage) return "between two runs";
  return startedWhen(container);
}

function startedWhen({ started_at }: Container) {
  if (!started_at) return "never started";
  return (
    <>
      started <Ago time={started_at} />
    </>
  );
}

/** How it is, of one that does not run. */
export function Outcome({ container }: { container: Container }) {
  const { status, exit, reason } = container;
  if (status === "created") return <span class="soft">Limits: {limits(container)}</span>;
  if (status === "error") return <span class="bad-text">{reason ?? "It failed."}</span>;
  if (!exit) return <span class="soft">It has ended.</span>;
  const bad = exit.code !== 0;
  return (
    <span class={bad ? "bad-text" : "soft"}>
      Exit code <strong class="number">{exit.code}</strong>:{" "}
      {exitMeaning(exit.code, exit.oom_killed)}
    </span>
  );
}

function limits({ spec }: Container): string {
  const parts = [];
  if (spec?.mem_limit_mb !== undefined) parts.push(`${spec.mem_limit_mb} MB`);
  if (spec?.cpu_limit_percent !== undefined) parts.push(`${spec.cpu_limit_percent}% CPU`);
  return parts.join(", ") || "none";
}

export function Meter({ percent: value }: { percent: number }) {
  const width = `${Math.min(100, Math.max(0, value))}%`;
  const bar = value >= 95 ? "var(--error)" : value >= 80 ? "var(--warning)" : "var(--memory)";
  return (
    <div class="meter" style={{ "--bar": bar }}>
      <span style={{ width }} />
    </div>
  );
}

/** The menu as things are when it opens. */
function currentMenu(name: string) {
  const now = containers.value.get(name);
  return now ? menuOf(now) : [];
}

function Table({ shown, drawn }: { shown: Container[]; drawn: Container[] }) {
  const all = shown.every((one) => selected.value.has(one.name));
  return (
    <div class="panel scroll-x" tabIndex={0} role="region" aria-label="Containers">
      <table class="containers">
        <thead>
          <tr>
            <th scope="col">
              <input
                type="checkbox"
                aria-label="Select all"
                checked={all}
                onChange={() => {
                  selected.value = new Set(all ? [] : shown.map((one) => one.name));
                }}
              />
            </th>
            <th scope="col">Name</th>
            <th scope="col">Status</th>
            <th scope="col">Command</th>
            <th scope="col">CPU</th>
            <th scope="col">Memory</th>
            <th scope="col">Uptime</th>
            <th scope="col">Exit</th>
            <th scope="col">Network</th>
            <th scope="col">
              <span class="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {drawn.map((one) => (
            <Row key={one.id ?? one.name} container={one} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ container }: { container: Container }) {
  const { name, status, exit, spec } = container;
  const usage = usageOf(container);
  const triggers = useMemo(() => menuTriggers(name, () => currentMenu(name)), [name]);
  return (
    <tr data-state={status} data-selected={selected.value.has(name)} {...triggers}>
      <td>
        <SelectBox name={name} />
      </td>
      <td>
        <a class="name" href={href("containers", name)}>
          {name}
        </a>
        <div class="mono small soft">{container.short_id}</div>
      </td>
      <td>
        <StatusWord status={status} reason={container.reason ?? null} />
        {container.health && <div class="small soft">{container.health.status}</div>}
      </td>
      <td>
        <code class="truncate cell-command" title={container.command}>
          {container.command ?? container.reason}
        </code>
      </td>
      <td class="number">
        {percent(usage?.cpu_percent)}
        <div class="small soft">
          {spec?.cpu_limit_percent === undefined ? "no limit" : `of ${spec.cpu_limit_percent}%`}
        </div>
      </td>
      <td class="number">
        {bytes(usage?.memory_bytes)}
        <div class="small soft">
          {spec?.mem_limit_mb === undefined ? "no limit" : `of ${spec.mem_limit_mb} MB`}
        </div>
      </td>
      <td class="number" title={exact(container.started_at)}>
        {usage ? duration(usage.uptime_seconds) : "–"}
        <div class="small soft">{startedWhen(container)}</div>
      </td>
      <td class="number" title={exit ? exitMeaning(exit.code, exit.oom_killed) : undefined}>
        {exit && !isAlive(container) ? exit.code : "–"}
        {exit?.oom_killed && !isAlive(container) && <span class="bad-text"> memory</span>}
        {container.restarts ? (
          <div class="small soft">{plural(container.restarts, "restart")}</div>
        ) : null}
      </td>
      <td>
        {container.network?.mode}
        <div class="small soft mono">{container.network?.networks[0]?.ip_address}</div>
        <div class="small">
          <PortLinks ports={container.network?.ports ?? []} />
        </div>
      </td>
      <td>
        <Quick container={container} />
      </td>
    </tr>
  );
}

function NoneYet() {
  return (
    <>
      <Heading title="Containers">
        <Button icon="upload" onClick={askImport}>
          Import
        </Button>
      </Heading>
      <section class="panel welcome">
        <div class="ribs" aria-hidden="true" />
        <div class="stack">
          <h2>No containers yet. Make the first one.</h2>
          <p class="soft">
            A container is a program in a room of its own: its own files, its own process list, and
            a budget of memory and CPU. Pick a ready-made one, or{" "}
            <a href={href("create")}>start from an empty form</a>. New to this?{" "}
            <a href={href("learn")}>Read what a container is</a>, it takes five minutes.
          </p>
          <TemplateCards hello />
        </div>
      </section>
    </>
  );
}
