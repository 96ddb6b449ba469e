/** Everything one can do with containers, and why it cannot be done now. */
import { signal } from "@preact/signals";
import { api, problemOf, url } from "../api/client.ts";
import type { Container, Template } from "../api/types.ts";
import { ask } from "../components/dialog.tsx";
import type { IconName } from "../components/icon.tsx";
import type { MenuItem } from "../components/menu.tsx";
import { attempt, bad, done, warn } from "../components/toast.tsx";
import { go, href } from "../router.ts";
import { forget, isAlive, learn, loadTemplates, unsupported } from "../state.ts";
import { startDraft } from "../views/create/form-state.ts";
import { inPieces, sendBulk } from "./bulk.ts";
import { plural } from "./format.ts";
import { freeName } from "./names.ts";

export type Verb = "start" | "stop" | "restart" | "pause" | "resume" | "kill" | "delete";

export const VERBS: { verb: Verb; label: string; past: string; icon: IconName }[] = [
  { verb: "start", label: "Start", past: "started", icon: "play" },
  { verb: "stop", label: "Stop", past: "stopped", icon: "stop" },
  { verb: "pause", label: "Pause", past: "paused", icon: "pause" },
  { verb: "resume", label: "Resume", past: "resumed", icon: "play" },
  { verb: "restart", label: "Restart", past: "restarted", icon: "restart" },
  { verb: "kill", label: "Kill", past: "killed", icon: "kill" },
  { verb: "delete", label: "Delete", past: "deleted", icon: "trash" },
];

/** Why this cannot be done with the container now, after "the container is"; null if it can. */
export function whyNot(verb: Verb | "exec", container: Container): string | null {
  const { status } = container;
  if (container.id === undefined && verb !== "delete") return "damaged";
  const notRunning = status === "stopped" ? "already stopped" : "not running";
  switch (verb) {
    case "start":
      return isAlive(container) ? `already ${status}` : null;
    case "stop":
    case "kill":
      return isAlive(container) ? null : notRunning;
    case "pause":
      if (status === "paused") return "already paused";
      return status === "running" ? unsupported("pause") : "not running";
    case "resume":
      return status === "paused" ? null : "not paused";
    case "restart":
      return status === "paused" ? "paused: resume it first" : null;
    case "exec":
      if (status === "paused") return "paused: resume it first";
      return status === "running" ? unsupported("exec") : "not running";
    case "delete":
      return null;
  }
}

/** Why none of them can be acted on: `Can't stop: already stopped`. */
export function whyNone(verb: Verb, chosen: Container[]): string {
  const reasons = new Set(chosen.map((one) => whyNot(verb, one)).filter((why) => why !== null));
  return `Can't ${verb}: ${[...reasons].slice(0, 2).join(", or ")}`;
}

export async function act(verb: Verb, container: Container): Promise<void> {
  const { name } = container;
  if (verb === "delete") return confirmDelete([container]);
  await attempt(async () => {
    try {
      learn(await (verb === "kill" ? api.kill(name, "KILL") : api.act(name, verb)));
    } catch (error) {
      if (!isFailedStart(error)) throw error;
      // The reason is on the container's card and page; it need not be said twice.
      const to = href("containers", name, "how");
      bad(`${name} did not start`, { to, label: "Details" });
      return;
    }
    done(`${name} ${pastOf(verb)}`);
  });
}

/** Whether a start was tried and failed; the container then has the status error. */
export function isFailedStart(error: unknown): boolean {
  return problemOf(error).code === "start_failed";
}

function pastOf(verb: Verb): string {
  return VERBS.find((one) => one.verb === verb)!.past;
}

/** So many names are told before a deletion; a list of hundreds is read by nobody. */
const NAMED = 8;

export function confirmDelete(targets: Container[], after?: () => void): void {
  const names = targets.map((one) => one.name);
  const alive = targets.filter(isAlive);
  const volumes = targets.some((one) => one.spec?.volumes?.length);
  const more = names.length - NAMED;
  ask({
    title: names.length === 1 ? `Delete ${names[0]}?` : `Delete ${names.length} containers?`,
    body: (
      <>
        {names.length > 1 && (
          <p class="soft">
            {names.slice(0, NAMED).join(", ")}
            {more > 0 && ` and ${more} more`}
          </p>
        )}
        <p>The logs and all files that were changed inside are removed for good.</p>
        {volumes && <p>Folders of this machine that are shared as volumes stay as they are.</p>}
        {alive.length > 0 && (
          <p class="notice warn">
            {alive.length === 1
              ? `${alive[0]?.name} is ${alive[0]?.status} and`
              : `${alive.length} of them are running or paused and`}{" "}
            will be killed first.
          </p>
        )}
        <BulkProgress />
      </>
    ),
    action: alive.length > 0 ? "Kill and delete" : "Delete",
    danger: true,
    run: async () => {
      const [only] = names;
      if (names.length === 1 && only !== undefined) {
        await api.remove(only, alive.length > 0);
        forget(names);
        done(`${only} deleted`);
      } else {
        await bulk("delete", targets, alive.length > 0);
      }
      after?.();
    },
  });
}

