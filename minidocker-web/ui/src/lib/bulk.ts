/** One action on any number of containers. The server takes 200 names in one request. */
import { api, type Problem, problemOf } from "../api/client.ts";
import type { BulkResult } from "../api/types.ts";

/** Small enough that progress is seen. */
const PIECE = 40;

export interface BulkOutcome {
  good: string[];
  bad: { name: string; message: string; hint: string | undefined }[];
  /** Why the rest was not tried, if the server stopped to answer. */
  problem: Problem | null;
  notTried: number;
}

type Send = (names: string[]) => Promise<{ results: BulkResult[] }>;

/** Sends the names piece by piece; `told` learns after each how many are done. */
export async function inPieces(
  names: string[],
  send: Send,
  told: (done: number) => void,
): Promise<BulkOutcome> {
  const outcome: BulkOutcome = { good: [], bad: [], problem: null, notTried: 0 };
  for (let from = 0; from < names.length; from += PIECE) {
    const piece = names.slice(from, from + PIECE);
    try {
      const { results } = await send(piece);
      for (const { name, ok, error } of results) {
        if (ok) outcome.good.push(name);
        else outcome.bad.push({ name, message: error?.message ?? "failed", hint: error?.hint });
      }
    } catch (error) {
      outcome.problem = problemOf(error);
      outcome.notTried = names.length - from;
      break;
    }
    told(from + piece.length);
  }
  return outcome;
}

export function sendBulk(action: string, force: boolean): Send {
  return (names) => api.bulk(action, names, force ? { force } : {});
}
