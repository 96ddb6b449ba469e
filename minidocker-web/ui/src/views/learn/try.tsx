import type { ComponentChildren } from "preact";
import type { Spec } from "../../api/types.ts";
import { Button } from "../../components/button.tsx";
import { freeName } from "../../lib/names.ts";
import { commandLine } from "../../lib/words.ts";
import { startDraft } from "../create/form-state.ts";

/** An example that one click puts into the form. */
export function Try({ spec, children }: { spec: Spec; children: ComponentChildren }) {
  const limits = [
    spec.mem_limit_mb !== undefined && `${spec.mem_limit_mb} MB`,
    spec.cpu_limit_percent !== undefined && `${spec.cpu_limit_percent}% CPU`,
    ...(spec.volumes ?? []),
    ...(spec.ports ?? []).map((port) => `port ${port}`),
    ...Object.entries(spec.env_vars ?? {}).map(([name, value]) => `${name}=${value}`),
    spec.restart && `restart ${spec.restart}`,
  ].filter(Boolean);
  return (
    <aside class="try" aria-label={`Try it: ${spec.name}`}>
      <div class="grow">
        <p>{children}</p>
        <code>{commandLine(spec.command)}</code>
        {limits.length > 0 && <p class="small soft">{limits.join(" · ")}</p>}
      </div>
      <Button
        kind="primary"
        label={`Try it: ${spec.name}`}
        onClick={() => startDraft({ ...spec, name: freeName(spec.name) })}
      >
        Try it
      </Button>
    </aside>
  );
}
