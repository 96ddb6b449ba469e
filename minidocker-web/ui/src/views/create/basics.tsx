/** What every container needs: a name, a command, and how much it may use. */
import { useEffect } from "preact/hooks";
import { Button } from "../../components/button.tsx";
import { TextField } from "../../components/field.tsx";
import { attempt } from "../../components/toast.tsx";
import { freeName } from "../../lib/names.ts";
import { servedPort } from "../../lib/served-port.ts";
import { containers, loadTemplates, system, templates } from "../../state.ts";
import { HELLO } from "../templates.tsx";
import type { Props } from "./advanced.tsx";
import { startDraft } from "./form-state.ts";
import { CpuLimit, MemoryLimit } from "./limits.tsx";

export function Basics({ value, set, shown }: Props) {
  useEffect(() => {
    if (templates.value === null) void attempt(loadTemplates);
  }, []);
  const choices = [
    { name: HELLO.name, title: "Hello", description: "Prints one line and ends.", spec: HELLO },
    ...(templates.value ?? []),
  ];
  return (
    <section class="panel padded stack" aria-label="Basics">
      <div class="row">
        <span class="soft" id="from-template">
          Start from a template
        </span>
        <div class="row" role="group" aria-labelledby="from-template">
          {choices.map(({ name, title, description, spec }) => (
            <Button
              key={name}
              small
              label={`${title}: ${description}`}
              onClick={() => startDraft({ ...spec, name: freeName(name) })}
            >
              {title}
            </Button>
          ))}
        </div>
      </div>
      <TextField
        id="name"
        label="Name"
        mono
        value={value.name}
        placeholder="my-first-container"
        problem={shown("name")}
        hint="Letters, digits, dots, dashes and underscores."
        onChange={(name) => set("name")({ name })}
      />
      <TextField
        id="command"
        label="Command"
        mono
        rows={value.command.includes("\n") ? 10 : 2}
        value={value.command}
        placeholder={"python -c \"print('Hello')\""}
        problem={shown("command")}
        hint={
          <>
            Split into words as a shell would. No shell runs it: for pipes and <code>&&</code> write{" "}
            <code>sh -c '…'</code>. Leave it empty for that of an imported image. Ctrl+Enter creates
            and starts.
          </>
        }
        onChange={(command) => set("command")({ command })}
      />
      <PublishHint value={value} set={set} />
      <div class="two">
        <MemoryLimit
          value={value.memory}
          machine={system.value?.memory_bytes ?? null}
          problem={shown("mem_limit_mb")}
          onChange={(memory) => set("mem_limit_mb")({ memory })}
        />
        <CpuLimit
          value={value.cpu}
          cores={system.value?.cores ?? null}
          problem={shown("cpu_limit_percent")}
          onChange={(cpu) => set("cpu_limit_percent")({ cpu })}
        />
      </div>
    </section>
  );
}

/** A server that nobody can reach is the commonest disappointment. */
function PublishHint({ value, set }: Omit<Props, "shown">) {
  const port = servedPort(value.command);
  const reached = value.ports.some((one) => one.trim() !== "");
  if (port === null || reached || value.network === "host" || value.network === "none") return null;
  return (
    <div class="notice" role="status">
      <span>
        This command listens at port {port} of the container. To open it in a browser, publish the
        port on this machine.
      </span>
      <div>
        <Button small icon="plus" onClick={() => set("ports")({ ports: [publishedAs(port)] })}>
          Publish port {port}
        </Button>
      </div>
    </div>
  );
}

/** The same number on this machine; one that is free, where that is taken or needs a right. */
export function publishedAs(port: number): string {
  const taken = [...containers.value.values()].some(({ spec, network }) =>
    [
      ...(network?.ports ?? []).map(({ host_port }) => host_port),
      ...(spec?.ports ?? []).map((text) => Number(text.split(":").at(-2))),
    ].includes(port),
  );
  const own = Number(location.port) === port;
  return taken || own || port < 1024 ? `0:${port}` : `${port}:${port}`;
}
