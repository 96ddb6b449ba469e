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
  /** The parameters as they stand in the address: a path may be no text. */
  parameters: string;
}

export function parseHash(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const words = path.split("/").filter((word) => word !== "");
  return { path: words.map(decoded), query: new URLSearchParams(query), parameters: query };
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
  // At once: the browser tells of it later, and what comes next belongs to the new page.
  here.value = location.hash;
}

/** The parameters of the address, for a view that keeps its state there. */
export function useQuery(): URLSearchParams {
  return route.value.query;
}

/** Changes some of them; null takes one out. The history of the browser gets no new entry. */
export function setQuery(change: Record<string, string | null>): void {
  const { path, query } = parseHash(here.peek());
  for (const [key, value] of Object.entries(change)) {
    if (value === null) query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  history.replaceState(history.state, "", `${href(...path)}${text && `?${text}`}`);
  here.value = location.hash;
}
