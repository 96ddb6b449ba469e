/** What one wants to know first. */
import { useState } from "preact/hooks";
import { api, type Problem, problemOf, url } from "../../api/client.ts";
import type { Container, Event, ExecOutput } from "../../api/types.ts";
import { Ago } from "../../components/ago.tsx";
import { Button } from "../../components/button.tsx";
import { LogText } from "../../components/log-view.tsx";
import { Meter } from "../../components/meter.tsx";
import { Empty, Notice } from "../../components/notice.tsx";
import { Sparkline } from "../../components/sparkline.tsx";
import { whyNot } from "../../lib/actions.tsx";
import { bytes, duration, exitMeaning, micros, percent, plural } from "../../lib/format.ts";
import { useLoad } from "../../lib/use-load.ts";
import { href } from "../../router.ts";
import { isAlive, recentCpu, usageOf } from "../../state.ts";
import { Facts } from "./facts.tsx";
import { Strip } from "./how.tsx";
import { NetworkPanel } from "./network.tsx";

export function OverviewTab({ container }: { container: Container }) {
  return (
    <div class="stack">
      <Now container={container} />
      <Built container={container} />
      <div class="overview">
        <div class="stack">
          <LastLines container={container} />
          <RunCommand container={container} />
          <History container={container} />
        </div>
        <div class="stack">
          <Facts container={container} />
          <NetworkPanel container={container} />
          <HealthPanel container={container} />
        </div>
      </div>
    </div>
  );
}

function Now({ container }: { container: Container }) {
  const usage = usageOf(container);
  const { name, spec } = container;
  if (!usage) return null;
  return (
    <section class="panel now" aria-label="Usage now">
      <div class="tile">
        <span class="soft small">CPU</span>
        <strong class="figure number">{percent(usage.cpu_percent)}</strong>
        <Sparkline values={recentCpu.value.get(name) ?? []} top={spec?.cpu_limit_percent} />
        <span class="soft small">
          {spec?.cpu_limit_percent !== undefined ? `of ${spec.cpu_limit_percent}%` : "no limit"}
        </span>
      </div>
      <div class="tile">
        <span class="soft small">Memory</span>
        <strong class="figure number">{bytes(usage.memory_bytes)}</strong>
        <Meter percent={usage.memory_percent} />
        <span class="soft small">
          {usage.memory_limit_bytes
            ? `${percent(usage.memory_percent)} of ${bytes(usage.memory_limit_bytes)}`
            : "no limit"}
        </span>
      </div>
      <div class="tile">
        <span class="soft small">Processes</span>
        <strong class="figure number">{usage.pids}</strong>
        <span class="soft small">of {spec?.pids_limit ?? 512}</span>
      </div>
      <div class="tile">
        <span class="soft small">Uptime</span>
        <strong class="figure number">{duration(usage.uptime_seconds)}</strong>
        <a class="small" href={href("containers", name, "stats")}>
          Charts
        </a>
      </div>
    </section>
  );
}

const LAST = 12;

function LastLines({ container }: { container: Container }) {
  const { name, status, started_at } = container;
  const logs = useLoad(
    () => api.logs(name, LAST),
    [name, status, started_at],
    isAlive(container) ? 2000 : undefined,
  );
  const { data, problem } = logs;
  return (
    <section class="panel">
      <header>
        <h2>Last lines of the log</h2>
        <a class="small" href={href("containers", name, "logs")}>
          Full log, live
        </a>
      </header>
      {problem && <Notice problem={problem} />}
      {data && data.lines.length > 0 && <LogText lines={data.lines} />}
      {data && data.lines.length === 0 && (
        <Empty title="Nothing logged">
          <p>{data.empty ?? "The command has printed nothing."}</p>
        </Empty>
      )}
    </section>
  );
}

