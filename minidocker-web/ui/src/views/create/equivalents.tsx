/** Commands that make the same container with other tools, as the form is typed. */
import { useState } from "preact/hooks";
import type { Spec } from "../../api/types.ts";
import { Code } from "../../components/copy.tsx";
import { curl, dockerRun, type Place, python } from "../../lib/preview.ts";
import { system } from "../../state.ts";

const TOOLS = {
  docker: {
    label: "docker run",
    about:
      "The nearest command in Docker. The default image of minidocker shows the programs of this machine; Docker downloads an image instead.",
    make: dockerRun,
  },
  curl: {
    label: "REST",
    about: "What this form sends. The whole dashboard uses this API.",
    make: curl,
  },
  python: {
    label: "Python",
    about:
      "With the Python package of minidocker, on the same root folder: the program and this page see the same containers.",
    make: python,
  },
};

type Tool = keyof typeof TOOLS;

export function Equivalents({ spec }: { spec: Spec }) {
  const [tool, setTool] = useState<Tool>("docker");
  const { label, about, make } = TOOLS[tool];
  const place: Place = { server: location.origin, root: system.value?.root ?? null };
  // An image may have a command of its own.
  const missing = spec.command || spec.image ? {} : { command: "COMMAND" };
  const named = { ...spec, name: spec.name || "NAME", ...missing };
  return (
    <aside class="panel equivalents" aria-label="Equivalent commands">
      <header>
        <h2>Equivalent commands</h2>
        <div class="segments" role="group" aria-label="For which tool">
          {(Object.keys(TOOLS) as Tool[]).map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={tool === one}
              onClick={() => setTool(one)}
            >
              {TOOLS[one].label}
            </button>
          ))}
        </div>
      </header>
      <div class="body stack tight">
        <p class="soft small">{about}</p>
        <Code text={make(named, place)} label={label} />
      </div>
    </aside>
  );
}
