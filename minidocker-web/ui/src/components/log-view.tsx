/** Log lines: as text and nothing else, and only those in sight. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { LogLine } from "../api/types.ts";
import { PLAIN, parseStart, type Span, type Style } from "../lib/ansi.ts";
import { drawnColours } from "../lib/contrast.ts";
import { clock, exact } from "../lib/format.ts";
import { columnsOf, type Entry, LogBuffer, placesOf } from "../lib/log-buffer.ts";
import { Button } from "./button.tsx";

const ROW = 20;
/** Rows drawn above and below what is in sight. */
const SPARE = 20;
/** As much of one line is drawn; the download has all of it. */
const LONGEST = 5000;

interface Props {
  entries: Entry[];
  /** Changes with the entries, which are changed in place. */
  version: number;
  search: RegExp | null;
  /** The line that is looked at: the log goes there whenever this changes. */
  target: Entry | null;
  timestamps: boolean;
  wrap: boolean;
  label: string;
}

export function LogView(props: Props) {
  const { entries, version, search, target, timestamps, wrap, label } = props;
  const box = useRef<HTMLDivElement>(null);
  const ruler = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [following, setFollowing] = useState(true);
  const [columns, setColumns] = useState(80);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => {
      setHeight(element.clientHeight);
      const text = ruler.current?.querySelector<HTMLElement>(".ruler-text");
      const digits = text?.firstElementChild?.getBoundingClientRect().width;
      if (text && digits) setColumns(Math.max(8, Math.floor((text.clientWidth / digits) * 10)));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [timestamps]);

  // Where each line begins, in rows; without wrapping a line is a row.
  const starts = useMemo(
    () => (wrap ? rowsBefore(entries, columns) : null),
    [entries, version, entries.length, wrap, columns],
  );
  const rows = starts ? starts[entries.length]! : entries.length;
  const startOf = (index: number) => (starts ? starts[index]! : index);

  useLayoutEffect(() => {
    const element = box.current;
    if (following && element) element.scrollTop = element.scrollHeight;
  }, [version, following, rows, height]);

  useLayoutEffect(() => {
    const element = box.current;
    const index = target ? entries.indexOf(target) : -1;
    if (!element || index < 0) return;
    setFollowing(false);
    element.scrollTop = Math.max(0, startOf(index) * ROW - height / 2 + ROW);
    setTop(element.scrollTop);
    // The line is drawn by then; what is found may be far to the right.
    requestAnimationFrame(() => {
      element
        .querySelector(".log-line.current mark")
        ?.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
  }, [target]);

  const scrolled = () => {
    const element = box.current;
    if (!element) return;
    setTop(element.scrollTop);
    setFollowing(element.scrollTop + element.clientHeight >= element.scrollHeight - ROW);
  };

  const first = Math.max(0, lineAt(starts, top / ROW - SPARE));
  const last = Math.min(entries.length, lineAt(starts, (top + height) / ROW + SPARE) + 1);
  const shown = entries.slice(first, last);

  return (
    <div class={wrap ? "log-frame wrapped" : "log-frame"}>
      <div
        class="log"
        ref={box}
        role="log"
        aria-live="off"
        aria-label={label}
        tabIndex={0}
        onScroll={scrolled}
      >
        <div class="log-space" style={{ height: `${rows * ROW}px` }}>
          <Ruler element={ruler} timestamps={timestamps} />
          <div class="log-lines" style={{ transform: `translateY(${startOf(first) * ROW}px)` }}>
            {shown.map((entry, index) => (
              <Line
                key={first + index}
                entry={entry}
                text={entry.text}
                search={search}
                current={entry === target}
                timestamps={timestamps}
              />
            ))}
          </div>
        </div>
      </div>
      {!following && (
        <div class="to-end">
          <Button small icon="chevron" onClick={() => setFollowing(true)}>
            Go to the end
          </Button>
        </div>
      )}
    </div>
  );
}

/** A line that nobody sees: how many characters fit beside the time. */
function Ruler(props: { element: { current: HTMLDivElement | null }; timestamps: boolean }) {
  return (
    <div class="log-ruler" ref={props.element} aria-hidden="true">
      {props.timestamps && <span class="ruler-time" />}
      <span class="log-mark" />
      <span class="ruler-text">
        <span>0000000000</span>
      </span>
    </div>
  );
}

function rowsBefore(entries: Entry[], columns: number): Float64Array {
  const starts = new Float64Array(entries.length + 1);
  for (let at = 0; at < entries.length; at += 1) {
    const shown = Math.min(columnsOf(entries[at]!), LONGEST);
    starts[at + 1] = starts[at]! + Math.max(1, Math.ceil(shown / columns));
  }
  return starts;
}

/** The line that is in this row. */
function lineAt(starts: Float64Array | null, row: number): number {
  if (!starts) return Math.floor(row);
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= row) low = middle;
    else high = middle - 1;
  }
  return low;
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
          <Line
            key={index}
            entry={entry}
            text={entry.text}
            search={null}
            current={false}
            timestamps={false}
          />
        ))}
      </div>
    </div>
  );
}

function Line(props: {
  entry: Entry;
  text: string;
  search: RegExp | null;
  current: boolean;
  timestamps: boolean;
}) {
  const { entry, text, search, current, timestamps } = props;
  const own = entry.stream === "system" ? inThisZone(text, entry.time) : text;
  const [spans, beyond] = parseStart(own, entry.style, LONGEST);
  return (
    <div class={`log-line ${entry.stream}${current ? " current" : ""}`}>
      {timestamps && (
        <time class="log-time" title={exact(entry.time)}>
          {clock(entry.time).slice(0, 8)}
          <span class="ms">{clock(entry.time).slice(8)}</span>
        </time>
      )}
      <span class="log-mark" aria-hidden="true" />
      <span class="log-text">
        {search ? marked(spans, search) : spans.map(plain)}
        {beyond > 0 && <em class="soft"> … {beyond} more characters in the download</em>}
      </span>
    </div>
  );
}

/** The header names the server's time of day; the page has one zone for all times. */
function inThisZone(text: string, time: string): string {
  return text.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, exact(time));
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
function marked(spans: Span[], search: RegExp) {
  const all = spans.map(({ text }) => text).join("");
  const hits = placesOf(all, search);
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
  const { fg, bg } = drawnColours(style);
  const classes = [
    style.bold && "bold",
    // What is faint on a coloured ground could not be read.
    style.dim && bg === null && "dim",
    style.italic && "italic",
    style.underline && "underline",
    style.strike && "strike",
  ].filter(Boolean);
  const css: Record<string, string> = {};
  if (fg !== null) css.color = fg;
  if (bg !== null) css.backgroundColor = bg;
  return { className: classes.join(" "), css };
}
