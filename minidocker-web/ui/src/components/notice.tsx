/** What went wrong and what to do about it, in the server's own words. */
import type { ComponentChildren } from "preact";
import type { Problem } from "../api/client.ts";

export function Notice({ problem, action }: { problem: Problem; action?: ComponentChildren }) {
  return (
    <div class="notice bad" role="alert">
      <strong>{problem.message}</strong>
      {problem.hint && <span>{problem.hint}</span>}
      {action}
    </div>
  );
}

/** Why there is nothing here, and what would be. */
export function Empty(props: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{props.title}</h2>
      {props.children}
    </div>
  );
}
