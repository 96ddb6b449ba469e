/** The network as the kernel has it: both ends of the cable, the way out, who listens. */
import type { Xray } from "../../api/types.ts";
import { bytes, plural } from "../../lib/format.ts";

export function NetworkXray({ network }: { network: Xray["network"] }) {
  if (!network) return null;
  if (!network.own) {
    return (
      <section class="panel">
        <header>
          <h2>Network</h2>
        </header>
        <p class="body soft">
          The container has no network of its own: it sees the interfaces and ports of the host.
        </p>
      </section>
    );
  }
  const { interfaces, routes, listening, bridge } = network;
  return (
    <section class="panel">
      <header>
        <h2>Network</h2>
        <span class="soft small">{plural(interfaces.length, "interface")}</span>
      </header>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Network">
        <table class="xray">
          <thead>
            <tr>
              <th scope="col">In the container</th>
              <th scope="col">On the host</th>
              <th scope="col">Address</th>
              <th scope="col">Traffic</th>
            </tr>
          </thead>
          <tbody>
            {interfaces.map((one) => (
              <tr key={one.name}>
                <th scope="row">
                  <span class="mono">{one.name}</span>
                  {one.index !== null && <span class="soft small"> number {one.index}</span>}
                </th>
                <td>
                  {one.peer ? (
                    <>
                      <span class="mono">{one.peer.name}</span>
                      <span class="soft small"> number {one.peer.index}</span>
                      {one.peer.bridge && (
                        <div class="small soft">
                          plugged into <span class="mono">{one.peer.bridge}</span>
                        </div>
                      )}
                    </>
                  ) : (
                    <span class="soft">none</span>
                  )}
                </td>
                <td class="mono">
                  {one.addresses.join(", ") || "–"}
                  {one.mac && <div class="small soft">{one.mac}</div>}
                </td>
                <td class="number small">
                  {bytes(one.rx_bytes)} received, {bytes(one.tx_bytes)} sent
                  {one.mtu !== null && <div class="soft">MTU {one.mtu}</div>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <dl class="facts body">
        <dt>Routes</dt>
        <dd>
          {routes.map((one) => (
            <div class="mono" key={`${one.to} ${one.interface}`}>
              {one.to} {one.via ? `via ${one.via} ` : ""}dev {one.interface}
            </div>
          ))}
          {routes.length === 0 && <span class="soft">none: the container reaches only itself</span>}
        </dd>
        <dt>Listening</dt>
        <dd>
          {listening.map((one) => (
            <div class="mono" key={`${one.protocol} ${one.address} ${one.port}`}>
              {one.address.includes(":") ? `[${one.address}]` : one.address}:{one.port}/
              {one.protocol}
            </div>
          ))}
          {listening.length === 0 && <span class="soft">no program listens</span>}
        </dd>
        {network.rules && network.rules.length > 0 && (
          <>
            <dt>Rules</dt>
            <dd>
              <p class="small soft">
                The rules of the host for packets of all bridges, in the table{" "}
                <code>ip minidocker</code>:
              </p>
              {network.rules.map(({ chain, rule }) => (
                <div class="mono small" key={`${chain} ${rule}`}>
                  <span class="soft">{chain}</span> {rule}
                </div>
              ))}
            </dd>
          </>
        )}
        {bridge && (
          <>
            <dt>Bridge</dt>
            <dd>
              <span class="mono">{bridge.name}</span>
              {bridge.mac && <span class="mono small soft"> {bridge.mac}</span>}
              <div class="small soft">
                a virtual switch of the host, with {plural(bridge.ports.length, "cable")}:{" "}
                <span class="mono">{bridge.ports.join(", ")}</span>
              </div>
            </dd>
          </>
        )}
      </dl>
    </section>
  );
}
