/** Everything one can do with containers, and why it cannot be done now. */
import { api, url } from "../api/client.ts";
import type { Container, Template } from "../api/types.ts";
import { ask } from "../components/dialog.tsx";
import type { IconName } from "../components/icon.tsx";
import type { MenuItem } from "../components/menu.tsx";
import { attempt, done, warn } from "../components/toast.tsx";
import { go } from "../router.ts";
import { forget, isAlive, learn, loadTemplates, unsupported } from "../state.ts";
import { startDraft } from "../views/create/form-state.ts";
import { plural } from "./format.ts";

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

/** Why this cannot be done with the container now; null if it can. */
export function whyNot(verb: Verb | "exec", container: Container): string | null {
  const { status } = container;
  if (container.id === undefined && verb !== "delete") return "its files are damaged";
  switch (verb) {
    case "start":
      return isAlive(container) ? `it is ${status}` : null;
    case "stop":
    case "kill":
      return isAlive(container) ? null : "it does not run";
    case "pause":
      if (status === "paused") return "it is paused";
      return status === "running" ? unsupported("pause") : "it does not run";
    case "resume":
      return status === "paused" ? null : "it is not paused";
    case "restart":
      return status === "paused" ? "it is paused: resume it first" : null;
    case "exec":
      if (status === "paused") return "it is paused: resume it first";
      return status === "running" ? unsupported("exec") : "it does not run";
    case "delete":
      return null;
  }
}

export async function act(verb: Verb, container: Container): Promise<void> {
  const { name } = container;
  if (verb === "delete") return confirmDelete([container]);
  const past = VERBS.find((one) => one.verb === verb)?.past;
  await attempt(async () => {
    const request = verb === "kill" ? api.kill(name, "KILL") : api.act(name, verb);
    learn(await request);
  }, `${name} ${past}`);
}

export function confirmDelete(targets: Container[], after?: () => void): void {
  const names = targets.map((one) => one.name);
  const alive = targets.filter(isAlive);
  const volumes = targets.some((one) => one.spec?.volumes?.length);
  ask({
    title: names.length === 1 ? `Delete ${names[0]}?` : `Delete ${names.length} containers?`,
    body: (
      <>
        {names.length > 1 && <p class="soft">{names.join(", ")}</p>}
        <p>Files changed inside and the logs are removed for good.</p>
        {volumes && <p>Folders shared as volumes stay as they are.</p>}
        {alive.length > 0 && (
          <p class="notice warn">
            {alive.length === 1 ? `${alive[0]?.name} is` : `${alive.length} are`} still alive and
            will be killed first.
          </p>
        )}
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

/** Does one thing with several; what each answered is told. */
export async function bulk(verb: Verb, targets: Container[], force?: boolean): Promise<void> {
  const names = targets.map((one) => one.name);
  const { results } = await api.bulk(verb, names, force ? { force } : {});
  const good = results.filter((one) => one.ok);
  const bad = results.filter((one) => !one.ok);
  const past = VERBS.find((one) => one.verb === verb)?.past;
  if (verb === "delete") forget(good.map((one) => one.name));
  if (good.length) done(`${plural(good.length, "container")} ${past}`);
  for (const { name, error } of bad.slice(0, 3)) {
    warn(`${name}: ${error?.message ?? "failed"}`, error?.hint);
  }
  if (bad.length > 3) warn(`${bad.length - 3} more were refused for such reasons.`);
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
          <input id="template-title" name="title" class="input" placeholder="What people read" />
        </div>
        <div class="field">
          <label for="template-description">What is it for?</label>
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
  startDraft({ ...container.spec, name: `${container.name}-copy` });
}

export function exportUrl(name: string): string {
  return url("containers", name, "export");
}

/** The whole menu of one container. */
export function menuOf(container: Container): MenuItem[] {
  const { name } = container;
  const damaged = container.id === undefined ? "its files are damaged" : null;
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
      label: "Make a copy",
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
