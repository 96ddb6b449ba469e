/** How this container is built: the plan, and what the kernel answered. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, api } from "../../api/client.ts";
import type { Actor, Call, Container, Failure, Step, Trace, TracedStep } from "../../api/types.ts";
import { Button } from "../../components/button.tsx";
import { Code } from "../../components/copy.tsx";
import { Icon } from "../../components/icon.tsx";
import { Notice } from "../../components/notice.tsx";
import { act, whyNot } from "../../lib/actions.tsx";
import { exact, micros, plural } from "../../lib/format.ts";
import { useLoad } from "../../lib/use-load.ts";

const ACTORS: Record<Actor, { label: string; about: string }> = {
  supervisor: { label: "Supervisor", about: "outside the container, with the rights of the host" },
  init: { label: "Init", about: "process 1 of the container, in its new namespaces" },
  command: { label: "Command", about: "the process that becomes the program" },
};

export function HowTab({ container }: { container: Container }) {
  const { name, started_at, status } = container;
  const plan = useLoad(() => api.plan(name), [name]);
  const trace = useLoad(() => traceOf(name), [name, started_at, status]);
  const [preview, setPreview] = useState(false);
  const [open, setOpen] = useState<Set<string>>(new Set());

  const failed = trace.data?.failure?.step;
  useEffect(() => {
    if (failed) setOpen(new Set([failed]));
  }, [failed]);

  if (plan.problem) return <Notice problem={plan.problem} />;
  if (trace.problem) return <Notice problem={trace.problem} />;
  if (!plan.data || (trace.loading && !trace.data)) return <p class="soft">Reading the plan…</p>;

  const shown = preview ? null : trace.data;
  const steps = merged(plan.data.steps, shown);
  const allOpen = open.size === steps.length;
  const toggle = (id: string) => {
    const next = new Set(open);
    if (!next.delete(id)) next.add(id);
    setOpen(next);
  };

  return (
    <div class="stack">
      <section class="panel how-summary">
        <div class="row spread">
          <div class="grow">
            {shown ? (
              <Figures trace={shown} simulated={steps.some(({ step }) => step.simulated)} />
            ) : (
              <Preview container={container} count={steps.length} />
            )}
          </div>
          <div class="row">
            {trace.data && (
              <div class="segments" role="group" aria-label="What is shown">
                <button type="button" aria-pressed={!preview} onClick={() => setPreview(false)}>
                  Last start
                </button>
                <button type="button" aria-pressed={preview} onClick={() => setPreview(true)}>
                  Next start (plan)
                </button>
              </div>
            )}
            <Button
              onClick={() => setOpen(new Set(allOpen ? [] : steps.map(({ step }) => step.id)))}
            >
              {allOpen ? "Close all" : "Open all"}
            </Button>
          </div>
        </div>
        {shown && <Strip trace={shown} onPick={(id) => setOpen(new Set([...open, id]))} />}
        <ul class="legend small" aria-label="Who does it">
          {(Object.keys(ACTORS) as Actor[]).map((actor) => (
            <li key={actor} data-actor={actor}>
              <strong>{ACTORS[actor].label}</strong> <span class="soft">{ACTORS[actor].about}</span>
            </li>
          ))}
        </ul>
      </section>
      {shown?.failure && <FailureNotice failure={shown.failure} steps={steps} />}
      <ol class="timeline" aria-label="Steps">
        {steps.map(({ step, traced }, index) => (
          <StepRow
            key={step.id}
            number={index + 1}
            step={step}
            traced={traced}
            total={shown ? lengthOf(shown) : 0}
            failure={shown?.failure?.step === step.id ? shown.failure : null}
            open={open.has(step.id)}
            toggle={() => toggle(step.id)}
          />
        ))}
      </ol>
    </div>
  );
}

async function traceOf(name: string): Promise<Trace | null> {
  try {
    return await api.trace(name);
  } catch (error) {
    if (error instanceof ApiError && error.code === "never_started") return null;
    throw error;
  }
}

interface Merged {
  step: Step;
  traced: TracedStep | null;
}

/** Each step of the plan with what became of it; steps only the trace has, after those before. */
function merged(plan: Step[], trace: Trace | null): Merged[] {
  if (!trace) return plan.map((step) => ({ step, traced: null }));
  const planned = new Map(plan.map((step) => [step.id, step]));
  return trace.steps.map((traced) => {
    const { id, actor, title } = traced;
    const unknown = { id, actor, title, why: "", syscalls: [], shell: "", manual: "" };
    return { step: planned.get(id) ?? unknown, traced };
  });
}

