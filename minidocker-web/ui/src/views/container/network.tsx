/** How a container is connected. */
import { Fragment } from "preact";
import type { Container } from "../../api/types.ts";
import { Button } from "../../components/button.tsx";
import { PortLink } from "../../components/port-link.tsx";
import { freeName } from "../../lib/names.ts";
import { portWords } from "../../lib/ports.ts";
import { servedPort } from "../../lib/served-port.ts";
import { href } from "../../router.ts";
import { isAlive, simulated } from "../../state.ts";
import { publishedAs } from "../create/basics.tsx";
import { startDraft } from "../create/form-state.ts";

export function NetworkPanel({ container }: { container: Container }) {
  const { network, spec } = container;
  if (!network) return null;
  const alive = isAlive(container);
  const asked = spec?.ports ?? [];
  return (
    <section class="panel" aria-label="Network">
      <header>
        <h2>Network</h2>
        <a class="small" href={href("networks")}>
          Networks
        </a>
      </header>
      <dl class="facts body">
        <dt>Mode</dt>
        <dd>
          <strong>{network.mode}</strong> <span class="soft">{meaning(network.mode)}</span>
        </dd>
        {network.networks.map((one) => (
          <Endpoint key={one.name} {...one} />
        ))}
        {network.networks.length === 0 && (
          <>
            <dt>IP address</dt>
            <dd class="soft">
              {alive ? "no address of its own" : "none while the container is stopped"}
            </dd>
          </>
        )}
        <dt>Ports</dt>
        <dd>
          {network.ports.map((port) => (
            <div key={portWords(port)}>
              <PortLink port={port} />
              {port.protocol === "tcp" && <div class="small soft mono">{portWords(port)}</div>}
            </div>
          ))}
          {network.ports.length === 0 &&
            (asked.length > 0 ? (
              <>
                <span class="mono">{asked.join(", ")}</span>
                <span class="soft"> when the container runs</span>
              </>
            ) : (
              <NothingPublished container={container} />
            ))}
        </dd>
        <Names container={container} />
      </dl>
      {(network.caveats ?? []).map((caveat) => (
        <p class="notice warn" key={caveat}>
          {caveat}
        </p>
      ))}
    </section>
  );
}

/** A server that cannot be reached needs a word. */
function NothingPublished({ container: { spec } }: { container: Container }) {
  const port = servedPort(spec?.command);
  const reachable = spec?.network === "host" || spec?.network === "none";
  if (!spec || port === null || reachable) return <span class="soft">none published</span>;
  return (
    <>
      <span class="soft">
        none published. The command listens at port {port}, which only other containers reach.
      </span>
      <div>
        <Button
          small
          icon="copy"
          onClick={() =>
            startDraft({ ...spec, name: freeName(spec.name), ports: [publishedAs(port)] })
          }
        >
          Duplicate with port {port} published
        </Button>
      </div>
    </>
  );
}

function Endpoint(one: { name: string; ip_address: string; gateway: string; mac: string }) {
  return (
    <>
      <dt>IP address</dt>
      <dd class="mono">{one.ip_address}</dd>
      <dt>Gateway</dt>
      <dd>
        <span class="mono">{one.gateway}</span>
        <span class="soft"> the end of the cable on this machine, network {one.name}</span>
      </dd>
      <dt>MAC address</dt>
      <dd class="mono">{one.mac}</dd>
    </>
  );
}

function Names({ container: { spec } }: { container: Container }) {
  const lists: [string, string[] | undefined][] = [
    ["Aliases", spec?.aliases],
    ["Name servers", spec?.dns],
    ["Extra hosts", spec?.extra_hosts],
  ];
  return (
    <>
      {lists.map(([label, values]) =>
        values?.length ? (
          <Fragment key={label}>
            <dt>{label}</dt>
            <dd class="mono">{values.join(", ")}</dd>
          </Fragment>
        ) : null,
      )}
    </>
  );
}

function meaning(mode: string): string {
  if (simulated.value) return "simulated: the network of this machine";
  switch (mode) {
    case "bridge":
      return "its own IP address; outgoing traffic through this machine";
    case "none":
      return "only loopback";
    case "host":
      return "the interfaces and ports of this machine";
    default:
      return mode.startsWith("container:")
        ? "the network of the other container"
        : "shared by the containers on this network";
  }
}
