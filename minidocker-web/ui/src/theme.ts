/** Light or dark: as the system says, until somebody chooses. */
import { signal } from "@preact/signals";

type Theme = "system" | "light" | "dark";

const KEY = "minidocker.theme";

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

export const theme = signal<Theme>(stored());
/** Counts changes of colour, for what draws on a canvas. */
export const colours = signal(0);

const systemDark = matchMedia("(prefers-color-scheme: dark)");
systemDark.addEventListener("change", () => {
  colours.value += 1;
});

export function isDark(): boolean {
  return theme.value === "system" ? systemDark.matches : theme.value === "dark";
}

export function applyTheme(): void {
  const root = document.documentElement;
  if (theme.value === "system") delete root.dataset.theme;
  else root.dataset.theme = theme.value;
  colours.value += 1;
}

export function toggleTheme(): void {
  theme.value = isDark() ? "light" : "dark";
  localStorage.setItem(KEY, theme.value);
  applyTheme();
}

/** The colour that a custom property stands for now, as a canvas takes it. */
export function colour(property: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${property})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
