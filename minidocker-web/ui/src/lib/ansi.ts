/**
 * The text of a log line: colours of ANSI escape sequences become spans of a closed set of
 * styles, and what moves the cursor within the line (a carriage return, a backspace) overwrites
 * what is there, as on a terminal. Every other control sequence is dropped, so that what a
 * container prints can change its own line and nothing else.
 */

export interface Style {
  fg: Colour | null;
  bg: Colour | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  strike: boolean;
}

/** One of the 16 named colours by its number, or exact as `#rrggbb`. */
export type Colour = number | string;

export interface Span {
  text: string;
  style: Style;
}

export const PLAIN: Style = {
  fg: null,
  bg: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  inverse: false,
  strike: false,
};

// CSI, then OSC and the other strings (ended by BEL or ST), then two-byte escapes, then the
// control characters that are left, C1 included.
const CONTROL =
  /\x1b\[([0-9:;<=>?]*)[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;

/** Splits a line into spans, beginning in `style`; also the style that the next begins in. */
export function parseAnsi(line: string, style: Style = PLAIN): { spans: Span[]; style: Style } {
  return MOVES.test(line) ? overwritten(line, style) : straight(line, style);
}

/** What changes text that is there: a carriage return before more text, a backspace, `CSI 2K`. */
const MOVES = /\r(?!$)|\x08|\x1b\[[12]K/;

/** A line that was written over and over can be long: only its last writings are looked at. */
const MOST_OVERWRITTEN = 100_000;

/** A line in which the cursor moves, character by character. */
function overwritten(whole: string, style: Style): { spans: Span[]; style: Style } {
  const line = whole.length > MOST_OVERWRITTEN ? lastWritings(whole, MOST_OVERWRITTEN) : whole;
  const cells: Span[] = [];
  let now = style;
  let cursor = 0;
  let from = 0;
  const write = (text: string) => {
    for (const char of text) {
      cells[cursor] = { text: char, style: now };
      cursor += 1;
    }
  };
  for (const match of line.matchAll(CONTROL)) {
    write(line.slice(from, match.index));
    from = match.index + match[0].length;
    const [all, parameters = "", final] = match;
    if (all === "\r") cursor = 0;
    else if (all === "\b") cursor = Math.max(0, cursor - 1);
    else if (final === "m" && !/[<=>?]/.test(parameters)) now = styled(now, parameters);
    else if (final === "K") erase(cells, cursor, parameters);
  }
  write(line.slice(from));
  return { spans: joined(cells), style: now };
}

/** The last part of so many characters, from the first carriage return in it. */
export function lastWritings(line: string, most: number): string {
  const end = line.slice(-most);
  const at = end.indexOf("\r");
  return at < 0 ? end : end.slice(at);
}

/** `CSI K`: clears to the end of the line, `1K` up to the cursor, `2K` all of it. */
function erase(cells: Span[], cursor: number, which: string): void {
  if (which === "2") cells.length = 0;
  else if (which === "1") {
    for (let at = 0; at < Math.min(cursor, cells.length); at += 1) {
      cells[at] = { text: " ", style: PLAIN };
    }
  } else if (cells.length > cursor) cells.length = cursor;
}

/** Cells of one style become one span; a cell that was never written is a blank. */
function joined(cells: Span[]): Span[] {
  const spans: Span[] = [];
  for (let at = 0; at < cells.length; at += 1) {
    const { text, style } = cells[at] ?? { text: " ", style: PLAIN };
    const last = spans.at(-1);
    if (last && last.style === style) last.text += text;
    else spans.push({ text, style });
  }
  return spans;
}

/** A line that is written from left to right, as nearly all are. */
function straight(line: string, style: Style): { spans: Span[]; style: Style } {
  const spans: Span[] = [];
  let now = style;
  let from = 0;
  const push = (text: string) => {
    if (text === "") return;
    const last = spans.at(-1);
    if (last && last.style === now) last.text += text;
    else spans.push({ text, style: now });
  };
  for (const match of line.matchAll(CONTROL)) {
    push(line.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] === "m" && !/[<=>?]/.test(match[1] ?? "")) now = styled(now, match[1] ?? "");
  }
  push(line.slice(from));
  return { spans, style: now };
}

/** At most so many characters of the line, and how many there are beyond. */
export function parseStart(line: string, style: Style, most: number): [Span[], number] {
  if (!MOVES.test(line)) {
    return [parseAnsi(line.slice(0, most), style).spans, Math.max(0, line.length - most)];
  }
  const shown: Span[] = [];
  let left = most;
  let beyond = 0;
  for (const { text, style: own } of parseAnsi(line, style).spans) {
    if (left > 0) shown.push({ text: text.slice(0, left), style: own });
    beyond += Math.max(0, text.length - left);
    left = Math.max(0, left - text.length);
  }
  return [shown, beyond];
}

/** The line without any control sequence: what is searched, copied and counted. */
export function stripAnsi(line: string): string {
  if (!MOVES.test(line)) return line.replace(CONTROL, "");
  return overwritten(line, PLAIN)
    .spans.map(({ text }) => text)
    .join("");
}

/** The style after `CSI … m`. */
function styled(before: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).map((code) => (code === "" ? 0 : Number(code)));
  let style: Style = { ...before };
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0;
    if (code === 0) style = { ...PLAIN };
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 3) style.italic = true;
    else if (code === 4) style.underline = true;
    else if (code === 7) style.inverse = true;
    else if (code === 9) style.strike = true;
    else if (code === 22) style.bold = style.dim = false;
    else if (code === 23) style.italic = false;
    else if (code === 24) style.underline = false;
    else if (code === 27) style.inverse = false;
    else if (code === 29) style.strike = false;
    else if (code >= 30 && code <= 37) style.fg = code - 30;
    else if (code >= 40 && code <= 47) style.bg = code - 40;
    else if (code >= 90 && code <= 97) style.fg = code - 82;
    else if (code >= 100 && code <= 107) style.bg = code - 92;
    else if (code === 39) style.fg = null;
    else if (code === 49) style.bg = null;
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes.slice(i + 1));
      if (code === 38) style.fg = colour ?? style.fg;
      else style.bg = colour ?? style.bg;
      i += used;
    }
  }
  return style;
}

/** `5;n` of 256 colours or `2;r;g;b`: the colour, and how many numbers it took. */
function extended(codes: number[]): [Colour | null, number] {
  const [kind, a = 0, b = 0, c = 0] = codes;
  if (kind === 5) return [indexed(a), 2];
  if (kind === 2) return [hex(a, b, c), 4];
  return [null, 1];
}

function indexed(n: number): Colour | null {
  if (!(n >= 0 && n <= 255)) return null;
  if (n < 16) return n;
  if (n >= 232) return hex(8 + (n - 232) * 10, 8 + (n - 232) * 10, 8 + (n - 232) * 10);
  const level = (i: number) => (i === 0 ? 0 : 55 + i * 40);
  const cube = n - 16;
  return hex(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function hex(...rgb: number[]): string {
  const part = (n: number) =>
    Math.min(255, Math.max(0, Math.trunc(n) || 0))
      .toString(16)
      .padStart(2, "0");
  return `#${rgb.map(part).join("")}`;
}
