/** The state of a container, with its colour. */
import type { Container, Status } from "../api/types.ts";
import { CONDITIONS, type Condition, conditionOf } from "../lib/condition.ts";

/** A state by itself, as in a legend. */
export function StatusWord(props: { status: Condition; reason?: string | null; pill?: boolean }) {
  return (
    <span
      class={props.pill ? "status pill" : "status"}
      data-state={props.status}
      title={props.reason ?? undefined}
    >
      {CONDITIONS[props.status]}
    </span>
  );
}

/** How a container is: also whether it is unhealthy, or ended because memory ran out. */
export function ContainerStatus({ container, pill }: { container: Container; pill?: boolean }) {
  const condition = conditionOf(container);
  return (
    <StatusWord
      status={condition}
      reason={reasonOf(condition, container)}
      {...(pill && { pill })}
    />
  );
}

const PLAIN: Partial<Record<Condition, (status: Status) => string>> = {
  unhealthy: () => "The command is running, and its health check fails.",
  oom: (status) => `${CONDITIONS[status]}: the kernel killed the command at its memory limit.`,
};

function reasonOf(condition: Condition, { status, reason }: Container): string | null {
  return PLAIN[condition]?.(status) ?? reason ?? null;
}