/** What a bulk action is at, while it is. */
export const progress = signal<{ verb: Verb; done: number; total: number } | null>(null);

export function BulkProgress() {
  const now = progress.value;
  if (!now) return null;
  const { verb, done, total } = now;
  return (
    <p class="bulk-progress" role="status">
      <progress max={total} value={done} aria-label={`${verb}: progress`} />
      <span class="small number">
        {done} of {total} {pastOf(verb)}
      </span>
    </p>
  );
}

/** Does one thing with any number of containers, and tells what came of it. */
export async function bulk(verb: Verb, targets: Container[], force = false): Promise<void> {
  const names = targets.map((one) => one.name);
  const tell = (done: number) => {
    progress.value = { verb, done, total: names.length };
  };
  tell(0);
  const {
    good,
    bad: refused,
    problem,
    notTried,
  } = await inPieces(names, sendBulk(verb, force), tell);
  progress.value = null;
  if (verb === "delete") forget(good);
  if (good.length) done(`${plural(good.length, "container")} ${pastOf(verb)}`);
  for (const { name, message, hint } of refused.slice(0, 3)) warn(`${name}: ${message}`, hint);
  if (refused.length > 3) warn(`${refused.length - 3} more failed.`);
  if (problem) warn(`${plural(notTried, "container")} not ${pastOf(verb)}. ${problem.message}`);
}

export function saveAsTemplate(container: Container): void {
  ask({
    title: `Save ${container.name} as a template`,
    body: (
      <>
        <div class="field">
          <label for="template-name">Name</label>
          <input id="template-name" name="name" class="input" required value={container.name} />
        </div>
        <div class="field">
          <label for="template-title">Title</label>
          <input
            id="template-title"
            name="title"
            class="input"
            placeholder="The title of its card"
          />
        </div>
        <div class="field">
          <label for="template-description">Description</label>
          <input id="template-description" name="description" class="input" />
        </div>
      </>
    ),
    action: "Save",
    run: async (form) => {
      const { name: _, ...spec } = container.spec ?? { name: "", command: "" };
      const name = String(form.get("name")).trim();
      const template: Omit<Template, "builtin"> = {
        name,
        title: String(form.get("title")).trim() || name,
        description: String(form.get("description")).trim(),
        spec,
      };
      await api.saveTemplate(template);
      await loadTemplates();
      done(`Template ${name} saved`);
    },
  });
}

export function copyContainer(container: Container): void {
  if (!container.spec) return;
  startDraft({ ...container.spec, name: freeName(`${container.name}-copy`) });
}

export function exportUrl(name: string): string {
  return url("containers", name, "export");
}

/** The whole menu of one container. */
export function menuOf(container: Container): MenuItem[] {
  const { name } = container;
  const damaged = container.id === undefined ? "the container is damaged" : null;
  const verbs = VERBS.filter(({ verb }) => verb !== "delete").map(({ verb, label, icon }) => ({
    label,
    icon,
    unavailable: whyNot(verb, container),
    run: () => void act(verb, container),
  }));
  const open = (tab: string) => () => go("containers", name, tab);
  return [
    ...verbs,
    { label: "View logs", icon: "logs", run: open("logs"), unavailable: damaged, apart: true },
    { label: "View stats", icon: "gauge", run: open("stats"), unavailable: damaged },
    {
      label: "Terminal",
      icon: "terminal",
      run: open("terminal"),
      unavailable: whyNot("exec", container),
    },
    { label: "Files", icon: "folder", run: open("files"), unavailable: damaged },
    { label: "How it works", icon: "timeline", run: open("how"), unavailable: damaged },
    { label: "X-ray", icon: "xray", run: open("xray"), unavailable: damaged },
    {
      label: "Export",
      icon: "download",
      unavailable: damaged,
      apart: true,
      run: () => {
        const link = document.createElement("a");
        link.href = exportUrl(name);
        link.download = `${name}.json`;
        link.click();
      },
    },
    {
      label: "Save as template",
      icon: "template",
      unavailable: damaged,
      run: () => saveAsTemplate(container),
    },
    {
      label: "Duplicate",
      icon: "copy",
      unavailable: damaged,
      run: () => copyContainer(container),
    },
    {
      label: "Delete",
      icon: "trash",
      danger: true,
      apart: true,
      run: () => confirmDelete([container]),
    },
  ];
}
