/** A published port; behind one of TCP there may be a page, so it is a link. */
import type { PublishedPort } from "../api/types.ts";
import { portUrl, portWords } from "../lib/ports.ts";

export function PortLink({ port }: { port: PublishedPort }) {
  const address = portUrl(port, location.hostname);
  if (!address) return <span class="mono">{portWords(port)}</span>;
  return (
    <a
      class="mono port"
      href={address}
      target="_blank"
      rel="noopener noreferrer"
      title={`Port ${port.container_port} of the container; opens in a new tab`}
    >
      {address}
    </a>
  );
}

export function PortLinks({ ports }: { ports: PublishedPort[] }) {
  return (
    <>
      {ports.map((port) => (
        <div key={`${port.host_ip} ${port.host_port} ${port.protocol}`}>
          <PortLink port={port} />
        </div>
      ))}
    </>
  );
}
