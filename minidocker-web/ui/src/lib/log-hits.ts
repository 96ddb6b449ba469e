/** The lines of a growing log in which something is found. */
import type { LogLine } from "../api/types.ts";
import { type Entry, found } from "./log-buffer.ts";

/** Only what is new is searched, and what has grown since. */
export class LogHits {
  private search: RegExp | null = null;
  private which = "";
  private hits: Entry[] = [];
  /** The number of the first line that is not searched yet. */
  private next = 0;
  /** The last line of each stream that was not complete. */
  private readonly growing = new Map<LogLine["stream"], Entry>();

  /** `which` says by what the lines were chosen: with other lines it starts over. */
  of(entries: Entry[], which: string, search: RegExp): Entry[] {
    if (search !== this.search || which !== this.which) {
      this.search = search;
      this.which = which;
      this.hits = [];
      this.next = 0;
      this.growing.clear();
    }
    const first = entries[0]?.number ?? Number.POSITIVE_INFINITY;
    const hits = this.hits.filter(({ number }) => number >= first);
    for (const [stream, entry] of this.growing) {
      if (entry.number >= first) searchAgain(entry, search, hits);
      if (!entry.open) this.growing.delete(stream);
    }
    for (const entry of entries.slice(this.firstNew(entries))) {
      if (found(entry, search)) hits.push(entry);
      if (entry.open) this.growing.set(entry.stream, entry);
      else this.growing.delete(entry.stream);
      this.next = entry.number + 1;
    }
    this.hits = hits;
    return hits;
  }

  private firstNew(entries: Entry[]): number {
    let at = entries.length;
    while (at > 0 && entries[at - 1]!.number >= this.next) at -= 1;
    return at;
  }
}

/** Puts a line among those that are found, or takes it out. */
function searchAgain(entry: Entry, search: RegExp, hits: Entry[]): void {
  const at = hits.indexOf(entry);
  const is = found(entry, search);
  if (is && at < 0) {
    const after = hits.findIndex(({ number }) => number > entry.number);
    hits.splice(after < 0 ? hits.length : after, 0, entry);
  } else if (!is && at >= 0) {
    hits.splice(at, 1);
  }
}