/** Until the last step ended; a failed start took longer, to clean up. */
function lengthOf({ steps }: Trace): number {
  const reached = steps.filter(({ outcome }) => outcome !== "not_reached");
  return Math.max(0, ...reached.map((step) => step.start_micros + step.micros));
}

function Figures({ trace, simulated }: { trace: Trace; simulated: boolean }) {
  const calls = trace.steps.reduce((sum, step) => sum + step.calls.length, 0);
  const reached = trace.steps.filter((step) => step.outcome === "done").length;
  return (
    <>
      <h2>
        {trace.failure ? (
          <>
            Stopped after <span class="number">{reached}</span> of {trace.steps.length} steps
          </>
        ) : (
          <>
            Built in <span class="figure number">{micros(trace.micros)}</span>
          </>
        )}
      </h2>
      <p class="soft">
        {simulated
          ? `${plural(trace.steps.length, "step")} of Linux, simulated; each says what was done instead.`
          : `${plural(trace.steps.length, "step")} and ${plural(calls, "system call")}, each measured as the kernel answered it.`}{" "}
        Started {exact(trace.started_at)}.
        {trace.failure &&
          ` The steps took ${micros(lengthOf(trace))}, with the clean-up ${micros(trace.micros)}.`}
      </p>
    </>
  );
}

function Preview({ container, count }: { container: Container; count: number }) {
  const reason = whyNot("start", container);
  return (
    <>
      <h2>What a start will do, in {count} steps</h2>
      <p class="soft">
        Nothing has been done yet. Open a step to see why it is needed, its system calls, and shell
        commands with the same effect.
      </p>
      {!reason && (
        <p class="row">
          <Button kind="primary" icon="play" onClick={() => act("start", container)}>
            Start, and see how long each step takes
          </Button>
        </p>
      )}
    </>
  );
}

/** All steps in one bar, each as wide as it took. */
export function Strip({ trace, onPick }: { trace: Trace; onPick?: (id: string) => void }) {
  const steps = trace.steps.filter((step) => step.micros > 0);
  const total = steps.reduce((sum, step) => sum + step.micros, 0) || 1;
  const longest = [...steps].sort((a, b) => b.micros - a.micros).slice(0, 3);
  const words = longest.map((step) => `${step.title} ${micros(step.micros)}`).join(", ");
  return (
    <div class="strip" role="img" aria-label={`Time by step. The longest: ${words}`}>
      {steps.map((step) => (
        // biome-ignore lint/a11y/noStaticElementInteractions: a shortcut; the list below has buttons
        // biome-ignore lint/a11y/useKeyWithClickEvents: the same
        <span
          key={step.id}
          data-actor={step.actor}
          data-outcome={step.outcome}
          style={{ flexGrow: step.micros / total }}
          title={`${step.title}: ${micros(step.micros)}`}
          onClick={() => {
            onPick?.(step.id);
            document.getElementById(`step-${step.id}`)?.scrollIntoView({ block: "center" });
          }}
        />
      ))}
    </div>
  );
}

function FailureNotice({ failure, steps }: { failure: Failure; steps: Merged[] }) {
  const number = steps.findIndex(({ step }) => step.id === failure.step) + 1;
  const { step, traced } = steps[number - 1] ?? {};
  const title = step?.title;
  const errno = traced?.calls.findLast((call) => call.errno)?.errno ?? failure.errno;
  return (
    <div class="notice bad" role="alert">
      <strong>
        Step {number}, {title ?? failure.step}: {failure.message ?? "the kernel refused the call"}
      </strong>
      <code>
        {failure.call}
        {errno !== undefined && <strong> = {errno}</strong>}
      </code>
      <span>{failure.hint}</span>
      <span class="soft">Everything that was made up to this step has been removed.</span>
    </div>
  );
}

