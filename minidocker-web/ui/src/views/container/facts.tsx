/** What the container was made from, and what became of it. */
import { Fragment } from "preact";
import type { Container } from "../../api/types.ts";
import { Ago } from "../../components/ago.tsx";
import { CopyButton } from "../../components/copy.tsx";
import { isFailure } from "../../lib/condition.ts";
import { exitWords, plural } from "../../lib/format.ts";
import { commandLine } from "../../lib/words.ts";
import { href } from "../../router.ts";
import { isAlive } from "../../state.ts";

export function Facts({ container }: { container: Container }) {
  const { name, spec, exit } = container;
  const alive = isAlive(container);
  return (
    <section class="panel" aria-label="Facts">
      <header>
        <h2>Facts</h2>
        <a class="small" href={href("containers", name, "configuration")}>
          Configuration
        </a>
      </header>
      <dl class="facts body">
        <dt>Container ID</dt>
        <dd class="mono" title={container.id}>
          {container.short_id}
        </dd>
        <dt>Command</dt>
        <dd>
          <code class="command-block">{commandLine(spec?.command ?? container.command)}</code>
        </dd>
        <dt>Image</dt>
        <dd>{spec?.image ?? "host"}</dd>
        <dt>Memory limit</dt>
        <dd>{spec?.mem_limit_mb !== undefined ? `${spec.mem_limit_mb} MB` : "none"}</dd>
        <dt>CPU limit</dt>
        <dd>
          {spec?.cpu_limit_percent !== undefined
            ? `${spec.cpu_limit_percent}% of one core`
            : "none"}
        </dd>
        <dt>Process limit</dt>
        <dd>{spec?.pids_limit === -1 ? "none" : (spec?.pids_limit ?? 512)}</dd>
        <List label="Volumes" values={spec?.volumes ?? []} />
        <List
          label="Environment"
          values={Object.entries(spec?.env_vars ?? {}).map(([key, value]) => `${key}=${value}`)}
        />
        <dt>Created</dt>
        <dd>
          <Ago time={container.created_at} />
        </dd>
        <dt>Last started</dt>
        <dd>
          <Ago time={container.started_at} />
        </dd>
        {!alive && container.finished_at && (
          <>
            <dt>Ended</dt>
            <dd>
              <Ago time={container.finished_at} />
            </dd>
          </>
        )}
        {exit && (
          <>
            <dt>{alive ? "Last exit code" : "Exit code"}</dt>
            <dd>
              <strong class={`number ${isFailure(exit) ? "bad-text" : ""}`}>{exit.code}</strong>{" "}
              <span class="soft">{exitWords(exit)}</span>
            </dd>
          </>
        )}
        <dt>Starts</dt>
        <dd>{startWords(container)}</dd>
        {container.pid != null && (
          <>
            <dt>PID on the host</dt>
            <dd class="number">{container.pid}</dd>
          </>
        )}
        <dt>Rootfs</dt>
        <dd>
          {container.rootfs && (
            <div class="copied">
              <code>{container.rootfs}</code>
              <CopyButton text={container.rootfs} label="Copy the path of the rootfs" />
            </div>
          )}
          <span class="soft small">
            The files that the container changed, in a folder of this machine.
          </span>
        </dd>
      </dl>
    </section>
  );
}

function List({ label, values }: { label: string; values: string[] }) {
  return (
    <>
      <dt>{label}</dt>
      <dd class={values.length ? "mono" : ""}>
        {values.length === 0 && "none"}
        {values.map((value) => (
          <Fragment key={value}>
            <span class="block">{value}</span>
          </Fragment>
        ))}
      </dd>
    </>
  );
}

/** `Started 3 times, 2 of them by the restart policy (on-failure)`. */
function startWords({ starts = 0, restarts = 0, spec }: Container): string {
  const policy = spec?.restart ?? "no";
  const times =
    starts === 0 ? "Never started" : starts === 1 ? "Started once" : `Started ${starts} times`;
  const again = restarts > 0 ? `, ${plural(restarts, "automatic restart")}` : "";
  return `${times}${again}; restart policy: ${policy}`;
}
