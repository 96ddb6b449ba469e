/** The lines of a log as they are kept in the page. */
import type { LogLine } from "../api/types.ts";
import { PLAIN, parseAnsi, type Style, stripAnsi } from "./ansi.ts";

/** A line as it is kept: the style in which its text begins comes from the lines before. */
export interface Entry {
  time: string;
  stream: LogLine["stream"];
  text: string;
  style: Style;
  open: boolean;
  /** How many columns of a terminal the text takes. */
  columns: number;
}

/** A line is kept in pieces of about so many characters: one may never end. */
const LONGEST = 256 * 1024;

/** So many characters are kept in all. */
const ALL = 64 * 1024 * 1024;

/** A growing log. Colours carry over from line to line of a stream. */
export class LogBuffer {
  readonly entries: Entry[] = [];
  /** How many were dropped at the front. */
  dropped = 0;
  private styles: Record<LogLine["stream"], Style> = {
    stdout: PLAIN,
    stderr: PLAIN,
    system: PLAIN,
  };
  private unfinished: Partial<Record<LogLine["stream"], Entry>> = {};
  private size = 0;

  constructor(
    private readonly most: number,
    private readonly all = ALL,
  ) {}

  append(lines: LogLine[]): void {
    for (const { time, stream, text, full } of lines) {
      const before = this.unfinished[stream];
      if (before) {
        before.text += text;
        before.open = !full;
        before.columns = columnsOf(before.text);
      } else {
        this.entries.push({
          time,
          stream,
          text,
          style: this.styles[stream],
          open: !full,
          columns: columnsOf(text),
        });
      }
      const entry = before ?? this.entries[this.entries.length - 1];
      if (text.includes("\x1b")) this.styles[stream] = parseAnsi(text, this.styles[stream]).style;
      if (full || (entry && entry.text.length >= LONGEST)) delete this.unfinished[stream];
      else if (entry) this.unfinished[stream] = entry;
      this.size += text.length;
    }
    // Not one by one: moving a large array for each line is slow.
    const over = this.entries.length - this.most;
    let drop = over > this.most / 10 ? over : 0;
    if (this.size > this.all) {
      let left = this.size;
      for (drop = 0; drop < this.entries.length - 1; drop += 1) {
        if (left <= this.all * 0.9 && drop >= over) break;
        left -= this.entries[drop]?.text.length ?? 0;
      }
    }
    if (drop === 0) return;
    for (const entry of this.entries.splice(0, drop)) {
      this.size -= entry.text.length;
      // What comes later of its line is shown as a line of its own.
      if (this.unfinished[entry.stream] === entry) delete this.unfinished[entry.stream];
    }
    this.dropped += drop;
  }

  get last(): string | null {
    return this.entries.at(-1)?.time ?? null;
  }
}

/**
 * Lines that a new stream tells again: it begins at the time of the last line we have, and
 * several lines can have one time.
 */
export class Repeated {
  readonly since: string | null;
  private known: number;

  constructor(buffer: LogBuffer) {
    this.since = buffer.last;
    const first = buffer.entries.findLastIndex(({ time }) => time !== this.since);
    this.known = buffer.entries.length - 1 - first;
  }

  has({ time }: LogLine): boolean {
    if (time !== this.since || this.known === 0) return false;
    this.known -= 1;
    return true;
  }
}

/** So much of a line is searched: an expression of somebody's own may be slow. */
const SEARCHED = 20_000;

/** What is searched for, whatever its capitals; null for nothing. Throws if it is no expression. */
export function searchFor(words: string, expression: boolean): RegExp | null {
  if (words === "") return null;
  return new RegExp(expression ? words : words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu");
}

export function found(entry: Entry, search: RegExp): boolean {
  search.lastIndex = 0;
  return search.test(stripAnsi(entry.text).slice(0, SEARCHED));
}

/** Where in a text it is found. What has no length is not shown. */
export function placesOf(text: string, search: RegExp): [number, number][] {
  const places: [number, number][] = [];
  for (const { 0: match, index } of text.slice(0, SEARCHED).matchAll(search)) {
    if (match !== "") places.push([index, index + match.length]);
  }
  return places;
}

const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/g;

/** A tab goes to the next eighth column; a character of East Asia takes two. */
function columnsOf(line: string): number {
  const text = stripAnsi(line);
  if (/^[ -~]*$/.test(text)) return text.length;
  let columns = 0;
  for (const piece of text.split(/(\t)/)) {
    if (piece === "\t") columns += 8 - (columns % 8);
    else columns += piece.length + (piece.match(WIDE)?.length ?? 0);
  }
  return columns;
}
