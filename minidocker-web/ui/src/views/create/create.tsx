/** The form that makes a container, and the same container in other words beside it. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, type Problem, problemOf } from "../../api/client.ts";
import type { FieldProblem } from "../../api/types.ts";
import { Button } from "../../components/button.tsx";
import { TextField } from "../../components/field.tsx";
import { Heading } from "../../components/heading.tsx";
import { Notice } from "../../components/notice.tsx";
import { attempt, done } from "../../components/toast.tsx";
import { type Draft, specOf, usesAdvanced } from "../../lib/draft.ts";
import { go } from "../../router.ts";
import { containers, learn, loadTemplates, system, templates } from "../../state.ts";
import { askImport } from "../import.tsx";
import { freeName } from "../templates.tsx";
import { Advanced } from "./advanced.tsx";
import { clearDraft, draft, filled, setDraft, startDraft } from "./form-state.ts";
import { CpuLimit, MemoryLimit } from "./limits.tsx";
import { OtherWords } from "./other-words.tsx";

const PAUSE_MS = 250;

export function CreateView() {
  const value = draft.value;
  const spec = useMemo(() => specOf(value), [value]);
  const { problems, touched, touch, touchAll, refuse } = useValidation(value);
  const [refusal, setRefusal] = useState<Problem | null>(null);
  const [busy, setBusy] = useState<"create" | "start" | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const [advanced, setAdvanced] = useState(() => usesAdvanced(value));

  useEffect(() => {
    if (templates.value === null) void attempt(loadTemplates);
  }, []);

  useEffect(() => {
    setRefusal(null);
    if (usesAdvanced(draft.value)) setAdvanced(true);
  }, [filled.value]);

  const set = (field: string) => (change: Partial<Draft>) => {
    touch(field);
    setRefusal(null);
    setDraft(change);
  };

  const shown = (field: string) =>
    touched.has(field) ? problems.find((one) => one.field === field) : undefined;

  const submit = async (start: boolean) => {
    setBusy(start ? "start" : "create");
    touchAll();
    setRefusal(null);
    try {
      const made = await api.create(specOf(draft.value));
      learn(made);
      clearDraft();
      if (start) {
        // A start that fails has its own page to be looked at: the step that failed.
        const started = await attempt(async () => learn(await api.act(made.name, "start")));
        if (started) done(`${made.name} created and started`);
        go("containers", made.name, ...(started ? [] : ["how"]));
      } else {
        done(`${made.name} created`);
        go("containers", made.name);
      }
    } catch (error) {
      const problem = problemOf(error);
      if (problem.field && FIELDS.includes(problem.field)) refuse(problem);
      else setRefusal(problem);
      if (problem.field && !BASIC.includes(problem.field)) setAdvanced(true);
      setBusy(null);
      requestAnimationFrame(() => {
        form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
      });
    }
  };

  const taken = containers.value.has(value.name.trim());
  const nameProblem: FieldProblem | undefined =
    shown("name") ??
    (taken && touched.has("name")
      ? {
          field: "name",
          code: "name_in_use",
          message: "Another container has this name.",
          hint: `${freeName(value.name.trim())} is free.`,
        }
      : undefined);

  return (
    <>
      <Heading
        title="Create a container"
        about="A name and a command are enough. Once created, a container never changes: to change it, make a copy."
      >
        <Button icon="upload" onClick={askImport}>
          Import
        </Button>
        <Button onClick={clearDraft}>Clear</Button>
      </Heading>
      <div class="create">
        <form
          ref={form}
          class="stack"
          noValidate
          aria-label="Create a container"
          onSubmit={(event) => {
            event.preventDefault();
            void submit(true);
          }}
        >
          <section class="panel padded stack">
            <div class="row">
              <span class="soft" id="from-template">
                Begin with
              </span>
              <div class="row" role="group" aria-labelledby="from-template">
                {templates.value?.map(({ name, title, description, spec }) => (
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
              problem={nameProblem}
              hint="Letters, digits, dots, dashes and underscores. It says what the container does."
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
                  Split into words as a shell would. No shell runs it: for pipes and <code>&&</code>{" "}
                  write <code>sh -c '…'</code>.
                </>
              }
              onChange={(command) => set("command")({ command })}
            />
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
          <details
            class="panel advanced"
            open={advanced}
            onToggle={(event) => setAdvanced(event.currentTarget.open)}
          >
            <summary>Advanced options</summary>
            <Advanced value={value} set={set} shown={shown} />
          </details>
          {refusal && <Notice problem={refusal} />}
          <div class="row submit">
            <Button type="submit" kind="primary" icon="play" busy={busy === "start"}>
              Create and start
            </Button>
            <Button busy={busy === "create"} onClick={() => submit(false)}>
              Create
            </Button>
          </div>
        </form>
        <OtherWords spec={spec} />
      </div>
    </>
  );
}

const BASIC = ["name", "command", "mem_limit_mb", "cpu_limit_percent"];
const FIELDS = [
  ...BASIC,
  "image",
  "pids_limit",
  "volumes",
  "env_vars",
  "network",
  "ports",
  "aliases",
  "dns",
  "extra_hosts",
  "hostname",
  "working_dir",
  "user",
  "restart",
  "health_check",
];

/** Asks the server what it thinks of the form, a moment after each change. */
function useValidation(value: Draft) {
  const [problems, setProblems] = useState<FieldProblem[]>([]);
  const [touched, setTouched] = useState<Set<string>>(new Set());
  const asked = useRef(0);

  useEffect(() => {
    const question = ++asked.current;
    const timer = setTimeout(async () => {
      const spec = specOf(value);
      // What is still empty is not wrong yet.
      const { name, command, ...rest } = spec;
      const unfinished = { ...rest, ...(name && { name }), ...(command && { command }) };
      const answer = await api.validate(unfinished).catch(() => null);
      if (question !== asked.current || !answer) return;
      setProblems(
        answer.problems.filter(
          ({ field }) => !(field === "name" && !name) && !(field === "command" && !command),
        ),
      );
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [value]);

  useEffect(() => {
    setTouched(new Set());
    setProblems([]);
  }, [filled.value]);

  return {
    problems,
    touched,
    touch: (field: string) => {
      if (!touched.has(field)) setTouched(new Set(touched).add(field));
    },
    touchAll: () => setTouched(new Set(FIELDS)),
    refuse: (problem: Problem) => {
      const { code, message, hint = "", field = null } = problem;
      setProblems([{ code, message, hint, field }]);
    },
  };
}
