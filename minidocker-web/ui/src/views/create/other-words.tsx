/** The same container for other tools, as it is typed. */
import { useState } from "preact/hooks";
import type { Spec } from "../../api/types.ts";
import { Code } from "../../components/copy.tsx";
import { curl, dockerRun, python } from "../../lib/preview.ts";

const TOOLS = {
  docker: {
    label: "docker run",
    about:
      "What comes nearest in Docker. minidocker's default image shows this machine's own programs; Docker has to download one.",
    make: dockerRun,
  },
  curl: {
    label: "REST",
    about: "What this form sends. Everything on this page goes over the same API.",
    make: curl,
  },
  python: {
    label: "Python",
    about:
      "With minidocker's Python package, which is the same library: it sees the containers of this page, and the page sees its own.",
    make: python,
  },
};

type Tool = keyof typeof TOOLS;

export function OtherWords({ spec }: { spec: Spec }) {
  const [tool, setTool] = useState<Tool>("docker");
  const { label, about, make } = TOOLS[tool];
  const named = { ...spec, name: spec.name || "NAME", command: spec.command || "COMMAND" };
  return (
    <aside class="panel other-words" aria-label="The same in other words">
      <header>
        <h2>In other words</h2>
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
        <Code text={make(named, location.origin)} label={label} />
      </div>
    </aside>
  );
}
