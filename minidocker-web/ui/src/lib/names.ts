/** Names for new containers. */
import { containers } from "../state.ts";

/** A name that no container has yet. */
export function freeName(name: string): string {
  if (!containers.value.has(name)) return name;
  for (let n = 2; ; n += 1) {
    if (!containers.value.has(`${name}-${n}`)) return `${name}-${n}`;
  }
}
