/** The form's content outlives the view, so that looking something up loses nothing. */
import { signal } from "@preact/signals";
import type { Spec } from "../../api/types.ts";
import { type Draft, draftOf, emptyDraft } from "../../lib/draft.ts";
import { go } from "../../router.ts";

const KEY = "minidocker.draft";

export const draft = signal<Draft>(restored());
/** Counts fillings from outside, after which what was typed before means nothing. */
export const filled = signal(0);

function restored(): Draft {
  try {
    return { ...emptyDraft(), ...JSON.parse(sessionStorage.getItem(KEY) ?? "{}") };
  } catch {
    return emptyDraft();
  }
}

export function setDraft(change: Partial<Draft>): void {
  draft.value = { ...draft.value, ...change };
  sessionStorage.setItem(KEY, JSON.stringify(draft.value));
}

export function clearDraft(): void {
  setDraft(emptyDraft());
  filled.value += 1;
}

/** Fills the form and shows it. */
export function startDraft(spec: Partial<Spec>): void {
  setDraft(draftOf(spec));
  filled.value += 1;
  go("create");
}
