/** What most containers leave as it is. */
import { api } from "../../api/client.ts";
import type { FieldProblem } from "../../api/types.ts";
import { ISOLATION } from "../../api/types.ts";
import { Check, Field, TextField } from "../../components/field.tsx";
import type { Draft } from "../../lib/draft.ts";
import { FEATURES } from "../../lib/isolation.ts";
import { useLoad } from "../../lib/use-load.ts";
import { href } from "../../router.ts";
import { unsupported } from "../../state.ts";

export interface Props {
  value: Draft;
  set: (field: string) => (change: Partial<Draft>) => void;
  shown: (field: string) => FieldProblem | undefined;
}

export function Advanced({ value, set, shown }: Props) {
  const images = useLoad(() => api.images(), []);
  return (
    <div class="body stack">
      <div class="two">
        <RestartField value={value} set={set} problem={shown("restart")} />
        <TextField
          id="pids"
          label="Process limit (PIDs)"
          value={value.pids}
          placeholder="512"
          problem={shown("pids_limit")}
          hint="How many processes and threads it may have. This limit stops a fork bomb."
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
              The files at the start. host: the programs of this machine, read-only.{" "}
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
          placeholder={value.name || "the name"}
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
          label="Terminal (TTY)"
          hint="For programs that draw on a screen. stdout and stderr become one stream."
          checked={value.tty}
          onChange={(tty) => set("tty")({ tty })}
        />
        <Check
          label="Keep standard input open"
          hint="For programs that read what somebody types. Without it they read an end of file at once."
          checked={value.stdinOpen}
          onChange={(stdinOpen) => set("stdin_open")({ stdinOpen })}
        />
        <Check
          label="Init as process 1"
          hint="Forwards signals and reaps ended processes."
          checked={value.init}
          onChange={(init) => set("init")({ init })}
        />
        <Check
          label="Start even if a limit cannot be enforced"
          hint="For machines that lack a cgroup controller. The page then says which limit does not hold."
          checked={value.bestEffort}
          onChange={(bestEffort) => set("best_effort_limits")({ bestEffort })}
        />
      </fieldset>
      <fieldset class="field" disabled={unsupported("isolation") !== null}>
        <legend>Isolation</legend>
        {unsupported("isolation") && (
          <p class="notice warn">Not available here: {unsupported("isolation")}.</p>
        )}
        <p class="hint">
          All features are on. Switch one off to see what it protects from, or compare both cases in{" "}
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
      hint="The pause before each restart doubles."
    >
      <div class="row">
        <select
          id="restart"
          class="input grow"
          value={policy}
          onChange={(event) => change(event.currentTarget.value)}
        >
          <option value="no">do not restart</option>
          <option value="on-failure">restart after a failure</option>
          <option value="always">always restart</option>
          <option value="unless-stopped">restart unless it was stopped by hand</option>
        </select>
        {policy === "on-failure" && (
          <input
            class="input number times"
            inputMode="numeric"
            aria-label="Most restarts in a row"
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
      <legend class="visually-hidden">Health check</legend>
      <TextField
        id="health"
        label="Health check command"
        mono
        value={health.command}
        placeholder="none"
        problem={problem}
        hint="Run inside the container at an interval. Exit code 0 means healthy."
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
            label="Restart the container when it becomes unhealthy"
            checked={health.restartUnhealthy}
            onChange={(restartUnhealthy) => change({ restartUnhealthy })}
          />
        </>
      )}
    </fieldset>
  );
}
