/** The log: live, searched, by stream. What is looked at is in the address. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { url } from "../../api/client.ts";
import type { Container } from "../../api/types.ts";
import { Button, LinkButton } from "../../components/button.tsx";
import { Icon } from "../../components/icon.tsx";
import { LogView } from "../../components/log-view.tsx";
import { Empty, Notice } from "../../components/notice.tsx";
import { bytes, plural, timeZone } from "../../lib/format.ts";
import { type Entry, searchFor } from "../../lib/log-buffer.ts";
import { LogHits } from "../../lib/log-hits.ts";
import { setQuery, useQuery } from "../../router.ts";
import { isAlive } from "../../state.ts";
import { type Log, useLog } from "./use-log.ts";

type Which = "all" | "stdout" | "stderr";

export function LogsTab({ container }: { container: Container }) {
  const { name } = container;
  const log = useLog(container);
  const { buffer, version, problem } = log;
  const query = useQuery();
  const words = query.get("q") ?? "";
  const expression = query.has("regex");
  const onlyFound = query.has("only");
  const which = (query.get("stream") ?? "all") as Which;
  const timestamps = query.get("times") !== "off";
  const wrap = query.get("wrap") !== "off";

  const [search, wrong] = useMemo(() => compiled(words, expression), [words, expression]);
  const chosen = useMemo(
    () =>
      which === "all"
        ? buffer.entries
        : buffer.entries.filter(({ stream }) => stream === which || stream === "system"),
    [buffer, version, which],
  );
  const known = useRef(new LogHits()).current;
  const hits = useMemo(
    () => (search ? known.of(chosen, which, search) : []),
    [chosen, version, which, search],
  );
  const entries = search && onlyFound ? hits : chosen;
  const [target, setTarget] = useState<Entry | null>(null);
  const at = target ? hits.indexOf(target) : -1;
  useEffect(() => setTarget(null), [search]);

  const step = (by: number) => {
    if (hits.length === 0) return;
    const next = at < 0 ? (by > 0 ? 0 : hits.length - 1) : at + by + hits.length;
    setTarget(hits[next % hits.length]!);
  };

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
            aria-invalid={wrong ? "true" : undefined}
            value={words}
            onInput={(event) => setQuery({ q: event.currentTarget.value || null })}
            onKeyDown={(event) => {
              if (event.key !== "Enter") return;
              event.preventDefault();
              step(event.shiftKey ? -1 : 1);
            }}
          />
        </label>
        <Button
          small
          label="Regular expression"
          pressed={expression}
          onClick={() => setQuery({ regex: expression ? null : "1" })}
        >
          <span class="mono">.*</span>
        </Button>
        {words && (
          <>
            <Button small icon="up" label="Previous match" onClick={() => step(-1)} />
            <Button small icon="chevron" label="Next match" onClick={() => step(1)} />
            <span class="small number" role="status">
              {wrong ?? `${plural(hits.length, "line")} found`}
              {at >= 0 && `, number ${at + 1}`}
            </span>
            <Toggle
              label="Only these"
              on={onlyFound}
              set={(on) => setQuery({ only: on ? "1" : null })}
            />
          </>
        )}
        <div class="segments" role="group" aria-label="Which output">
          {(["all", "stdout", "stderr"] as Which[]).map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={which === one}
              onClick={() => setQuery({ stream: one === "all" ? null : one })}
            >
              {one}
            </button>
          ))}
        </div>
        <Toggle
          label="Times"
          on={timestamps}
          set={(on) => setQuery({ times: on ? null : "off" })}
        />
        <Toggle label="Wrap" on={wrap} set={(on) => setQuery({ wrap: on ? null : "off" })} />
        <LinkButton
          to={`${url("containers", name, "logs")}?timestamps=true`}
          download={`${name}.log`}
          icon="download"
        >
          Download
        </LinkButton>
      </div>
      {problem && <Notice problem={problem} />}
      {log.lostBytes > 0 && (
        <p class="notice warn" role="status">
          The beginning of this log is gone: {bytes(log.lostBytes)} were removed to keep the log
          within its size limit.
        </p>
      )}
      {entries.length > 0 ? (
        <LogView
          entries={entries}
          version={version}
          search={search}
          target={target}
          timestamps={timestamps}
          wrap={wrap}
          label={`Log of ${name}`}
        />
      ) : (
        <div class="panel">
          <NoLines
            container={container}
            log={log}
            words={search && onlyFound ? words : ""}
            which={which}
          />
        </div>
      )}
      <p class="small soft" role="status">
        {footer(container, log)}
      </p>
    </div>
  );
}

function Toggle(props: { label: string; on: boolean; set: (on: boolean) => void }) {
  return (
    <label class="row small toggle">
      <input
        type="checkbox"
        checked={props.on}
        onChange={(event) => props.set(event.currentTarget.checked)}
      />
      {props.label}
    </label>
  );
}

/** The search, and why it is none. */
function compiled(words: string, expression: boolean): [RegExp | null, string | null] {
  try {
    return [searchFor(words, expression), null];
  } catch {
    return [null, "Not a regular expression"];
  }
}

function NoLines(props: { container: Container; log: Log; words: string; which: Which }) {
  const { container, log, words, which } = props;
  const total = log.buffer.entries.length;
  if (total > 0) {
    return (
      <Empty title="Nothing found">
        <p>
          {words ? `No line contains “${words}”.` : `The command has written nothing to ${which}.`}
        </p>
      </Empty>
    );
  }
  if (log.state === "lost") {
    return (
      <Empty title="The log cannot be read now">
        <p>
          The server does not answer. The log is kept on its disk, and appears here as soon as the
          server is back.
        </p>
      </Empty>
    );
  }
  if (log.state === "loading") return <p class="body soft">Loading the log…</p>;
  return (
    <Empty title="Nothing here yet">
      <p>{whyEmpty(container, log.empty)}</p>
    </Empty>
  );
}

function whyEmpty(container: Container, told: string | null): string {
  if (container.status === "created") return "It was never started, so it has printed nothing.";
  if (isAlive(container)) {
    return "The command is running and has printed nothing so far. Some programs keep back what they print until a lot has come together; with python -u it appears at once.";
  }
  return told ?? "The command ended without printing anything.";
}

function footer(container: Container, { buffer, state }: Log): string {
  const lines = plural(buffer.entries.length, "line");
  const older = buffer.dropped > 0 ? ` (${buffer.dropped} older ones only in the download)` : "";
  const zone = ` Times are in ${timeZone()}.`;
  switch (state) {
    case "loading":
      return "Loading…";
    case "lost":
      return `Not connected: ${lines} loaded before${older}.${zone}`;
    case "live":
      return `${lines}${older}, following.${zone}`;
    case "ended":
      return `${lines}${older}${isAlive(container) ? "" : ", of a command that has ended"}.${zone}`;
  }
}
