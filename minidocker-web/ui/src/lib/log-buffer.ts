/** The lines of a log as they are kept in the page. */
import type { LogLine } from "../api/types.ts";
import { lastWritings, PLAIN, parseAnsi, type Style, stripAnsi } from "./ansi.ts";

/** A line as it is kept: the style in which its text begins comes from the lines before. */
export interface Entry {
  /** Counted from the first line that was ever kept. */
  number: number;
  time: string;
  stream: LogLine["stream"];
  text: string;
  style: Style;
  open: boolean;
  /** What {@link columnsOf} said of this text; null if nobody has asked. */
  columns: number | null;
}

/** A line is kept in pieces of about so many characters: one may never end. */
const LONGEST = 256 * 1024;

/** Of a line that is written over and over, about so many characters are kept. */
const OVERWRITTEN = 16 * 1024;

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
  /** That of the next entry. */
  private number = 0;

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
        before.columns = null;
      } else {
        this.entries.push({
          number: this.number,
          time,
          stream,
          text,
          style: this.styles[stream],
          open: !full,
          columns: null,
        });
        this.number += 1;
      }
      const entry = before ?? this.entries[this.entries.length - 1];
      if (text.includes("\x1b")) this.styles[stream] = parseAnsi(text, this.styles[stream]).style;
      if (full || (entry && entry.text.length >= LONGEST)) delete this.unfinished[stream];
      else if (entry) this.unfinished[stream] = entry;
      this.size += text.length;
      if (before) this.shorten(before, text.length);
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

  /** Drops what was overwritten long ago, in a line that has grown. */
  private shorten(entry: Entry, grown: number): void {
    // To look at each part would take long where the parts are small.
    const { length } = entry.text;
    if (length < 2 * OVERWRITTEN || length % OVERWRITTEN >= grown) return;
    const kept = lastWritings(entry.text, OVERWRITTEN);
    // A carriage return near the end has overwritten little so far, or nothing.
    if (!kept.startsWith("\r") || kept.length < OVERWRITTEN / 2) return;
    const gone = entry.text.slice(0, entry.text.length - kept.length);
    if (gone.includes("\x1b")) entry.style = parseAnsi(gone, entry.style).style;
    entry.text = kept;
    this.size -= gone.length;
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

/** How many columns of a terminal a line takes. */
export function columnsOf(entry: Entry): number {
  // Not with each part of a line: many may come before the next look at it.
  entry.columns ??= columnsOfText(entry.text);
  return entry.columns;
}

/** A tab goes to the next eighth column; a character of East Asia takes two. */
function columnsOfText(line: string): number {
  const text = stripAnsi(line);
  if (/^[ -~]*$/.test(text)) return text.length;
  let columns = 0;
  for (const piece of text.split(/(\t)/)) {
    if (piece === "\t") columns += 8 - (columns % 8);
    else columns += piece.length + (piece.match(WIDE)?.length ?? 0);
  }
  return columns;
}
