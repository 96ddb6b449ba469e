import { expect, test } from "vitest";
import type { LogLine } from "../src/api/types.ts";
import {
  columnsOf,
  found,
  LogBuffer,
  placesOf,
  Repeated,
  searchFor,
} from "../src/lib/log-buffer.ts";

function line(text: string, more: Partial<LogLine> = {}): LogLine {
  return { time: "2030-01-01T00:00:00.5Z", stream: "stdout", text, full: true, ...more };
}

test("parts of a long line become one, stream by stream", () => {
  const buffer = new LogBuffer(100);
  buffer.append([line("one ", { full: false }), line("error", { stream: "stderr" })]);
  buffer.append([line("line"), line("next")]);
  expect(buffer.entries.map(({ text }) => text)).toEqual(["one line", "error", "next"]);
});

test("a colour goes on in the next line of its stream, not of the other", () => {
  const buffer = new LogBuffer(100);
  buffer.append([line("\x1b[31mred"), line("plain", { stream: "stderr" }), line("red too")]);
  expect(buffer.entries.map(({ style }) => style.fg)).toEqual([null, null, 1]);
});

test("the oldest lines go when there are too many, and are counted", () => {
  const buffer = new LogBuffer(100);
  buffer.append(Array.from({ length: 250 }, (_, n) => line(`line ${n}`)));
  expect(buffer.entries.length).toBe(100);
  expect(buffer.dropped).toBe(150);
  expect(buffer.entries[0]?.text).toBe("line 150");
});

test("a line that never ends, and lines of any length, do not fill the memory", () => {
  const buffer = new LogBuffer(100, 1_000_000);
  const part = "x".repeat(64 * 1024);
  for (let count = 0; count < 100; count += 1) buffer.append([line(part, { full: false })]);
  const kept = buffer.entries.reduce((sum, { text }) => sum + text.length, 0);
  expect(kept).toBeLessThanOrEqual(1_000_000);
  expect(Math.max(...buffer.entries.map(({ text }) => text.length))).toBeLessThan(400_000);
  expect(buffer.dropped + buffer.entries.length).toBe(25);
  buffer.append([line("end")]);
  expect(buffer.entries.at(-1)?.text).toBe("end");
});

test("a line that is written over and over costs what its parts cost", () => {
  const buffer = new LogBuffer(100);
  for (let count = 0; count <= 50_000; count += 1) {
    const bar = `\r\x1b[3${count % 8}m${count} of 50000`;
    buffer.append([line(count === 0 ? "\x1b[1mbegin" : bar, { full: false })]);
  }
  expect(buffer.entries.length).toBe(1);
  const [entry] = buffer.entries;
  expect(entry!.text.length).toBeLessThan(40_000);
  // What was cut off had made it bold.
  expect(entry!.style.bold).toBe(true);
  expect(entry!.text.endsWith("50000 of 50000")).toBe(true);
  expect(columnsOf(entry!)).toBe("50000 of 50000".length);
  buffer.append([line(""), line("next")]);
  expect(buffer.entries.map(({ open }) => open)).toEqual([false, false]);
});

test("a long line is kept to its end, with a carriage return too", () => {
  const buffer = new LogBuffer(100);
  const text = "x".repeat(16 * 1024);
  buffer.append([text, text, `${text}\r`].map((part) => line(part, { full: false })));
  expect(buffer.entries[0]?.text).toBe(`${text}${text}${text}\r`);
});

test("what a new stream repeats is left out, once", () => {
  const buffer = new LogBuffer(100);
  buffer.append([line("old", { time: "2030-01-01T00:00:00.4Z" }), line("a"), line("b")]);
  const repeated = new Repeated(buffer);
  expect(repeated.since).toBe("2030-01-01T00:00:00.5Z");
  const told = [line("a"), line("b"), line("c"), line("d", { time: "2030-01-01T00:00:00.6Z" })];
  expect(told.filter((one) => !repeated.has(one)).map(({ text }) => text)).toEqual(["c", "d"]);
});

test("a line is found whatever its colours and capitals", () => {
  const buffer = new LogBuffer(100);
  buffer.append([line("\x1b[1mHel\x1b[0mlo")]);
  expect(found(buffer.entries[0]!, searchFor("HELLO", false)!)).toBe(true);
  expect(found(buffer.entries[0]!, searchFor("h.l+o$", true)!)).toBe(true);
  expect(found(buffer.entries[0]!, searchFor("h.l+o$", false)!)).toBe(false);
});

test("the places of a search are those of the text, also where capitals are longer", () => {
  const text = "İ one (1) one";
  expect(placesOf(text, searchFor("ONE", false)!)).toEqual([
    [2, 5],
    [10, 13],
  ]);
  expect(placesOf(text, searchFor("(1)", false)!)).toEqual([[6, 9]]);
  expect(placesOf(text, searchFor("x*", true)!)).toEqual([]);
  expect(searchFor("", true)).toBeNull();
  expect(() => searchFor("(", true)).toThrow();
});

test("how wide a line is counts what is seen", () => {
  const buffer = new LogBuffer(100);
  buffer.append([line("\x1b[31mred\x1b[0m"), line("1%\r20%"), line("a\tb"), line("日本")]);
  expect(buffer.entries.map(columnsOf)).toEqual([3, 3, 9, 4]);
  buffer.append([line("12", { full: false })]);
  expect(columnsOf(buffer.entries.at(-1)!)).toBe(2);
  buffer.append([line("345")]);
  expect(columnsOf(buffer.entries.at(-1)!)).toBe(5);
});
