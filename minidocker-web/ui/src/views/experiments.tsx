/** One isolation feature off, the same command in two containers: the difference is what it does. */
import { useEffect, useState } from "preact/hooks";
import { api, type Problem, problemOf } from "../api/client.ts";
import type { Experiment, ExperimentResult, Run } from "../api/types.ts";
import { Button } from "../components/button.tsx";
import { Code } from "../components/copy.tsx";
import { ask } from "../components/dialog.tsx";
import { TextField } from "../components/field.tsx";
import { Heading } from "../components/heading.tsx";
import { Notice } from "../components/notice.tsx";
import { stripAnsi } from "../lib/ansi.ts";
import { exitMeaning } from "../lib/format.ts";
import { FEATURES } from "../lib/isolation.ts";
import { useLoad } from "../lib/use-load.ts";
import { href } from "../router.ts";
import { unsupported } from "../state.ts";

export function ExperimentsView({ feature }: { feature: string | undefined }) {
  const { data, problem } = useLoad(() => api.experiments(), []);
  const chosen = data?.find((one) => one.feature === feature) ?? data?.[0];
  return (
    <>
      <Heading
        title="Experiments"
        about="The surest way to learn what a part of the isolation does is to take it away. Each experiment runs one command in two containers that differ in a single feature, compares the output, and removes both."
      />
      {problem && <Notice problem={problem} />}
      {data && chosen && (
        <div class="experiments">
          <nav aria-label="Features" class="chooser">
            {data.map((one) => (
              <a
                key={one.feature}
                href={href("experiments", one.feature)}
                aria-current={one === chosen ? "page" : undefined}
              >
                <strong>{one.title}</strong>
                <span class="mono small soft">{one.feature}</span>
              </a>
            ))}
          </nav>
          <Bench key={chosen.feature} experiment={chosen} />
        </div>
      )}
    </>
  );
}

/** Commands that somebody has agreed to, so that each is asked about once. */
const allowed = new Set<string>();

function Bench({ experiment }: { experiment: Experiment }) {
  const { feature, title, question, look_for } = experiment;
  const [command, setCommand] = useState(experiment.command);
  const [result, setResult] = useState<ExperimentResult | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const words = FEATURES[feature];

  useEffect(() => {
    setCommand(experiment.command);
  }, [experiment]);

  /** The suggested commands do no harm; a command of one's own can, where a wall is missing. */
  const start = () => {
    if (command === experiment.command || allowed.has(`${feature} ${command}`)) return void run();
    ask({
      title: `Run this command without “${title.toLowerCase()}”?`,
      body: (
        <>
          <Code text={command} label="the command" />
          <p class="notice warn">
            <strong>One of the two containers is not isolated in this respect.</strong>
            <span>{words.off} The command runs as root.</span>
            {feature === "rootfs" && (
              <span>What it writes or deletes is written or deleted on this machine.</span>
            )}
          </p>
        </>
      ),
      action: "Run on this machine",
      danger: true,
      run: () => {
        allowed.add(`${feature} ${command}`);
        void run();
      },
    });
  };

  const run = async () => {
    setBusy(true);
    setProblem(null);
    try {
      setResult(await api.experiment(feature, command));
    } catch (error) {
      setResult(null);
      setProblem(problemOf(error));
    }
    setBusy(false);
  };

  return (
    <section class="stack" aria-label={title}>
      <div class="panel padded stack">
        <div>
          <h2>{question}</h2>
          {words && (
            <p class="soft">
              {words.on} Without it: {lower(words.off)} Read <code>{words.manual}</code>.
            </p>
          )}
        </div>
        <form
          class="stack tight"
          onSubmit={(event) => {
            event.preventDefault();
            if (!unsupported("isolation")) start();
          }}
        >
          <TextField
            id="experiment-command"
            label="Command, run in both containers"
            mono
            value={command}
            onChange={setCommand}
          />
          <div class="row">
            <Button
              type="submit"
              kind="primary"
              icon="flask"
              busy={busy}
              unavailable={unsupported("isolation")}
            >
              {busy ? "Running both…" : "Run both"}
            </Button>
            {command !== experiment.command && (
              <Button onClick={() => setCommand(experiment.command)}>
                Restore the suggested command
              </Button>
            )}
          </div>
        </form>
        {unsupported("isolation") && (
          <p class="notice warn">Not available here: {unsupported("isolation")}.</p>
        )}
        {problem && <Notice problem={problem} />}
      </div>
      <div class="two wide" aria-live="polite" aria-busy={busy}>
        <Result title={`With ${feature}`} run={result?.with} kind="good" />
        <Result
          title={`Without ${feature}`}
          run={result?.without}
          other={result?.with}
          kind="warn"
        />
      </div>
      {result && (
        <div class="notice">
          <strong>What to look for</strong>
          <span>{look_for}</span>
        </div>
      )}
    </section>
  );
}

function Result(props: {
  title: string;
  run: Run | undefined;
  other?: Run | undefined;
  kind: string;
}) {
  const { title, run, other, kind } = props;
  const before = new Set(other ? lines(other) : []);
  return (
    <section class="panel" aria-label={title}>
      <header>
        <h3>{title}</h3>
        <span class={`tag ${kind}`}>{kind === "good" ? "default" : "one feature off"}</span>
      </header>
      {!run ? (
        <p class="body soft">The output appears here.</p>
      ) : (
        <>
          {run.error && (
            <div class="body">
              <Notice problem={{ ...run.error, status: 0 }} />
            </div>
          )}
          <pre class="output tall" tabIndex={0} role="region" aria-label={`Output ${title}`}>
            {lines(run).map((line, index) => (
              <span key={index} class={other && !before.has(line) ? "line differs" : "line"}>
                {line}
                {"\n"}
              </span>
            ))}
            {run.output === "" && <span class="soft">The command printed nothing.</span>}
          </pre>
          <p class="body small soft">
            {run.timed_out
              ? "Ended: the time limit was over."
              : run.exit_code !== null &&
                `Exit code ${run.exit_code}: ${exitMeaning(run.exit_code)}.`}
            {run.truncated && " The output was cut off."}
          </p>
        </>
      )}
    </section>
  );
}

function lines(run: Run): string[] {
  return stripAnsi(run.output.replaceAll("\n", "\u2028"))
    .split("\u2028")
    .filter((line, index, all) => line !== "" || index < all.length - 1);
}

function lower(sentence: string): string {
  return `${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}`;
}
