/** How figures are written. */
import type { Exit } from "../api/types.ts";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes in steps of 1024, as the limits are counted: `1.5 MB`. */
export function bytes(count: number | null | undefined): string {
  if (count == null || !Number.isFinite(count)) return "–";
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits).replace(/\.0$/, "")} ${UNITS[unit]}`;
}

/** So much of a limit, the unit told once if it is the same: `86.8 of 100 MB`. */
export function bytesOf(used: number, limit: number | null): [string, string] {
  if (limit === null) return [bytes(used), ""];
  const [value = "", unit] = bytes(used).split(" ");
  const most = bytes(limit);
  return [most.endsWith(` ${unit}`) ? value : `${value} ${unit}`, ` of ${most}`];
}

export function percent(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return "–";
  return `${value >= 10 || value === 0 ? Math.round(value) : value.toFixed(1)}%`;
}

/** A length of time in its two largest units: `2 h 5 min`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return "–";
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return s % 60 ? `${m} min ${s % 60} s` : `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 ? `${h} h ${m % 60} min` : `${h} h`;
  const d = Math.floor(h / 24);
  return h % 24 ? `${d} d ${h % 24} h` : `${d} d`;
}

/** Microseconds as a person reads them: `840 µs`, `12.4 ms`. */
export function micros(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return "–";
  if (value < 10) return `${value.toFixed(1)} µs`;
  if (value < 1000) return `${Math.round(value)} µs`;
  if (value < 1_000_000) return `${(value / 1000).toFixed(value < 100_000 ? 1 : 0)} ms`;
  return `${(value / 1_000_000).toFixed(2)} s`;
}

export function seconds(from: string, to: number = Date.now()): number {
  return (to - Date.parse(from)) / 1000;
}

/** `just now`, `5 min ago`; the exact time belongs in a title. */
export function ago(time: string | null | undefined, now: number = Date.now()): string {
  if (!time) return "never";
  const passed = seconds(time, now);
  if (!Number.isFinite(passed)) return "–";
  return passed < 5 ? "just now" : `${duration(passed).replace(/ \d+ (s|min|h)$/, "")} ago`;
}

/** The date and the time, the same in every place and language: `2030-01-31 19:23:05`. */
export function exact(time: string | null | undefined): string {
  if (!time) return "never";
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${timeOfDay(date)}`;
}

/** The time of day with milliseconds, as logs show it. */
export function clock(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  return `${timeOfDay(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** The zone in which this page tells all times: the browser's. */
export function timeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function timeOfDay(date: Date): string {
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

const SIGNALS: Record<number, string> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  15: "SIGTERM",
  31: "SIGSYS",
};

/** How a run ended, in a few words. */
export function exitWords({ code, oom_killed, timed_out }: Exit): string {
  return timed_out ? "killed: its time limit was over" : exitMeaning(code, oom_killed);
}

/** What an exit code tells. */
export function exitMeaning(code: number, oomKilled = false): string {
  if (oomKilled) return "killed by the kernel at its memory limit (out of memory)";
  if (code === 0) return "success";
  if (code === 125) return "the container could not be created";
  if (code === 126) return "the command was found but could not be executed";
  if (code === 127) return "the command was not found";
  if (code === 130) return "ended by SIGINT, as Ctrl+C asks";
  if (code === 137) return "killed by SIGKILL";
  if (code === 143) return "ended by SIGTERM, as a stop asks";
  if (code > 128 && code < 193) {
    const signal = code - 128;
    return `ended by ${SIGNALS[signal] ?? `signal ${signal}`}`;
  }
  return "the program reported an error";
}