interface RowProps {
  number: number;
  step: Step;
  traced: TracedStep | null;
  total: number;
  failure: Failure | null;
  open: boolean;
  toggle: () => void;
}

function StepRow({ number, step, traced, total, failure, open, toggle }: RowProps) {
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (failure) row.current?.scrollIntoView({ block: "center" });
  }, [failure]);
  const share = (value: number) => `${total > 0 ? (value / total) * 100 : 0}%`;
  const outcome = traced?.outcome ?? "planned";
  return (
    <li
      ref={row}
      id={`step-${step.id}`}
      class="step"
      data-actor={step.actor}
      data-outcome={outcome}
    >
      <button type="button" class="step-head" aria-expanded={open} onClick={toggle}>
        <span class="step-number number">{number}</span>
        <span class="step-title">
          <span>{step.title}</span>
          {outcome === "failed" && (
            <span class="tag bad">
              <Icon name="cross" size={12} /> failed
            </span>
          )}
          {outcome === "not_reached" && <span class="tag">not reached</span>}
          {step.simulated && <span class="tag">simulated</span>}
        </span>
        {traced && traced.outcome !== "not_reached" && (
          <span class="lane" aria-hidden="true">
            <span style={{ left: share(traced.start_micros), width: share(traced.micros) }} />
          </span>
        )}
        <span class="step-time number">
          {traced && traced.outcome !== "not_reached" ? micros(traced.micros) : ""}
        </span>
        <Icon name="chevron" />
      </button>
      {open && (
        <div class="step-body">
          {step.why && <p class="why">{step.why}</p>}
          {step.simulated && (
            <p class="notice warn">
              <strong>What the simulation does instead</strong>
              <span>{step.simulated}</span>
            </p>
          )}
          <div class="step-columns">
            <div>
              <h3>{callsTitle(step, traced)}</h3>
              {traced?.calls.length ? (
                <Calls calls={traced.calls} />
              ) : (
                <ul class="calls">
                  {step.syscalls.map((call) => (
                    <li key={call}>
                      <code>{call}</code>
                    </li>
                  ))}
                </ul>
              )}
            </div>
            <div class="stack tight">
              {step.shell && (
                <div>
                  <h3>The same by hand</h3>
                  <Code text={step.shell} label={`Shell equivalent of: ${step.title}`} />
                  {step.caution && <p class="notice warn small">{step.caution}</p>}
                </div>
              )}
              <p class="small soft">
                Done by the {ACTORS[step.actor].label.toLowerCase()}, {ACTORS[step.actor].about}.
                {step.manual && (
                  <>
                    {" "}
                    Read <code>{step.manual}</code>.
                  </>
                )}
              </p>
            </div>
          </div>
        </div>
      )}
    </li>
  );
}

function callsTitle(step: Step, traced: TracedStep | null): string {
  if (traced?.calls.length) {
    return step.simulated ? "What was done instead" : "System calls, as they were made";
  }
  return step.simulated ? "System calls, on Linux" : "System calls";
}

const MOST_CALLS = 60;

function Calls({ calls }: { calls: Call[] }) {
  const [all, setAll] = useState(false);
  const shown = all ? calls : calls.slice(0, MOST_CALLS);
  return (
    <>
      <ol class="calls">
        {shown.map((call, index) => (
          <li key={index} class={call.errno ? "refused" : ""}>
            <code>
              {call.call}
              {call.errno && <strong> = {call.errno}</strong>}
            </code>
            <span class="soft small number">{micros(call.micros)}</span>
          </li>
        ))}
      </ol>
      {calls.length > shown.length && (
        <Button small onClick={() => setAll(true)}>
          Show all {calls.length}
        </Button>
      )}
    </>
  );
}
