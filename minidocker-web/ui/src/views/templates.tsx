/** Templates: ready-made configurations. */
import { useEffect } from "preact/hooks";
import { api } from "../api/client.ts";
import type { Spec, Template } from "../api/types.ts";
import { Button } from "../components/button.tsx";
import { ask } from "../components/dialog.tsx";
import { Heading } from "../components/heading.tsx";
import { attempt, done } from "../components/toast.tsx";
import { freeName } from "../lib/names.ts";
import { commandLine, shortCommand } from "../lib/words.ts";
import { loadTemplates, templates } from "../state.ts";
import { startDraft } from "./create/form-state.ts";

export const HELLO: Spec = {
  name: "hello",
  command: "python -c \"print('Hello from Mini Docker!')\"",
  mem_limit_mb: 50,
  cpu_limit_percent: 25,
};

export function TemplatesView() {
  return (
    <>
      <Heading
        title="Templates"
        about="Ready-made configurations. Using one fills the form, where everything can be changed. The menu of a container saves its configuration as a template."
      />
      <TemplateCards manage />
    </>
  );
}

export function TemplateCards(props: { hello?: boolean; manage?: boolean }) {
  useEffect(() => {
    if (templates.value === null || props.manage) void attempt(loadTemplates);
  }, [props.manage]);

  if (templates.value === null) return <p class="soft">Loading the templates…</p>;
  return (
    <ul class="templates">
      {props.hello && (
        <li class="panel template first">
          <h3>Hello</h3>
          <p class="soft grow">Prints one line and ends. The shortest example.</p>
          <code class="truncate">{commandLine(HELLO.command)}</code>
          <div class="row">
            <Button kind="primary" onClick={() => startDraft(HELLO)}>
              Use hello
            </Button>
          </div>
        </li>
      )}
      {templates.value.map((template) => (
        <TemplateCard key={template.name} template={template} manage={props.manage ?? false} />
      ))}
    </ul>
  );
}

function TemplateCard({ template, manage }: { template: Template; manage: boolean }) {
  const { name, title, description, builtin, spec } = template;
  return (
    <li class="panel template">
      <div class="row spread">
        {manage ? <h2>{title}</h2> : <h3>{title}</h3>}
        {manage && <span class="tag">{builtin ? "built in" : "yours"}</span>}
      </div>
      <p class="soft grow">{description || "No description."}</p>
      <code class="truncate" title={commandLine(spec.command)}>
        {shortCommand(spec.command)}
      </code>
      <div class="row">
        <Button onClick={() => startDraft({ ...spec, name: freeName(name) })}>Use {name}</Button>
        {manage && (
          <Button
            icon="trash"
            kind="danger"
            label={`Delete the template ${name}`}
            unavailable={builtin ? "built-in templates cannot be deleted" : null}
            onClick={() => askDelete(name)}
          />
        )}
      </div>
    </li>
  );
}

function askDelete(name: string): void {
  ask({
    title: `Delete the template ${name}?`,
    body: <p>Containers that were created from this template stay as they are.</p>,
    action: "Delete",
    danger: true,
    run: async () => {
      await api.removeTemplate(name);
      await loadTemplates();
      done(`Template ${name} deleted`);
    },
  });
}
