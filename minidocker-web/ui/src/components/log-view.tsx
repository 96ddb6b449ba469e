/** Log lines: as text and nothing else, and only those in sight. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { LogLine } from "../api/types.ts";
import { type Colour, PLAIN, parseAnsi, type Span, type Style } from "../lib/ansi.ts";
import { clock, exact } from "../lib/format.ts";
import { type Entry, LogBuffer } from "../lib/log-buffer.ts";
import { Button } from "./button.tsx";

const ROW = 20;
/** Rows drawn above and below what is in sight. */
const SPARE = 20;
/** As much of one line as is drawn; the download has all of it. */
const LONGEST = 5000;

interface Props {
  entries: Entry[];
  /** Changes with the entries, which are changed in place. */
  version: number;
  search: string;
  timestamps: boolean;
  label: string;
}

export function LogView({ entries, version, search, timestamps, label }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [following, setFollowing] = useState(true);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = box.current;
    if (following && element) element.scrollTop = element.scrollHeight;
  }, [version, following, entries.length, height]);

  const scrolled = () => {
    const element = box.current;
    if (!element) return;
    setTop(element.scrollTop);
    setFollowing(element.scrollTop + element.clientHeight >= element.scrollHeight - ROW);
  };

  const first = Math.max(0, Math.floor(top / ROW) - SPARE);
  const last = Math.min(entries.length, Math.ceil((top + height) / ROW) + SPARE);
  const shown = entries.slice(first, last);

  return (
    <div class="log-frame">
      <div
        class="log"
        ref={box}
        role="log"
        aria-live="off"
        aria-label={label}
        tabIndex={0}
        onScroll={scrolled}
      >
        <div class="log-space" style={{ height: `${entries.length * ROW}px` }}>
          <div class="log-lines" style={{ transform: `translateY(${first * ROW}px)` }}>
            {shown.map((entry, index) => (
              <Line
                key={first + index}
                entry={entry}
                text={entry.text}
                search={search}
                timestamps={timestamps}
              />
            ))}
          </div>
        </div>
      </div>
      {!following && (
        <div class="to-end">
          <Button small icon="chevron" onClick={() => setFollowing(true)}>
            To the end
          </Button>
        </div>
      )}
    </div>
  );
}

/** A few lines, all drawn. */
export function LogText({ lines }: { lines: LogLine[] }) {
  const buffer = useMemo(() => {
    const fresh = new LogBuffer(1000);
    fresh.append(lines);
    return fresh;
  }, [lines]);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  return (
    <div class="log short" ref={box} tabIndex={0} role="region" aria-label="Last lines of the log">
      <div class="log-lines">
        {buffer.entries.map((entry, index) => (
          <Line key={index} entry={entry} text={entry.text} search="" timestamps={false} />
        ))}
      </div>
    </div>
  );
}

function Line(props: { entry: Entry; text: string; search: string; timestamps: boolean }) {
  const { entry, text, search, timestamps } = props;
  const cut = text.length > LONGEST;
  const { spans } = parseAnsi(cut ? text.slice(0, LONGEST) : text, entry.style);
  return (
    <div class={`log-line ${entry.stream}`}>
      {timestamps && (
        <time class="log-time" title={exact(entry.time)}>
          {clock(entry.time)}
        </time>
      )}
      <span class="log-mark" aria-hidden="true" />
      <span class="log-text">
        {search ? marked(spans, search) : spans.map(plain)}
        {cut && <em class="soft"> … {text.length - LONGEST} more characters in the download</em>}
      </span>
    </div>
  );
}

function plain({ text, style }: Span, key: number) {
  if (style === PLAIN) return text;
  const { className, css } = drawn(style);
  return (
    <span key={key} class={className} style={css}>
      {text}
    </span>
  );
}

/** Spans with the places marked where the search is found, also across colours. */
function marked(spans: Span[], search: string) {
  const all = spans.map(({ text }) => text).join("");
  const lower = all.toLowerCase();
  const wanted = search.toLowerCase();
  const hits: [number, number][] = [];
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + wanted.length)) {
    hits.push([at, at + wanted.length]);
  }
  let from = 0;
  return spans.map(({ text, style }, key) => {
    const to = from + text.length;
    const pieces = [];
    let done = from;
    for (const [start, end] of hits) {
      if (end <= from || start >= to) continue;
      const a = Math.max(start, from);
      const b = Math.min(end, to);
      if (a > done) pieces.push(all.slice(done, a));
      pieces.push(<mark key={a}>{all.slice(a, b)}</mark>);
      done = b;
    }
    if (done < to) pieces.push(all.slice(done, to));
    from = to;
    const { className, css } = drawn(style);
    return (
      <span key={key} class={className} style={css}>
        {pieces}
      </span>
    );
  });
}

function drawn(style: Style): { className: string; css: Record<string, string> } {
  const fg = style.inverse ? (style.bg ?? "ground") : style.fg;
  const bg = style.inverse ? (style.fg ?? "ink") : style.bg;
  const classes = [
    style.bold && "bold",
    style.dim && "dim",
    style.italic && "italic",
    style.underline && "underline",
    style.strike && "strike",
  ].filter(Boolean);
  const css: Record<string, string> = {};
  if (fg !== null) css.color = value(fg);
  if (bg !== null) css.backgroundColor = value(bg);
  return { className: classes.join(" "), css };
}

function value(colour: Colour): string {
  if (typeof colour === "number") return `var(--ansi-${colour})`;
  if (colour === "ground") return "var(--log-ground)";
  if (colour === "ink") return "var(--log-ink)";
  return colour;
}
