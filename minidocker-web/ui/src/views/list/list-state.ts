/** What of the list is shown, in which order, and what of it is selected. */
import { signal } from "@preact/signals";
import type { Container } from "../../api/types.ts";
import { type Condition, is, rank } from "../../lib/condition.ts";
import { matches } from "../../lib/search.ts";
import { usageOf } from "../../state.ts";

export const SORTS = {
  state: "State",
  name: "Name",
  newest: "Newest",
  command: "Command",
  cpu: "CPU",
  memory: "Memory",
  uptime: "Uptime",
  exit: "Exit code",
  network: "Network",
} as const;

export type Sort = keyof typeof SORTS;

export const search = signal("");
/** Only those of this condition. */
export const only = signal<Condition | null>(null);
export const sort = signal<Sort>("state");
/** Whether the order is turned around. */
export const reversed = signal(false);
export const layout = signal<"cards" | "table">(
  localStorage.getItem("minidocker.layout") === "table" ? "table" : "cards",
);
export const selected = signal<Set<string>>(new Set());

/** Sorts by a column; the same column again turns the order around. */
export function sortBy(column: Sort): void {
  reversed.value = sort.value === column && !reversed.value;
  sort.value = column;
}

export function found(all: Container[]): Container[] {
  return all.filter((one) => matches(one, search.value));
}

export function chosen(list: Container[]): Container[] {
  const condition = only.value;
  return ordered(condition ? list.filter((one) => is(condition, one)) : list);
}

function ordered(list: Container[]): Container[] {
  const text = (pick: (one: Container) => string | undefined) => (a: Container, b: Container) =>
    (pick(a) ?? "").localeCompare(pick(b) ?? "", "en", { numeric: true });
  /** Large figures first, and those without one last. */
  const figure =
    (pick: (one: Container) => number | null | undefined) => (a: Container, b: Container) =>
      (pick(b) ?? -1) - (pick(a) ?? -1);
  const names = text((one) => one.name);
  const by: Record<Sort, (a: Container, b: Container) => number> = {
    state: (a, b) => rank(a) - rank(b),
    name: names,
    newest: (a, b) => (b.created_at ?? "").localeCompare(a.created_at ?? ""),
    command: text((one) => one.command),
    cpu: figure((one) => usageOf(one)?.cpu_percent),
    memory: figure((one) => usageOf(one)?.memory_bytes),
    uptime: figure((one) => usageOf(one)?.uptime_seconds),
    exit: figure((one) => one.exit?.code),
    network: text((one) => one.network?.mode),
  };
  const turn = reversed.value ? -1 : 1;
  return [...list].sort((a, b) => turn * by[sort.value](a, b) || names(a, b));
}

/** The last one whose box was clicked: a range begins there. */
let anchor: string | null = null;

/** Selects one or takes it out; with `range`, all from the last one clicked to this one. */
export function toggle(name: string, range: boolean, order: string[]): void {
  const next = new Set(selected.value);
  const on = !next.has(name);
  const from = range && anchor !== null ? order.indexOf(anchor) : -1;
  const to = order.indexOf(name);
  const names =
    from < 0 || to < 0 ? [name] : order.slice(Math.min(from, to), Math.max(from, to) + 1);
  for (const one of names) {
    if (on) next.add(one);
    else next.delete(one);
  }
  anchor = name;
  selected.value = next;
}
