/** One container: what it is, what it does, what it is made of. */
import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Container } from "../../api/types.ts";
import { Button, LinkButton } from "../../components/button.tsx";
import { openMenuAt } from "../../components/menu.tsx";
import { Empty } from "../../components/notice.tsx";
import { ContainerStatus } from "../../components/status.tsx";
import { act, menuOf, VERBS, whyNot } from "../../lib/actions.tsx";
import { conditionOf } from "../../lib/condition.ts";
import { portUrl } from "../../lib/ports.ts";
import { measure } from "../../lib/stats-history.ts";
import { href } from "../../router.ts";
import { containers, isAlive, listed } from "../../state.ts";
import { ConfigurationTab } from "./configuration.tsx";
import { FilesTab } from "./files.tsx";
import { HowTab } from "./how.tsx";
import { LogsTab } from "./logs.tsx";
import { OverviewTab } from "./overview.tsx";
import { StatsTab } from "./stats.tsx";
import { TerminalTab } from "./terminal.tsx";
import { XrayTab } from "./xray.tsx";

const TABS: Record<string, { label: string; view: ComponentType<{ container: Container }> }> = {
  overview: { label: "Overview", view: OverviewTab },
  logs: { label: "Logs", view: LogsTab },
  stats: { label: "Stats", view: StatsTab },
  terminal: { label: "Terminal", view: TerminalTab },
  files: { label: "Files", view: FilesTab },
  how: { label: "How it works", view: HowTab },
  xray: { label: "X-ray", view: XrayTab },
  configuration: { label: "Configuration", view: ConfigurationTab },
};

export function ContainerView({ name, tab }: { name: string; tab: string }) {
  const container = containers.value.get(name);
  if (!container) {
    if (!listed.value) return <p class="soft">Loading {name}…</p>;
    return (
      <Empty title={`There is no container ${name}`}>
        <p>It was deleted, or never existed.</p>
        <LinkButton to={href("containers")}>Go to the containers</LinkButton>
      </Empty>
    );
  }
  return <Found container={container} tab={tab} />;
}

function Found({ container, tab }: { container: Container; tab: string }) {
  const { name } = container;
  const tabs = useRef<HTMLElement>(null);
  // On a narrow screen the open one may be out of sight.
  useEffect(() => {
    const current = tabs.current?.querySelector<HTMLElement>("[aria-current]");
    if (current && tabs.current) tabs.current.scrollLeft = current.offsetLeft - 60;
  }, [tab]);
  // On whichever tab: the charts need to have seen what they show.
  const { id, started_at } = container;
  const alive = isAlive(container);
  useEffect(() => {
    if (alive && id !== undefined) return measure(name, id);
  }, [name, id, started_at, alive]);
  const View = TABS[Object.hasOwn(TABS, tab) ? tab : "overview"]!.view;
  return (
    <div data-state={conditionOf(container)}>
      <header class="heading container-heading">
        <div class="grow">
          <a class="small soft" href={href("containers")}>
            Containers
          </a>
          <div class="row">
            <h1>{name}</h1>
            <ContainerStatus container={container} pill />
          </div>
        </div>
        <Actions container={container} />
      </header>
      {container.status === "error" && container.reason && tab !== "how" && (
        <div class="notice bad below" role="status">
          <strong>{container.reason}</strong>
          <a href={href("containers", name, "how")}>See the step that failed, and what to do</a>
        </div>
      )}
      {container.exit?.oom_killed && !isAlive(container) && (
        <div class="notice bad below" role="status">
          <strong>Out of memory: the kernel killed the command at its memory limit.</strong>
          <span>{memoryAdvice(container)}</span>
        </div>
      )}
      {(container.not_enforced ?? []).map((limit) => (
        <div class="notice warn below" key={limit}>
          Not enforced on this machine: {limit}
        </div>
      ))}
      <nav class="tabs below" ref={tabs} aria-label={`Views of ${name}`}>
        {Object.entries(TABS).map(([key, { label }]) => (
          <a
            key={key}
            href={href("containers", name, key)}
            aria-current={View === TABS[key]?.view ? "page" : undefined}
          >
            {label}
          </a>
        ))}
      </nav>
      {container.id === undefined ? (
        <Empty title="The files of this container are damaged">
          <p>{container.reason}</p>
        </Empty>
      ) : (
        <View key={container.id} container={container} />
      )}
    </div>
  );
}

function memoryAdvice({ spec }: Container): string {
  const mb = spec?.mem_limit_mb;
  const limit = mb === undefined ? "It has no limit of its own" : `Its limit is ${mb} MB`;
  return `${limit}. Duplicate the container with a higher limit, or find out what fills its memory.`;
}

function Actions({ container }: { container: Container }) {
  const main = VERBS.filter(({ verb }) => {
    if (verb === "resume") return container.status === "paused";
    if (verb === "pause") return container.status !== "paused";
    return verb === "start" || verb === "stop" || verb === "restart";
  });
  // The first two: who publishes more finds them all under Network.
  const pages = (container.network?.ports ?? [])
    .map((port) => portUrl(port, location.hostname))
    .filter((address) => address !== null)
    .slice(0, 2);
  return (
    <div class="row">
      {pages.map((address) => (
        <LinkButton key={address} to={address} icon="link" apart>
          Open {address.replace("http://", "")}
        </LinkButton>
      ))}
      {main.map(({ verb, label, icon }) => {
        const reason = whyNot(verb, container);
        const wanted = !isAlive(container)
          ? "start"
          : container.status === "paused"
            ? "resume"
            : "";
        return (
          <Button
            key={verb}
            icon={icon}
            kind={verb === wanted ? "primary" : ""}
            unavailable={reason}
            onClick={() => act(verb, container)}
          >
            {label}
          </Button>
        );
      })}
      <Button
        icon="menu"
        label="All actions"
        onClick={(event) =>
          openMenuAt(container.name, menuOf(container), event.currentTarget as Element)
        }
      />
    </div>
  );
}
