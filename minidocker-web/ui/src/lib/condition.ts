/** How a container is, at a glance: its status, or what matters more than that. */
import type { Container, Exit, Status } from "../api/types.ts";

/** A container can be running and yet unhealthy, or have stopped because memory ran out. */
export type Condition = Status | "unhealthy" | "oom";

export const CONDITIONS: Record<Condition, string> = {
  error: "Error",
  oom: "Out of memory",
  unhealthy: "Unhealthy",
  restarting: "Restarting",
  running: "Running",
  paused: "Paused",
  created: "Created",
  stopped: "Stopped",
};

/** What needs somebody's attention comes first. */
const ORDER = Object.keys(CONDITIONS) as Condition[];

export function conditionOf(container: Container): Condition {
  const { status } = container;
  if (isOutOfMemory(container)) return "oom";
  return status === "running" && isUnhealthy(container) ? "unhealthy" : status;
}

/** For a list sorted by state. */
export function rank(container: Container): number {
  return ORDER.indexOf(conditionOf(container));
}

/** Whether the container is of this condition; one that is unhealthy is also running. */
export function is(condition: Condition, container: Container): boolean {
  if (condition === "oom") return isOutOfMemory(container);
  if (condition === "unhealthy") return isUnhealthy(container);
  return container.status === condition;
}

export function isAlive({ status }: Container): boolean {
  return status === "running" || status === "paused" || status === "restarting";
}

function isUnhealthy(container: Container): boolean {
  return isAlive(container) && container.health?.status === "unhealthy";
}

/** Whether the last run ended because of the memory limit. */
function isOutOfMemory(container: Container): boolean {
  return container.exit?.oom_killed === true && !isAlive(container);
}

/** The ends that somebody asked for: by Ctrl+C, by a kill, by a stop. */
const ASKED_FOR = [130, 137, 143];

/** Whether an end is bad news. A normal stop is not. */
export function isFailure({ code, oom_killed, timed_out }: Exit): boolean {
  return oom_killed || timed_out || (code !== 0 && !ASKED_FOR.includes(code));
}
