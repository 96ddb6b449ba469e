/** Where in the page we are: the part of the address after `#`. */
import { computed, signal } from "@preact/signals";

const here = signal(location.hash);

window.addEventListener("hashchange", () => {
  here.value = location.hash;
});

/** The words of the path, decoded, and its parameters. */
export const route = computed(() => parseHash(here.value));

export interface Route {
  path: string[];
  query: URLSearchParams;
}

export function parseHash(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const words = path.split("/").filter((word) => word !== "");
  return { path: words.map(decoded), query: new URLSearchParams(query) };
}

/** A wrong escape in an address is no reason to show nothing. */
function decoded(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}

export function href(...path: string[]): string {
  return `#/${path.map(encodeURIComponent).join("/")}`;
}

export function go(...path: string[]): void {
  location.hash = href(...path);
}
