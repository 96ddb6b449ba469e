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
    <fieldset class="field">
      <legend>Network and ports</legend>
      {missing && <p class="notice warn">Not here: {missing}.</p>}
      <Field
        id="network"
        label="Network"
        problem={problem}
        hint={
          <>
            The bridge gives it an address of its own. Containers on the same network find each
            other by name. <a href={href("networks")}>Networks</a>
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
          <option value="">bridge: an address of its own</option>
          <option value="none">none: nothing but its own loopback</option>
          <option value="host">host: this machine's own network</option>
          {made.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
          {others.map((other) => (
            <option key={other} value={other}>
              {other}: the same as the other's
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
            A port of this machine, a colon, and the container's: <code>8080:80</code>; 0 is a free
            one. Only this machine reaches it, unless an address says more:{" "}
            <code>0.0.0.0:8080:80</code>.
          </>
        }
        onChange={(ports) => set("ports")({ ports })}
      />
      <details open={[value.aliases, value.dns, value.extraHosts].some((list) => list.length > 0)}>
        <summary>Names and name servers</summary>
        <div class="stack">
          <Lines
            id="aliases"
            label="Aliases"
            one="Alias"
            values={value.aliases}
            placeholder="db"
            problem={shown("aliases")}
            hint="More names by which containers of the same network find it."
            onChange={(aliases) => set("aliases")({ aliases })}
          />
          <Lines
            id="dns"
            label="Name servers"
            one="Server"
            values={value.dns}
            placeholder="9.9.9.9"
            problem={shown("dns")}
            hint="Asked instead of those that this machine asks."
            onChange={(dns) => set("dns")({ dns })}
          />
          <Lines
            id="extra-hosts"
            label="Extra hosts"
            one="Host"
            values={value.extraHosts}
            placeholder="db:10.0.0.7"
            problem={shown("extra_hosts")}
            hint="Lines of its /etc/hosts, each NAME:ADDRESS."
            onChange={(extraHosts) => set("extra_hosts")({ extraHosts })}
          />
        </div>
      </details>
    </fieldset>
  );
}
