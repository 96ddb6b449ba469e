/**
 * The search of the list, as the server understands it too: words that must all be found, each
 * plain or `status:running`, `health:unhealthy`, `name:web`, `image:host`, `env:MODE=dev`,
 * `volume:/srv`. The plain words `healthy`, `unhealthy` and `oom` also find what is so.
 */
import type { Container } from "../api/types.ts";
import { is, isAlive } from "./condition.ts";

export function matches(container: Container, search: string): boolean {
  return search
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every((word) => matchesWord(container, word));
}

function matchesWord(container: Container, word: string): boolean {
  const { name, status, id = "", command = "", spec } = container;
  const image = spec?.image ?? "host";
  const has = (text: string, part: string) => text.toLowerCase().includes(part);
  const [, key, value = ""] = /^(status|health|name|image|env|volume):(.*)$/.exec(word) ?? [];
  switch (key) {
    case "status":
      return status.startsWith(value);
    case "health":
      return healthOf(container) === value;
    case "name":
      return has(name, value);
    case "image":
      return has(image, value);
    case "env":
      return Object.entries(spec?.env_vars ?? {}).some(([k, v]) =>
        value.includes("=") ? `${k}=${v}`.toLowerCase() === value : k.toLowerCase() === value,
      );
    case "volume":
      return (spec?.volumes ?? []).some((volume) => has(volume, value));
    default:
      return (
        has(name, word) ||
        id.startsWith(word) ||
        has(command, word) ||
        has(image, word) ||
        healthOf(container) === word ||
        (word === "oom" && is("oom", container))
      );
  }
}

function healthOf(container: Container): string | undefined {
  return isAlive(container) ? container.health?.status : undefined;
}
