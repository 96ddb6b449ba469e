/** Published ports: in words, as addresses of pages, and as Docker would write them. */
import type { PublishedPort } from "../api/types.ts";

const ANY = ["0.0.0.0", "::"];

/** `127.0.0.1:8080 → 80/tcp`. */
export function portWords({ host_ip, host_port, container_port, protocol }: PublishedPort): string {
  return `${bracketed(host_ip)}:${host_port} → ${container_port}/${protocol}`;
}

/**
 * Where a browser finds what listens behind a port; null for UDP.
 *
 * `page` is the host name that the dashboard itself was opened at. A browser sends cookies to
 * all ports of a name, so of the two names of this machine the other one is taken: what runs
 * in a container has no business with the dashboard's cookie.
 */
export function portUrl(port: PublishedPort, page: string): string | null {
  if (port.protocol !== "tcp") return null;
  const local = page === "localhost" || page === "127.0.0.1" || page === "[::1]";
  const thisMachine = page === "localhost" ? "127.0.0.1" : "localhost";
  let host = bracketed(port.host_ip);
  if (port.host_ip === "127.0.0.1") host = thisMachine;
  else if (ANY.includes(port.host_ip)) host = local ? thisMachine : page;
  return `http://${host}:${port.host_port}`;
}

/** What is 127.0.0.1 when nothing is said here is every address there. */
export function dockerPort(text: string): string {
  const [places = "", protocol] = text.split("/", 2);
  const at = places.lastIndexOf(":");
  const container = places.slice(at + 1);
  const host = at < 0 ? "" : places.slice(0, at);
  const end = protocol === undefined ? "" : `/${protocol}`;
  if (host.includes(":")) return text;
  return `127.0.0.1:${host === "0" ? "" : host}:${container}${end}`;
}

function bracketed(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
