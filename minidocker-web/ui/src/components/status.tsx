import type { Status } from "../api/types.ts";

export function StatusWord(props: { status: Status; reason?: string | null; pill?: boolean }) {
  return (
    <span
      class={props.pill ? "status pill" : "status"}
      data-state={props.status}
      title={props.reason ?? undefined}
    >
      {props.status[0]?.toUpperCase()}
      {props.status.slice(1)}
    </span>
  );
}
