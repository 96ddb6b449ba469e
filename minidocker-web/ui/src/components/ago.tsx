/** How long ago something was; it grows older by itself. */
import { signal } from "@preact/signals";
import { ago, exact } from "../lib/format.ts";

const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 10_000);

export function Ago({ time }: { time: string | null | undefined }) {
  // Something may have happened since the clock last ticked.
  const words = ago(time, Math.max(now.value, Date.now()));
  return <span title={exact(time)}>{words}</span>;
}
