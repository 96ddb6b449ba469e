/** An exported configuration, from a file or pasted, becomes a container or fills the form. */
import { api } from "../api/client.ts";
import type { Spec } from "../api/types.ts";
import { ask } from "../components/dialog.tsx";
import { done } from "../components/toast.tsx";
import { go } from "../router.ts";
import { learn } from "../state.ts";
import { startDraft } from "./create/form-state.ts";

export function askImport(): void {
  ask({
    title: "Import a configuration",
    body: (
      <>
        <p class="soft">
          The JSON file that <em>Export</em> writes, here or in the Python program. It has at least
          a name and a command.
        </p>
        <div class="field">
          <label for="import-file">From a file</label>
          <input
            id="import-file"
            type="file"
            accept=".json,application/json"
            onChange={async (event) => {
              const input = event.currentTarget;
              const text = await input.files?.[0]?.text();
              const area = input.form?.elements.namedItem("config");
              if (text !== undefined && area instanceof HTMLTextAreaElement) area.value = text;
            }}
          />
        </div>
        <div class="field">
          <label for="import-text">Or pasted</label>
          <textarea
            id="import-text"
            name="config"
            class="input mono"
            rows={9}
            spellcheck={false}
            required
            placeholder='{"name": "web", "command": "python -m http.server 8000"}'
          />
        </div>
        <div class="field">
          <label for="import-name">New name (optional)</label>
          <input id="import-name" name="name" class="input" autocomplete="off" />
        </div>
        <label class="check">
          <input type="checkbox" name="edit" />
          Open it in the form first
        </label>
      </>
    ),
    action: "Import",
    run: async (form) => {
      const config = parsed(String(form.get("config")));
      const name = String(form.get("name")).trim();
      if (form.get("edit")) {
        const { exported_at, format_version, ...spec } = config;
        startDraft({ ...withoutNulls(spec), ...(name && { name }) } as Partial<Spec>);
        return;
      }
      const container = await api.importConfig(config, name || undefined);
      learn(container);
      done(`${container.name} imported`);
      go("containers", container.name);
    },
  });
}

function parsed(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new Error("This is JSON but not an object. A configuration begins with { and ends with }.");
}

function withoutNulls(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}
