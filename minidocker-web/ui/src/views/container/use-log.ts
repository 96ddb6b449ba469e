/** The log as it grows, over restarts of the container and of the server. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type Problem, url } from "../../api/client.ts";
import { stream } from "../../api/stream.ts";
import type { Container, LogLine } from "../../api/types.ts";
import { LogBuffer, Repeated } from "../../lib/log-buffer.ts";
import { isAlive } from "../../state.ts";

/** As many lines are kept; older ones are in the download. */
const MOST = 100_000;

export interface Log {
  buffer: LogBuffer;
  /** Changes with the buffer. */
  version: number;
  /** Why there is not a single line, in the server's words. */
  empty: string | null;
  problem: Problem | null;
  state: "loading" | "live" | "lost" | "ended";
  /** What was removed at the beginning of the log to keep it within its size. */
  lostBytes: number;
}

export function useLog(container: Container): Log {
  const { name, started_at } = container;
  const buffer = useRef(new LogBuffer(MOST)).current;
  const [version, setVersion] = useState(0);
  const [empty, setEmpty] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [state, setState] = useState<Log["state"]>("loading");
  const [lostBytes, setLostBytes] = useState(0);
  const alive = isAlive(container);

  useEffect(() => {
    let frame = 0;
    const changed = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => setVersion((old) => old + 1));
    };
    let again = new Repeated(buffer);
    const address = () => {
      again = new Repeated(buffer);
      const from = again.since ? `since=${encodeURIComponent(again.since)}` : `tail=${MOST}`;
      return `${url("containers", name, "logs")}?follow=true&${from}`;
    };
    const close = stream(address, {
      opened: () => setState("live"),
      lost: () => setState("lost"),
      on: {
        message: (lines: LogLine[]) => {
          buffer.append(lines.filter((line) => !again.has(line)));
          setProblem(null);
          changed();
        },
        dropped: (told: { dropped_bytes: number }) => setLostBytes(told.dropped_bytes),
        missed: ({ missed }: { missed: number }) => {
          const text = `${missed} lines came faster than they could be shown; the download has them.`;
          buffer.append([{ time: new Date().toISOString(), stream: "system", text, full: true }]);
          changed();
        },
        end: (end: { empty: string | null } | null) => {
          setState("ended");
          setEmpty(end?.empty ?? null);
        },
        error: ({ error }: { error: Problem }) => setProblem(error),
      },
    });
    return () => {
      cancelAnimationFrame(frame);
      close();
    };
  }, [name, started_at, alive]);

  return { buffer, version, empty, problem, state, lostBytes };
}
