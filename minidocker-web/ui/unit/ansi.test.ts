import { describe, expect, test } from "vitest";
import { PLAIN, parseAnsi, stripAnsi } from "../src/lib/ansi.ts";

describe("colours", () => {
  test("named colours colour the text between them", () => {
    const { spans } = parseAnsi("\x1b[32mok\x1b[0m then");
    expect(spans.map(({ text }) => text)).toEqual(["ok", " then"]);
    expect(spans[0]?.style.fg).toBe(2);
    expect(spans[1]?.style).toEqual(PLAIN);
  });

  test("bright, 256 and exact colours", () => {
    const fg = (code: string) => parseAnsi(`\x1b[${code}mx`).spans[0]?.style.fg;
    expect(fg("91")).toBe(9);
    expect(fg("38;5;3")).toBe(3);
    expect(fg("38;5;196")).toBe("#ff0000");
    expect(fg("38;5;244")).toBe("#808080");
    expect(fg("38;2;1;2;255")).toBe("#0102ff");
    expect(fg("38;2;999;0;0")).toBe("#ff0000");
    expect(fg("38;5;999")).toBeNull();
  });

  test("bold and colour in one sequence, and back", () => {
    const { spans } = parseAnsi("\x1b[1;4;31ma\x1b[22;24mb\x1b[39mc");
    expect(spans.map(({ style }) => [style.bold, style.underline, style.fg])).toEqual([
      [true, true, 1],
      [false, false, 1],
      [false, false, null],
    ]);
  });

  test("a colour that is not ended goes on in the next line", () => {
    const first = parseAnsi("\x1b[33mone");
    const second = parseAnsi("two", first.style);
    expect(second.spans[0]?.style.fg).toBe(3);
  });
});

describe("what a container could try", () => {
  test.each([
    ["moving the cursor", "a\x1b[2;5Hb\x1b[1Ac", "abc"],
    ["clearing the screen", "\x1b[2J\x1b[Hx", "x"],
    ["setting the title", "\x1b]0;owned\x07x", "x"],
    ["a hyperlink", "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "click"],
    ["an unfinished string", "x\x1b]0;never ended", "x"],
    ["a device control string", "\x1bPq#0\x1b\\x", "x"],
    ["private modes", "\x1b[?1049hx\x1b[>4;2mx", "xx"],
    ["bells", "a\x07b", "ab"],
    ["eight-bit strings", "a\x9dtitle\x9cb", "atitleb"],
    ["eight-bit controls", "a\x9b31mb", "a31mb"],
    ["a lone escape", "a\x1b", "a"],
  ])("%s has no effect", (_, line, expected) => {
    expect(stripAnsi(line)).toBe(expected);
    expect(
      parseAnsi(line)
        .spans.map(({ text }) => text)
        .join(""),
    ).toBe(expected);
  });

  test("HTML stays text", () => {
    const html = "<img src=x onerror=alert(1)>";
    expect(parseAnsi(html).spans).toEqual([{ text: html, style: PLAIN }]);
  });

  test("a very long line that is written over and over is read in no time", () => {
    const begin = performance.now();
    const line = `${"\r\x1b[2K0123456789".repeat(500_000)}\rdone\x1b[K`;
    expect(stripAnsi(line)).toBe("done");
    expect(performance.now() - begin).toBeLessThan(1500);
  });

  test("tabs stay", () => {
    expect(stripAnsi("a\tb")).toBe("a\tb");
  });

  test("a long hostile line is read in no time", () => {
    const begin = performance.now();
    parseAnsi("\x1b[".repeat(50_000) + "\x1b]".repeat(50_000));
    expect(performance.now() - begin).toBeLessThan(1000);
  });
});

describe("a cursor that moves within the line, as on a terminal", () => {
  test.each([
    ["progress", "p 1%\rp 50%\rp 100%", "p 100%"],
    ["a shorter text leaves the rest", "abcdef\rxy", "xycdef"],
    ["erasing to the end", "abcdef\rxy\x1b[K", "xy"],
    ["erasing all", "abcdef\x1b[2K\rxy", "xy"],
    ["erasing up to the cursor", "abc\x1b[1Kd", "   d"],
    ["backspaces", "abc\b\bX", "aXc"],
    ["a backspace at the beginning", "\b\ba", "a"],
    ["the end of a terminal's line", "text\r", "text"],
    ["a return alone", "\r", ""],
    ["characters outside the first plane", "😀😀\rx", "x😀"],
  ])("%s", (_, line, expected) => {
    expect(stripAnsi(line)).toBe(expected);
    expect(
      parseAnsi(line)
        .spans.map(({ text }) => text)
        .join(""),
    ).toBe(expected);
  });

  test("colours belong to what is seen in the end", () => {
    const { spans, style } = parseAnsi("\x1b[31m10%\r\x1b[32m100%\x1b[0m");
    expect(spans.map((one) => [one.text, one.style.fg])).toEqual([["100%", 2]]);
    expect(style).toEqual(PLAIN);
  });
});
