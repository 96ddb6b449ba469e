/** The log: live, searched, by stream. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Problem } from "../../api/client.ts";
import { url } from "../../api/client.ts";
import { stream } from "../../api/stream.ts";
import type { Container, LogLine } from "../../api/types.ts";
import { LinkButton } from "../../components/button.tsx";
import { Icon } from "../../components/icon.tsx";
import { LogView } from "../../components/log-view.tsx";
import { Empty, Notice } from "../../components/notice.tsx";
import { plural } from "../../lib/format.ts";
import { found, LogBuffer, Repeated } from "../../lib/log-buffer.ts";
import { isAlive } from "../../state.ts";

/** As many lines are kept; older ones are in the download. */
const MOST = 100_000;

type Which = "all" | "stdout" | "stderr";

export function LogsTab({ container }: { container: Container }) {
  const { name } = container;
  const { buffer, version, empty, problem, live } = useLog(container);
  const [search, setSearch] = useState("");
  const [onlyFound, setOnlyFound] = useState(false);
  const [which, setWhich] = useState<Which>("all");
  const [timestamps, setTimestamps] = useState(true);

  const chosen = useMemo(
    () =>
      which === "all"
        ? buffer.entries
        : buffer.entries.filter(({ stream }) => stream === which || stream === "system"),
    [buffer, version, which],
  );
  const hits = useMemo(
    () => (search ? chosen.filter((entry) => found(entry, search)) : []),
    [chosen, version, search],
  );
  const entries = search && onlyFound ? hits : chosen;

  return (
    <div class="stack tight">
      <div class="toolbar">
        <label class="search grow">
          <Icon name="search" />
          <input
            type="search"
            class="input"
            placeholder="Search in the log"
            aria-label="Search in the log"
            value={search}
            onInput={(event) => setSearch(event.currentTarget.value)}
          />
        </label>
        {search && (
          <>
            <span class="small number" role="status">
              {plural(hits.length, "line")} found
            </span>
            <label class="row small">
              <input
                type="checkbox"
                checked={onlyFound}
                onChange={(event) => setOnlyFound(event.currentTarget.checked)}
              />
              Only these
            </label>
          </>
        )}
        <div class="segments" role="group" aria-label="Which output">
          {(["all", "stdout", "stderr"] as Which[]).map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={which === one}
              onClick={() => setWhich(one)}
            >
              {one}
            </button>
          ))}
        </div>
        <label class="row small">
          <input
            type="checkbox"
            checked={timestamps}
            onChange={(event) => setTimestamps(event.currentTarget.checked)}
          />
          Times
        </label>
        <LinkButton
          to={`${url("containers", name, "logs")}?timestamps=true`}
          download={`${name}.log`}
          icon="download"
        >
          Download
        </LinkButton>
      </div>
      {problem && <Notice problem={problem} />}
      {entries.length > 0 ? (
        <LogView
          entries={entries}
          version={version}
          search={search}
          timestamps={timestamps}
          label={`Log of ${name}`}
        />
      ) : (
        <div class="panel">
          <Empty title={search && onlyFound ? "Nothing found" : "Nothing here yet"}>
            <p>{whyEmpty(container, { search, which, empty, total: buffer.entries.length })}</p>
          </Empty>
        </div>
      )}
      <p class="small soft" role="status">
        {plural(buffer.entries.length, "line")}
        {buffer.dropped > 0 && ` (${buffer.dropped} older ones only in the download)`}
        {live ? ", following" : isAlive(container) ? "" : ", complete: it does not run"}
      </p>
    </div>
  );
}

function whyEmpty(
  container: Container,
  now: { search: string; which: Which; empty: string | null; total: number },
): string {
  if (now.search && now.total > 0) return `No line contains “${now.search}”.`;
  if (now.total > 0) return `It has written nothing to ${now.which}.`;
  if (now.empty) return now.empty;
  if (container.status === "created") return "It was never started, so it has printed nothing.";
  if (isAlive(container)) {
    return "It runs and has printed nothing so far. Some programs keep what they print until much has come together; python -u does not.";
  }
  return "It ended without printing anything.";
}

/** The log as it grows; over restarts of the container and of the server. */
function useLog(container: Container) {
  const { name, started_at } = container;
  const buffer = useRef(new LogBuffer(MOST)).current;
  const [version, setVersion] = useState(0);
  const [empty, setEmpty] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [live, setLive] = useState(false);
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
      opened: () => setLive(true),
      lost: () => setLive(false),
      on: {
        message: (lines: LogLine[]) => {
          buffer.append(lines.filter((line) => !again.has(line)));
          setProblem(null);
          changed();
        },
        missed: ({ missed }: { missed: number }) => {
          const text = `${missed} lines came faster than they could be shown; the download has them.`;
          buffer.append([{ time: new Date().toISOString(), stream: "system", text, full: true }]);
          changed();
        },
        end: (end: { empty: string | null } | null) => {
          setLive(false);
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

  return { buffer, version, empty, problem, live };
}
