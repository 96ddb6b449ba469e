import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseAnsi } from "../src/lib/ansi.ts";
import { contrast, drawnColours, GROUND, INK, PALETTE } from "../src/lib/contrast.ts";

test("the palette is that of the style sheet", () => {
  const sheet = readFileSync(new URL("../src/styles/logs.css", import.meta.url), "utf8");
  const named = (name: string) => new RegExp(`--${name}: (#\\w+);`).exec(sheet)?.[1];
  expect(PALETTE.map((_, n) => named(`ansi-${n}`))).toEqual(PALETTE);
  expect([named("log-ground"), named("log-ink")]).toEqual([GROUND, INK]);
});

test("whatever colours a program chooses, its text can be read", () => {
  const codes = ["0", "7", "38;2;0;0;0", "38;2;20;24;30", "48;2;255;255;255", "7;38;2;9;9;9"];
  for (let fg = 0; fg < 8; fg += 1) {
    codes.push(`${30 + fg}`, `${90 + fg}`, `7;${30 + fg}`);
    for (let bg = 0; bg < 8; bg += 1)
      codes.push(`1;${30 + fg};${40 + bg}`, `${90 + fg};${100 + bg}`);
  }
  for (let bg = 0; bg < 256; bg += 1) codes.push(`48;5;${bg}`, `38;5;${255 - bg};48;5;${bg}`);
  for (const code of codes) {
    const [span] = parseAnsi(`\x1b[${code}mx`).spans;
    const { fg, bg } = drawnColours(span!.style);
    expect(contrast(fg ?? INK, bg ?? GROUND), code).toBeGreaterThanOrEqual(4.5);
  }
});

test("a colour that can be read stays as it is", () => {
  const { fg, bg } = drawnColours(parseAnsi("\x1b[32mx").spans[0]!.style);
  expect([fg, bg]).toEqual([PALETTE[2], null]);
});
