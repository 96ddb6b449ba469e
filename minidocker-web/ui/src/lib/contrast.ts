/** Colours of a log that can be read, whatever a program chose (WCAG 2, contrast minimum). */
import type { Colour, Style } from "./ansi.ts";

export const GROUND = "#12171c";
export const INK = "#d6dde4";

/** The 16 named colours; the style sheet has them as `--ansi-0` to `--ansi-15`. */
export const PALETTE = [
  "#8d98a4",
  "#ff7b72",
  "#5fd38d",
  "#e3b341",
  "#79b8ff",
  "#d2a8ff",
  "#56d4dd",
  "#c9d1d9",
  "#8d98a4",
  "#ffa198",
  "#7ee6a8",
  "#f2cc60",
  "#a5d0ff",
  "#e2c5ff",
  "#8be9f0",
  "#ffffff",
];

const ENOUGH = 4.5;

/** The colours in which text is drawn; null for those of the log itself. */
export function drawnColours(style: Style): { fg: string | null; bg: string | null } {
  const fg = style.fg === null ? null : exact(style.fg);
  const bg = style.bg === null ? null : exact(style.bg);
  const [text, ground] = style.inverse ? [bg ?? GROUND, fg ?? INK] : [fg, bg];
  if (text === null && ground === null) return { fg: null, bg: null };
  const behind = ground ?? GROUND;
  const readable = readableOn(text ?? INK, behind);
  return { fg: readable === INK ? null : readable, bg: ground };
}

function exact(colour: Colour): string {
  return typeof colour === "number" ? (PALETTE[colour] ?? INK) : colour;
}

/** The colour itself, or as little lighter or darker as it takes to be read on the ground. */
export function readableOn(text: string, ground: string): string {
  const pole = contrast("#ffffff", ground) > contrast("#000000", ground) ? 255 : 0;
  for (let part = 0; part < 1; part += 0.1) {
    const mixed = hex(rgb(text).map((one) => one + (pole - one) * part));
    if (contrast(mixed, ground) >= ENOUGH) return mixed;
  }
  return pole === 255 ? "#ffffff" : "#000000";
}

export function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const [r, g, b] = rgb(colour).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function rgb(colour: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
}

function hex(parts: number[]): string {
  return `#${parts.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}
