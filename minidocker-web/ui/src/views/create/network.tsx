/** Which network it is on, and which of its ports are reached from outside. */
import { api } from "../../api/client.ts";
import { described, Field, Lines } from "../../components/field.tsx";
import { useLoad } from "../../lib/use-load.ts";
import { href } from "../../router.ts";
import { containers, isAlive, unsupported } from "../../state.ts";
import type { Props } from "./advanced.tsx";

export function NetworkFields({ value, set, shown }: Props) {
  const networks = useLoad(() => api.networks(), []);
  const made = (networks.data ?? []).map(({ name }) => name).filter((name) => name !== "bridge");
  const running = [...containers.value.values()].filter(isAlive);
  const others = running.map(({ name }) => `container:${name}`);
  const known = ["none", "host", ...made, ...others];
  const problem = shown("network");
  const missing = unsupported("networks");
  return (
    <div class="two">
      {missing && <p class="notice warn">Not available here: {missing}.</p>}
      <Field
        id="network"
        label="Network"
        problem={problem}
        hint={
          <>
            Containers on the same network find each other by name.{" "}
            <a href={href("networks")}>Networks</a>
          </>
        }
      >
        <select
          {...described("network", problem, true)}
          class="input"
          disabled={missing !== null}
          value={value.network}
          onChange={(event) => set("network")({ network: event.currentTarget.value })}
        >
          <option value="">bridge: its own IP address</option>
          <option value="none">none: only loopback</option>
          <option value="host">host: the network of this machine</option>
          {made.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
          {others.map((other) => (
            <option key={other} value={other}>
              {other}: shares its network
            </option>
          ))}
          {value.network && !known.includes(value.network) && (
            <option value={value.network}>{value.network}</option>
          )}
        </select>
      </Field>
      <Lines
        id="ports"
        label="Published ports"
        one="Port"
        values={value.ports}
        placeholder="8080:80"
        problem={shown("ports")}
        hint={
          <>
            The port of this machine, a colon, the port of the container. <code>0:80</code> takes a
            free port. Other machines reach it only with <code>0.0.0.0:8080:80</code>.
          </>
        }
        onChange={(ports) => set("ports")({ ports })}
      />
      <details
        class="wide"
        open={[value.aliases, value.dns, value.extraHosts].some((list) => list.length > 0)}
      >
        <summary>Host names and name servers</summary>
        <div class="stack">
          <Lines
            id="aliases"
            label="Aliases"
            one="Alias"
            values={value.aliases}
            placeholder="db"
            problem={shown("aliases")}
            hint="More names by which containers on the same network find this one."
            onChange={(aliases) => set("aliases")({ aliases })}
          />
          <Lines
            id="dns"
            label="Name servers"
            one="Server"
            values={value.dns}
            placeholder="9.9.9.9"
            problem={shown("dns")}
            hint="Used instead of the name servers of this machine."
            onChange={(dns) => set("dns")({ dns })}
          />
          <Lines
            id="extra-hosts"
            label="Extra hosts"
            one="Host"
            values={value.extraHosts}
            placeholder="db:10.0.0.7"
            problem={shown("extra_hosts")}
            hint="NAME:ADDRESS, one line of /etc/hosts each."
            onChange={(extraHosts) => set("extra_hosts")({ extraHosts })}
          />
        </div>
      </details>
    </div>
  );
}
