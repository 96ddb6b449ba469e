/** What the whole page knows: the containers as they are now, the machine, the connection. */
import { batch, computed, signal } from "@preact/signals";
import { api, type Problem, problemOf } from "./api/client.ts";
import { stream } from "./api/stream.ts";
import type { Container, System, Template, Usage } from "./api/types.ts";
import { done } from "./components/toast.tsx";
import { isAlive } from "./lib/condition.ts";

export type Connection = "connecting" | "live" | "lost";

export { isAlive };

export const connection = signal<Connection>("connecting");
/** Why the server refuses us, if it does. */
export const refusal = signal<Problem | null>(null);
export const containers = signal<Map<string, Container>>(new Map());
/** Whether the list has arrived: before that an empty list means nothing. */
export const listed = signal(false);
/** By name, as the next: a map, for a container may be called `constructor`. */
export const usages = signal<ReadonlyMap<string, Usage>>(new Map());
export const system = signal<System | null>(null);
export const templates = signal<Template[] | null>(null);
/** The last minute of CPU use of each container that is alive, for the sparklines. */
export const recentCpu = signal<ReadonlyMap<string, number[]>>(new Map());
export const simulated = computed(() => system.value?.backend.kind === "simulation");

const RECENT = 60;

export function usageOf(container: Container): Usage | null {
  if (!isAlive(container)) return null;
  return usages.value.get(container.name) ?? container.usage ?? null;
}

/** Why the backend cannot do this, if it cannot. */
export function unsupported(feature: string): string | null {
  return system.value?.backend.unsupported.find((one) => one.feature === feature)?.why ?? null;
}

/** An operation's answer arrives before the stream tells: show it at once. */
export function learn(container: Container): void {
  containers.value = new Map(containers.value).set(container.name, container);
}

export function forget(names: string[]): void {
  const next = new Map(containers.value);
  for (const name of names) next.delete(name);
  containers.value = next;
}

export async function loadSystem(): Promise<void> {
  system.value = await api.system();
}

export async function loadTemplates(): Promise<void> {
  templates.value = await api.templates();
}

/** Connects to the server, for good. */
export function live(): void {
  stream(() => "/api/live", {
    opened: () => {
      const wasLost = connection.value === "lost";
      connection.value = "live";
      refusal.value = null;
      loadSystem().catch(() => {});
      if (wasLost) done("Connected again. The page is up to date.");
    },
    lost: () => {
      connection.value = "lost";
      void askWhy();
    },
    on: {
      list: (all: Container[]) => {
        batch(() => {
          containers.value = new Map(all.map((one) => [one.name, one]));
          listed.value = true;
          takeUsage(Object.fromEntries(all.flatMap((c) => (c.usage ? [[c.name, c.usage]] : []))));
        });
      },
      changed: (some: Container[]) => {
        const next = new Map(containers.value);
        for (const one of some) next.set(one.name, one);
        containers.value = next;
      },
      removed: (names: string[]) => forget(names),
      usage: ({ usage }: { usage: Record<string, Usage> }) => batch(() => takeUsage(usage)),
    },
  });
}

/** A stream that fails does not tell why: a server that is gone, or one that wants a token. */
async function askWhy(): Promise<void> {
  try {
    await api.session();
    refusal.value = null;
  } catch (error) {
    const problem = problemOf(error);
    refusal.value = problem.status === 401 || problem.status === 403 ? problem : null;
  }
}

function takeUsage(usage: Record<string, Usage>): void {
  const known = new Map(Object.entries(usage));
  const recent = new Map<string, number[]>();
  for (const [name, { cpu_percent }] of known) {
    recent.set(name, [...(recentCpu.value.get(name) ?? []).slice(1 - RECENT), cpu_percent ?? 0]);
  }
  usages.value = known;
  recentCpu.value = recent;
}
