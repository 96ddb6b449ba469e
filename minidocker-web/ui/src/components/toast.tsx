/** Short messages in a corner: what was done, and what went wrong with the advice. */
import { effect, signal } from "@preact/signals";
import { problemOf } from "../api/client.ts";
import { route } from "../router.ts";
import { Button } from "./button.tsx";

interface Toast {
  id: number;
  kind: "good" | "bad" | "warn";
  message: string;
  hint?: string | undefined;
  /** Where there is more about it. */
  link?: { to: string; label: string } | undefined;
}

const toasts = signal<Toast[]>([]);
let last = 0;

function show(toast: Omit<Toast, "id">): void {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-3), { ...toast, id }];
  // What went wrong stays until it is read, or until somebody goes elsewhere.
  if (toast.kind === "good") setTimeout(() => dismiss(id), 4000);
}

function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

let page = "";

effect(() => {
  const now = route.value.path.join("/");
  if (now === page) return;
  page = now;
  toasts.value = toasts.peek().filter(({ kind }) => kind === "good");
});

export function done(message: string): void {
  show({ kind: "good", message });
}

export function warn(message: string, hint?: string): void {
  show({ kind: "warn", message, hint });
}

export function bad(message: string, link: Toast["link"]): void {
  show({ kind: "bad", message, link });
}

export function failed(error: unknown): void {
  const { message, hint } = problemOf(error);
  show({ kind: "bad", message, hint });
}

/** Does something and tells in a toast if it went wrong. Whether it went well. */
export async function attempt(work: () => Promise<unknown>, success?: string): Promise<boolean> {
  try {
    await work();
    if (success) done(success);
    return true;
  } catch (error) {
    failed(error);
    return false;
  }
}

export function Toasts() {
  return (
    <section class="toasts" aria-label="Messages">
      {toasts.value.map((toast) => (
        <div
          key={toast.id}
          class={`notice toast ${toast.kind}`}
          role={toast.kind === "good" ? "status" : "alert"}
        >
          <div>
            <strong>{toast.message}</strong>
            {toast.hint && <span>{toast.hint}</span>}
            {toast.link && <a href={toast.link.to}>{toast.link.label}</a>}
          </div>
          <Button
            icon="close"
            kind="quiet"
            small
            label="Dismiss"
            onClick={() => dismiss(toast.id)}
          />
        </div>
      ))}
    </section>
  );
}
