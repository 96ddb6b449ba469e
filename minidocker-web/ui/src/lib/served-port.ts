/** The port at which a command obviously listens. */
import { splitWords } from "./words.ts";

/** Servers that beginners start, by their program or Python module, and their usual port. */
const USUAL: Record<string, number> = {
  "http.server": 8000,
  uvicorn: 8000,
  gunicorn: 8000,
  flask: 5000,
  jupyter: 8888,
  nginx: 80,
  httpd: 80,
  "redis-server": 6379,
  postgres: 5432,
};

/** Null unless it is plain to see; a wrong guess would mislead. */
export function servedPort(command: string | string[] | undefined): number | null {
  const words = Array.isArray(command) ? command : (splitWords(command ?? "") ?? []);
  const program = words.findIndex((word) => Object.hasOwn(USUAL, word.split("/").at(-1)!));
  if (program < 0) return null;
  const name = words[program]!.split("/").at(-1)!;
  const options = words.slice(program + 1);
  for (const [at, word] of options.entries()) {
    const [, inline] = /^(?:--port|--bind|-b)=(?:.*:)?(\d+)$/.exec(word) ?? [];
    if (inline) return port(inline);
    if (/^(-p|--port|-b|--bind)$/.test(word) && options[at + 1] !== undefined) {
      const [, given] = /^(?:.*:)?(\d+)$/.exec(options[at + 1]!) ?? [];
      // Of http.server, --bind takes an address and no port.
      if (given && !(name === "http.server" && word !== "-p")) return port(given);
    }
    if (name === "http.server" && /^\d+$/.test(word)) return port(word);
  }
  return USUAL[name]!;
}

function port(text: string): number | null {
  const number = Number(text);
  return number >= 1 && number <= 65_535 ? number : null;
}
