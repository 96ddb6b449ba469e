/** How long ago something was; it grows older by itself. */
import { computed, signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { ago, exact } from "../lib/format.ts";

const now = signal(Date.now());

// Each second, as the uptime beside it; only words that changed are drawn again.
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1000);

export function Ago({ time }: { time: string | null | undefined }) {
  const words = useMemo(() => computed(() => ago(time, now.value)), [time]);
  return <span title={exact(time)}>{words}</span>;
}
