/** The form that makes a container, and beside it the commands that would make the same. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, type Problem, problemOf } from "../../api/client.ts";
import { Button } from "../../components/button.tsx";
import { Heading } from "../../components/heading.tsx";
import { Notice } from "../../components/notice.tsx";
import { done, failed } from "../../components/toast.tsx";
import { isFailedStart } from "../../lib/actions.tsx";
import { type Draft, EVERYDAY, specOf, usesAdvanced } from "../../lib/draft.ts";
import { go } from "../../router.ts";
import { containers, learn } from "../../state.ts";
import { askImport } from "../import.tsx";
import { Advanced } from "./advanced.tsx";
import { Basics } from "./basics.tsx";
import { Equivalents } from "./equivalents.tsx";
import { clearDraft, draft, filled, setDraft } from "./form-state.ts";
import { Sharing } from "./sharing.tsx";
import { hasPlace, useValidation } from "./validation.ts";

export function CreateView() {
  const value = draft.value;
  const spec = useMemo(() => specOf(value), [value]);
  const taken = containers.value.has(value.name.trim());
  const { shown, touch, check, refuse } = useValidation(value, taken);
  const [refusal, setRefusal] = useState<Problem | null>(null);
  const [busy, setBusy] = useState<"create" | "start" | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const [advanced, setAdvanced] = useState(() => usesAdvanced(value));

  useEffect(() => {
    setRefusal(null);
    if (usesAdvanced(draft.value)) setAdvanced(true);
  }, [filled.value]);

  const set = (field: string) => (change: Partial<Draft>) => {
    touch(field);
    setRefusal(null);
    setDraft(change);
  };

  /** Shows the first field that is wrong, wherever it is. */
  const showProblems = (fields: (string | null | undefined)[]) => {
    const everyday: readonly (string | null | undefined)[] = EVERYDAY;
    if (fields.some((field) => hasPlace(field) && !everyday.includes(field))) setAdvanced(true);
    requestAnimationFrame(() => {
      form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
    });
  };

  const submit = async (start: boolean) => {
    if (busy) return;
    setBusy(start ? "start" : "create");
    setRefusal(null);
    try {
      const problems = await check();
      if (problems.length > 0) {
        const homeless = problems.find(({ field }) => !hasPlace(field));
        if (homeless) setRefusal({ ...homeless, field: homeless.field ?? undefined, status: 400 });
        showProblems(problems.map(({ field }) => field));
        return;
      }
      const made = await api.create(specOf(draft.value));
      learn(made);
      clearDraft();
      await (start ? startMade(made.name) : showMade(made.name));
    } catch (error) {
      const problem = problemOf(error);
      if (hasPlace(problem.field)) refuse(problem);
      else setRefusal(problem);
      showProblems([problem.field]);
    } finally {
      setBusy(null);
    }
  };

  const keys = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    void submit(true);
  };

  return (
    <>
      <Heading
        title="Create a container"
        about="A name and a command are enough. A container cannot be changed once it is created: to change it, duplicate it."
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
          onKeyDown={keys}
          onSubmit={(event) => {
            event.preventDefault();
            void submit(true);
          }}
        >
          <Basics value={value} set={set} shown={shown} />
          <Sharing value={value} set={set} shown={shown} />
          <details
            class="panel advanced"
            open={advanced}
            onToggle={(event) => setAdvanced(event.currentTarget.open)}
          >
            <summary>
              Advanced options <span class="soft small">image, process, health, isolation</span>
            </summary>
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
        <Equivalents spec={spec} />
      </div>
    </>
  );
}

function showMade(name: string): void {
  done(`${name} created`);
  go("containers", name);
}

/** A start that fails has its own page to be looked at: the step that failed. */
async function startMade(name: string): Promise<void> {
  try {
    learn(await api.act(name, "start"));
    done(`${name} created and started`);
    go("containers", name);
  } catch (error) {
    go("containers", name, "how");
    if (!isFailedStart(error)) failed(error);
  }
}
