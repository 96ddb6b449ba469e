import { expect, test } from "vitest";
import { ago, bytes, bytesOf, duration, exitMeaning, micros, percent } from "../src/lib/format.ts";
import { commandLine, shellQuote, shortCommand } from "../src/lib/words.ts";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 kB"],
  [1536, "1.5 kB"],
  [100 * 1024 * 1024, "100 MB"],
  [24 * 1024 ** 3, "24 GB"],
  [null, "–"],
  [Number.NaN, "–"],
])("bytes %s", (count, text) => {
  expect(bytes(count)).toBe(text);
});

test.each([
  [0, "0 s"],
  [59.9, "59 s"],
  [60, "1 min"],
  [3661, "1 h 1 min"],
  [90_000, "1 d 1 h"],
  [undefined, "–"],
])("duration %s", (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test.each([
  [2.84, "2.8 µs"],
  [840, "840 µs"],
  [12_686, "12.7 ms"],
  [123_456, "123 ms"],
  [2_500_000, "2.50 s"],
])("micros %s", (value, text) => {
  expect(micros(value)).toBe(text);
});

test("percentages", () => {
  expect(percent(3.24)).toBe("3.2%");
  expect(percent(47.6)).toBe("48%");
  expect(percent(0)).toBe("0%");
  expect(percent(null)).toBe("–");
});

test("times that passed", () => {
  const now = Date.parse("2030-01-01T12:00:00Z");
  expect(ago("2030-01-01T11:59:58Z", now)).toBe("just now");
  expect(ago("2030-01-01T11:58:30Z", now)).toBe("1 min ago");
  expect(ago("2029-12-30T11:00:00Z", now)).toBe("2 d ago");
  expect(ago(null)).toBe("never");
});

test("words for a shell", () => {
  expect(shellQuote("plain-word_1.2/3:4=5")).toBe("plain-word_1.2/3:4=5");
  expect(shellQuote("")).toBe("''");
  expect(shellQuote("it's")).toBe(`'it'\\''s'`);
  expect(commandLine(["sh", "-c", "a && b"])).toBe("sh -c 'a && b'");
  expect(commandLine("sh -c 'a && b'")).toBe("sh -c 'a && b'");
});

test("a program of several lines is short on a card", () => {
  const program = "\nimport os\nprint(os.getcwd())\n";
  expect(shortCommand(`python -c "${program}"`)).toBe("python -c 'import os …'");
  expect(shortCommand(["python", "-u", "-c", program])).toBe("python -u -c 'import os …'");
  expect(shortCommand("echo  'a b'\n two")).toBe("echo 'a b' two");
  expect(shortCommand("echo 'open\n")).toBe("echo 'open");
});

test("exit codes say what they mean", () => {
  expect(exitMeaning(0)).toBe("success");
  expect(exitMeaning(127)).toContain("not found");
  expect(exitMeaning(137)).toContain("SIGKILL");
  expect(exitMeaning(137, true)).toContain("memory");
  expect(exitMeaning(3)).toContain("error");
});

test("a share of a limit names the unit once", () => {
  const MB = 1024 * 1024;
  expect(bytesOf(86.8 * MB, 100 * MB).join("")).toBe("86.8 of 100 MB");
  expect(bytesOf(384 * 1024, 30 * MB).join("")).toBe("384 kB of 30 MB");
  expect(bytesOf(MB, null).join("")).toBe("1 MB");
});