function RunCommand({ container }: { container: Container }) {
  const [command, setCommand] = useState("ps -ef");
  const [output, setOutput] = useState<ExecOutput | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const reason = whyNot("exec", container);

  const run = async () => {
    setBusy(true);
    setProblem(null);
    try {
      setOutput(await api.exec(container.name, command));
    } catch (error) {
      setOutput(null);
      setProblem(problemOf(error));
    }
    setBusy(false);
  };

  return (
    <section class="panel">
      <header>
        <h2>Run a command inside</h2>
        <a class="small" href={href("containers", container.name, "terminal")}>
          Terminal
        </a>
      </header>
      <div class="body stack tight">
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            if (!reason) void run();
          }}
        >
          <input
            class="input mono grow"
            aria-label="Command to run inside"
            value={command}
            spellcheck={false}
            autocomplete="off"
            onInput={(event) => setCommand(event.currentTarget.value)}
          />
          <Button type="submit" icon="play" unavailable={reason} busy={busy}>
            Run
          </Button>
        </form>
        {reason && <p class="soft small">Not now: {reason}.</p>}
        {problem && <Notice problem={problem} />}
        {output && (
          <div aria-live="polite">
            {output.stdout && <pre class="output">{output.stdout}</pre>}
            {output.stderr && <pre class="output err">{output.stderr}</pre>}
            <p class="small soft">
              Exit code {output.exit_code}: {exitMeaning(output.exit_code, output.oom_killed)}
              {output.stdout === "" && output.stderr === "" && ". The command printed nothing"}
              {output.timed_out && ". The time limit was over, and the command was killed"}
              {output.truncated && ". The output was cut off at 4 MB"}.
            </p>
          </div>
        )}
      </div>
    </section>
  );
}

function HealthPanel({ container }: { container: Container }) {
  const { health } = container;
  if (!health) return null;
  const kind = { starting: "", healthy: "good", unhealthy: "bad" }[health.status];
  return (
    <section class="panel">
      <header>
        <h2>Health</h2>
        <span class={`tag ${kind}`}>{health.status}</span>
      </header>
      {health.probes.length === 0 ? (
        <p class="body soft">No check has ended yet.</p>
      ) : (
        <table>
          <tbody>
            {[...health.probes].reverse().map((probe) => (
              <tr key={probe.started_at}>
                <td class="nowrap">
                  <Ago time={probe.started_at} />
                </td>
                <td class="number">{probe.exit_code ?? "no answer"}</td>
                <td class="mono small">{probe.output.trim() || "no output"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** How the last start went, in one bar. */
function Built({ container }: { container: Container }) {
  const { name, started_at, status } = container;
  const { data } = useLoad(
    () => (started_at || status === "error" ? api.trace(name) : Promise.resolve(null)),
    [name, started_at, status],
  );
  return (
    <section class="panel">
      <header>
        <h2>How it was built</h2>
        <a class="small" href={href("containers", name, "how")}>
          Step by step
        </a>
      </header>
      <div class="body stack tight">
        {data ? (
          <>
            <Strip trace={data} />
            <p class="small soft">
              {plural(data.steps.length, "step")},{" "}
              {plural(
                data.steps.reduce((sum, step) => sum + step.calls.length, 0),
                "system call",
              )}
              , {micros(data.micros)}.
            </p>
          </>
        ) : (
          <p class="soft">
            Not started yet. <a href={href("containers", name, "how")}>See what a start will do</a>.
          </p>
        )}
      </div>
    </section>
  );
}

function History({ container }: { container: Container }) {
  const { name, status, starts, restarts } = container;
  const { data } = useLoad(async () => {
    const response = await fetch(`${url("events")}?follow=false&name=${encodeURIComponent(name)}`);
    return response.ok ? ((await response.json()) as Event[]) : [];
  }, [name, status, starts, restarts]);
  const mine = (data ?? []).filter((event) => event.container === container.id);
  return (
    <section class="panel">
      <header>
        <h2>History</h2>
      </header>
      {mine.length === 0 ? (
        <p class="body soft">No events yet.</p>
      ) : (
        <ol class="history">
          {mine
            .slice(-10)
            .reverse()
            .map((event) => (
              <li key={event.id}>
                <span>{eventWords(event)}</span>
                <time class="soft small">
                  <Ago time={event.time} />
                </time>
              </li>
            ))}
        </ol>
      )}
    </section>
  );
}

function eventWords(event: Event): string {
  switch (event.event) {
    case "exited":
      return event.exit
        ? `ended with code ${event.exit.code}${event.exit.oom_killed ? ", out of memory" : ""}`
        : "ended";
    case "exec_started":
      return `ran ${event.command}`;
    case "exec_failed":
      return `could not run ${event.command}`;
    case "start_failed":
      return `failed to start at the step ${event.failure?.step}`;
    case "out_of_memory":
      return `reached the memory limit (${event.kills} killed so far)`;
    case "health_changed":
      return `became ${event.health}`;
    case "restarted":
      return `restarted by the restart policy (${event.restarts})`;
    default:
      return event.event.replaceAll("_", " ");
  }
}
