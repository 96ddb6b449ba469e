/** How a container is connected. */
import { Fragment } from "preact";
import type { Container } from "../../api/types.ts";
import { PortLink } from "../../components/port-link.tsx";
import { portWords } from "../../lib/ports.ts";
import { href } from "../../router.ts";
import { isAlive, simulated } from "../../state.ts";

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
            <dd class="soft">{alive ? "none of its own" : "none while it does not run"}</dd>
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
                <span class="soft"> when it runs</span>
              </>
            ) : (
              <span class="soft">none published</span>
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

function Endpoint(one: { name: string; ip_address: string; gateway: string; mac: string }) {
  return (
    <>
      <dt>IP address</dt>
      <dd class="mono">{one.ip_address}</dd>
      <dt>Gateway</dt>
      <dd>
        <span class="mono">{one.gateway}</span>
        <span class="soft"> the host's end, on the network {one.name}</span>
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
  if (simulated.value) return "in a simulation: this machine's";
  switch (mode) {
    case "bridge":
      return "an address of its own, and out through the host's";
    case "none":
      return "nothing but its own loopback";
    case "host":
      return "the host's own interfaces and ports";
    default:
      return mode.startsWith("container:")
        ? "that of the other container"
        : "a network of its own, beside those who are on it";
  }
}
