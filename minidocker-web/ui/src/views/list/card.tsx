/** A container as a card. */
import { useMemo } from "preact/hooks";
import type { Container, Usage } from "../../api/types.ts";
import { Ago } from "../../components/ago.tsx";
import { menuTriggers } from "../../components/menu.tsx";
import { Meter } from "../../components/meter.tsx";
import { PortLinks } from "../../components/port-link.tsx";
import { Sparkline } from "../../components/sparkline.tsx";
import { ContainerStatus } from "../../components/status.tsx";
import { conditionOf, isFailure } from "../../lib/condition.ts";
import { bytesOf, duration, exact, exitWords, percent, plural } from "../../lib/format.ts";
import { shortCommand } from "../../lib/words.ts";
import { href } from "../../router.ts";
import { recentCpu, usageOf } from "../../state.ts";
import { selected } from "./list-state.ts";
import { currentMenu, Quick } from "./quick.tsx";
import { SelectBox } from "./select-box.tsx";

export function Card({ container, order }: { container: Container; order: string[] }) {
  const { name, reason, command, short_id, spec } = container;
  const usage = usageOf(container);
  const triggers = useMemo(() => menuTriggers(name, () => currentMenu(name)), [name]);
  const [memory, most] = usage ? bytesOf(usage.memory_bytes, usage.memory_limit_bytes) : [];
  return (
    <li
      class="card"
      data-state={conditionOf(container)}
      data-selected={selected.value.has(name)}
      {...triggers}
    >
      <div class="ribs" aria-hidden="true" />
      <div class="card-head">
        <SelectBox name={name} order={order} />
        <div class="grow">
          <a class="name truncate" href={href("containers", name)}>
            {name}
          </a>
          <span class="mono small soft">{short_id ?? "damaged"}</span>
        </div>
        <ContainerStatus container={container} pill />
      </div>
      <code class="command truncate" title={command}>
        {command === undefined ? reason : shortCommand(command)}
      </code>
      {usage ? (
        <div class="gauges">
          <div>
            <span class="small soft">
              CPU
              <span>
                <strong class="number">{percent(usage.cpu_percent)}</strong>
                {spec?.cpu_limit_percent !== undefined && ` of ${spec.cpu_limit_percent}%`}
              </span>
            </span>
            <Sparkline values={recentCpu.value.get(name) ?? []} top={spec?.cpu_limit_percent} />
          </div>
          <div>
            <span class="small soft">
              Memory
              <span>
                <strong class="number">{memory}</strong>
                {most}
              </span>
            </span>
            <Meter percent={usage.memory_percent} />
          </div>
        </div>
      ) : (
        <p class="outcome small">
          <Outcome container={container} />
        </p>
      )}
      {container.network && container.network.ports.length > 0 && (
        <div class="small">
          <PortLinks ports={container.network.ports} />
        </div>
      )}
      <footer>
        <span class="small soft" title={`Last started: ${exact(container.started_at)}`}>
          {sinceWhen(container, usage)}
          {container.restarts ? `, ${plural(container.restarts, "restart")}` : ""}
          {container.health ? `, ${container.health.status}` : ""}
        </span>
        <Quick container={container} />
      </footer>
    </li>
  );
}

function sinceWhen(container: Container, usage: Usage | null) {
  if (usage && usage.uptime_seconds !== null) return `up ${duration(usage.uptime_seconds)}`;
  if (usage) return "waiting for the next start";
  return <StartedWhen container={container} />;
}

export function StartedWhen({ container: { started_at } }: { container: Container }) {
  if (!started_at) return <>never started</>;
  return (
    <>
      started <Ago time={started_at} />
    </>
  );
}

/** How a container that is not running came to be so. */
function Outcome({ container }: { container: Container }) {
  const { status, exit, reason } = container;
  if (status === "created") return <span class="soft">Limits: {limits(container)}</span>;
  if (status === "error" && !exit?.oom_killed) {
    return <span class="bad-text">{reason ?? "The start failed."}</span>;
  }
  if (!exit) return <span class="soft">The command has ended.</span>;
  return (
    <span class={isFailure(exit) ? "bad-text" : "soft"}>
      Exit code <strong class="number">{exit.code}</strong>: {exitWords(exit)}
    </span>
  );
}

function limits({ spec }: Container): string {
  const parts = [];
  if (spec?.mem_limit_mb !== undefined) parts.push(`${spec.mem_limit_mb} MB`);
  if (spec?.cpu_limit_percent !== undefined) parts.push(`${spec.cpu_limit_percent}% CPU`);
  return parts.join(", ") || "none";
}
