import { expect, test } from "vitest";
import type { LogLine } from "../src/api/types.ts";
import { LogBuffer, searchFor } from "../src/lib/log-buffer.ts";
import { LogHits } from "../src/lib/log-hits.ts";

function line(text: string, more: Partial<LogLine> = {}): LogLine {
  return { time: "2030-01-01T00:00:00.5Z", stream: "stdout", text, full: true, ...more };
}

const ERROR = searchFor("error", false)!;

test("another stream, or another search, starts over", () => {
  const buffer = new LogBuffer(100);
  buffer.append([line("error 1"), line("error 2", { stream: "stderr" }), line("error 3")]);
  const hits = new LogHits();
  const texts = (which: string, search = ERROR) => {
    const chosen = buffer.entries.filter(({ stream }) => which === "all" || stream === which);
    return hits.of(chosen, which, search).map(({ text }) => text);
  };
  expect(texts("all")).toEqual(["error 1", "error 2", "error 3"]);
  expect(texts("stderr")).toEqual(["error 2"]);
  expect(texts("stdout")).toEqual(["error 1", "error 3"]);
  expect(texts("all")).toEqual(["error 1", "error 2", "error 3"]);
  expect(texts("all", searchFor("2", false)!)).toEqual(["error 2"]);
});

test("a line that is not complete is searched again, whatever came after it", () => {
  const buffer = new LogBuffer(100);
  const hits = new LogHits();
  const texts = () => hits.of(buffer.entries, "all", ERROR).map(({ text }) => text);
  buffer.append([line("an err", { full: false }), line("error a", { stream: "stderr" })]);
  expect(texts()).toEqual(["error a"]);
  buffer.append([line("or", { full: false }), line("error b", { stream: "stderr" })]);
  expect(texts()).toEqual(["an error", "error a", "error b"]);
  buffer.append([line("\rfine", { full: false })]);
  expect(texts()).toEqual(["an error\rfine", "error a", "error b"]);
  buffer.append([line(" and well")]);
  expect(texts()).toEqual(["error a", "error b"]);
});

test("lines that are gone are not found", () => {
  const buffer = new LogBuffer(100);
  const hits = new LogHits();
  for (let count = 0; count < 10; count += 1) {
    buffer.append(Array.from({ length: 50 }, (_, at) => line(at % 5 ? "" : "error")));
    const found = hits.of(buffer.entries, "all", ERROR);
    expect(found).toEqual(buffer.entries.filter(({ text }) => text === "error"));
  }
});
