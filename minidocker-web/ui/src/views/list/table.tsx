/** The containers as a table. A column's head sorts by it. */
import { useMemo } from "preact/hooks";
import type { Container } from "../../api/types.ts";
import { Icon } from "../../components/icon.tsx";
import { menuTriggers } from "../../components/menu.tsx";
import { PortLinks } from "../../components/port-link.tsx";
import { ContainerStatus } from "../../components/status.tsx";
import { conditionOf, isFailure } from "../../lib/condition.ts";
import { bytes, duration, exact, exitWords, percent, plural } from "../../lib/format.ts";
import { href } from "../../router.ts";
import { isAlive, usageOf } from "../../state.ts";
import { StartedWhen } from "./card.tsx";
import { reversed, type Sort, selected, sort, sortBy } from "./list-state.ts";
import { currentMenu, Quick } from "./quick.tsx";
import { SelectBox } from "./select-box.tsx";

/** The columns between the box and the actions, and what a click on the head sorts by. */
const COLUMNS: [string, Sort][] = [
  ["Name", "name"],
  ["Status", "state"],
  ["Command", "command"],
  ["CPU", "cpu"],
  ["Memory", "memory"],
  ["Uptime", "uptime"],
  ["Exit", "exit"],
  ["Network", "network"],
];

export function Table(props: { shown: Container[]; drawn: Container[]; order: string[] }) {
  const { shown, drawn, order } = props;
  const all = shown.every((one) => selected.value.has(one.name));
  return (
    <div class="panel scroll-x" tabIndex={0} role="region" aria-label="Containers">
      <table class="containers">
        <thead>
          <tr>
            <th scope="col">
              <label class="tick">
                <input
                  type="checkbox"
                  aria-label="Select all"
                  checked={all}
                  onChange={() => {
                    selected.value = new Set(all ? [] : shown.map((one) => one.name));
                  }}
                />
              </label>
            </th>
            {COLUMNS.map(([label, column]) => (
              <SortHead key={column} label={label} column={column} />
            ))}
            <th scope="col">
              <span class="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {drawn.map((one) => (
            <Row key={one.id ?? one.name} container={one} order={order} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Columns of text begin with A, those of figures with the largest. */
const ASCENDING: Sort[] = ["name", "state", "command", "network"];

function SortHead({ label, column }: { label: string; column: Sort }) {
  const current = sort.value === column;
  const up = ASCENDING.includes(column) !== reversed.value;
  return (
    <th scope="col" aria-sort={current ? (up ? "ascending" : "descending") : undefined}>
      <button type="button" class="sort-head" onClick={() => sortBy(column)}>
        {label}
        {current && (
          <span class={up ? "sort-mark up" : "sort-mark"}>
            <Icon name="chevron" size={12} />
          </span>
        )}
      </button>
    </th>
  );
}

function Row({ container, order }: { container: Container; order: string[] }) {
  const { name, exit, spec } = container;
  const usage = usageOf(container);
  const triggers = useMemo(() => menuTriggers(name, () => currentMenu(name)), [name]);
  const condition = conditionOf(container);
  // What the condition hides: an unhealthy one is running, one out of memory has stopped.
  const secondWord = condition === container.status ? container.health?.status : container.status;
  const ended = exit && !isAlive(container) ? exit : null;
  return (
    <tr data-state={condition} data-selected={selected.value.has(name)} {...triggers}>
      <td>
        <SelectBox name={name} order={order} />
      </td>
      <td>
        <a class="name" href={href("containers", name)}>
          {name}
        </a>
        <div class="mono small soft">{container.short_id}</div>
      </td>
      <td>
        <ContainerStatus container={container} />
        {secondWord && <div class="small soft">{secondWord}</div>}
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
        <div class="small soft">
          <StartedWhen container={container} />
        </div>
      </td>
      <td class="number" title={exit ? exitWords(exit) : undefined}>
        {ended ? <span class={isFailure(ended) ? "bad-text" : ""}>{ended.code}</span> : "–"}
        {container.restarts ? (
          <div class="small soft">{plural(container.restarts, "restart")}</div>
        ) : null}
      </td>
      <td>
        {container.network?.mode}
        <div class="small soft mono nowrap">{container.network?.networks[0]?.ip_address}</div>
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
