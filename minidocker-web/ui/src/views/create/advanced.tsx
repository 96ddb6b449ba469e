/** What most containers leave as it is. */
import { api } from "../../api/client.ts";
import type { FieldProblem } from "../../api/types.ts";
import { ISOLATION } from "../../api/types.ts";
import { Check, Field, Lines, TextField } from "../../components/field.tsx";
import type { Draft } from "../../lib/draft.ts";
import { FEATURES } from "../../lib/isolation.ts";
import { useLoad } from "../../lib/use-load.ts";
import { href } from "../../router.ts";
import { unsupported } from "../../state.ts";
import { NetworkFields } from "./network.tsx";

export interface Props {
  value: Draft;
  set: (field: string) => (change: Partial<Draft>) => void;
  shown: (field: string) => FieldProblem | undefined;
}

export function Advanced({ value, set, shown }: Props) {
  const images = useLoad(() => api.images(), []);
  return (
    <div class="body stack">
      <Lines
        id="volumes"
        label="Volumes"
        one="Volume"
        values={value.volumes}
        placeholder="/srv/data:/app/data"
        problem={shown("volumes")}
        hint={
          <>
            A folder of this machine, a colon, and where it appears inside; <code>:ro</code> at the
            end makes it read-only. The folder must exist. <a href={href("learn", "files")}>More</a>
          </>
        }
        onChange={(volumes) => set("volumes")({ volumes })}
      />
      <Lines
        id="env"
        label="Environment variables"
        one="Variable"
        values={value.env}
        placeholder="MODE=production"
        problem={shown("env_vars")}
        hint="Settings that the program reads, each NAME=value. Anyone who may look at the container can read them: no place for secrets."
        onChange={(env) => set("env_vars")({ env })}
      />
      <NetworkFields value={value} set={set} shown={shown} />
      <div class="two">
        <RestartField value={value} set={set} problem={shown("restart")} />
        <TextField
          id="pids"
          label="Processes and threads at most"
          value={value.pids}
          placeholder="512"
          problem={shown("pids_limit")}
          hint="A fork bomb ends here."
          onChange={(pids) => set("pids_limit")({ pids })}
        />
      </div>
      <HealthFields value={value} set={set} problem={shown("health_check")} />
      <datalist id="images">
        {images.data?.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <div class="two">
        <TextField
          id="image"
          label="Image"
          mono
          value={value.image}
          placeholder="host"
          problem={shown("image")}
          list="images"
          hint={
            <>
              The files it begins with. host: this machine's programs, read-only.{" "}
              <a href={href("images")}>Images</a>
            </>
          }
          onChange={(image) => set("image")({ image })}
        />
        <TextField
          id="working-dir"
          label="Working directory"
          mono
          value={value.workingDir}
          placeholder="/"
          problem={shown("working_dir")}
          onChange={(workingDir) => set("working_dir")({ workingDir })}
        />
        <TextField
          id="hostname"
          label="Host name"
          mono
          value={value.hostname}
          placeholder={value.name || "its name"}
          problem={shown("hostname")}
          onChange={(hostname) => set("hostname")({ hostname })}
        />
        <TextField
          id="user"
          label="User"
          mono
          value={value.user}
          placeholder="0:0"
          problem={shown("user")}
          hint="Numbers: user, or user:group."
          onChange={(user) => set("user")({ user })}
        />
      </div>
      <fieldset class="field">
        <legend>Terminal and start</legend>
        <Check
          label="Give it a terminal"
          hint="For programs that draw on a screen. Output and errors become one stream."
          checked={value.tty}
          onChange={(tty) => set("tty")({ tty })}
        />
        <Check
          label="Keep its input open"
          hint="For programs that are typed to; otherwise they read the end of file at once."
          checked={value.stdinOpen}
          onChange={(stdinOpen) => set("stdin_open")({ stdinOpen })}
        />
        <Check
          label="Small init as process 1"
          hint="Passes signals on and clears away ended processes."
          checked={value.init}
          onChange={(init) => set("init")({ init })}
        />
        <Check
          label="Start even if a limit cannot be enforced"
          hint="On machines that lack a cgroup controller. What does not hold is then said."
          checked={value.bestEffort}
          onChange={(bestEffort) => set("best_effort_limits")({ bestEffort })}
        />
      </fieldset>
      <fieldset class="field" disabled={unsupported("isolation") !== null}>
        <legend>Isolation</legend>
        {unsupported("isolation") && (
          <p class="notice warn">Not here: {unsupported("isolation")}.</p>
        )}
        <p class="hint">
          Everything is on. Switch one off to see what it does by its absence, or compare both in{" "}
          <a href={href("experiments")}>Experiments</a>.
        </p>
        <div class="features">
          {ISOLATION.map((feature) => {
            const { title, on, off } = FEATURES[feature];
            const checked = value.isolation[feature];
            return (
              <Check
                key={feature}
                label={title}
                hint={checked ? on : <span class="warn-text">Off: {off}</span>}
                checked={checked}
                onChange={(now) =>
                  set("isolation")({ isolation: { ...value.isolation, [feature]: now } })
                }
              />
            );
          })}
        </div>
      </fieldset>
    </div>
  );
}

type SomeProps = Omit<Props, "shown"> & { problem: FieldProblem | undefined };

function RestartField({ value, set, problem }: SomeProps) {
  const [policy = "no", most = ""] = value.restart.split(":");
  const change = (restart: string) => set("restart")({ restart });
  return (
    <Field
      id="restart"
      label="When the command ends"
      problem={problem}
      hint="Between two starts it waits, twice as long each time."
    >
      <div class="row">
        <select
          id="restart"
          class="input grow"
          value={policy}
          onChange={(event) => change(event.currentTarget.value)}
        >
          <option value="no">stay stopped</option>
          <option value="on-failure">start again after a failure</option>
          <option value="always">always start again</option>
          <option value="unless-stopped">start again unless somebody stopped it</option>
        </select>
        {policy === "on-failure" && (
          <input
            class="input number times"
            inputMode="numeric"
            aria-label="How many times at most"
            placeholder="any"
            value={most}
            onInput={(event) => {
              const times = event.currentTarget.value.trim();
              change(times ? `on-failure:${times}` : "on-failure");
            }}
          />
        )}
      </div>
    </Field>
  );
}

function HealthFields({ value, set, problem }: SomeProps) {
  const { health } = value;
  const change = (part: Partial<Draft["health"]>) =>
    set("health_check")({ health: { ...health, ...part } });
  return (
    <fieldset class="field">
      <legend>Health check</legend>
      <TextField
        id="health"
        label="Command that asks whether it is well"
        mono
        value={health.command}
        placeholder="none"
        problem={problem}
        hint="Run inside, again and again: exit code 0 means healthy."
        onChange={(command) => change({ command })}
      />
      {health.command.trim() !== "" && (
        <>
          <div class="four">
            <TextField
              id="health-interval"
              label="Every (s)"
              value={health.interval}
              onChange={(interval) => change({ interval })}
            />
            <TextField
              id="health-timeout"
              label="Timeout (s)"
              value={health.timeout}
              onChange={(timeout) => change({ timeout })}
            />
            <TextField
              id="health-retries"
              label="Failures in a row"
              value={health.retries}
              onChange={(retries) => change({ retries })}
            />
            <TextField
              id="health-start"
              label="Start period (s)"
              value={health.startPeriod}
              onChange={(startPeriod) => change({ startPeriod })}
            />
          </div>
          <Check
            label="End it when it becomes unhealthy, so that it is started again"
            checked={health.restartUnhealthy}
            onChange={(restartUnhealthy) => change({ restartUnhealthy })}
          />
        </>
      )}
    </fieldset>
  );
}
