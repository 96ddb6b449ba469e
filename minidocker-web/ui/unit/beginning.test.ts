import { expect, test } from "vitest";
import { beginningOf } from "../src/lib/beginning.ts";

/** A body in these pieces, and what was taken of it. */
function bodyOf(pieces: Iterable<string>) {
  const taken = { pieces: 0, cancelled: false };
  const iterator = pieces[Symbol.iterator]();
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const { done, value } = iterator.next();
        if (done) return controller.close();
        taken.pieces += 1;
        controller.enqueue(new TextEncoder().encode(value));
      },
      cancel() {
        taken.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { body, taken };
}

function* endless() {
  for (;;) yield "x".repeat(100);
}

test("of a body without an end the beginning is read, and the rest is cancelled", async () => {
  const { body, taken } = bodyOf(endless());
  const { bytes, more } = await beginningOf(body, 250);
  expect([bytes.byteLength, more]).toEqual([250, true]);
  expect(taken).toEqual({ pieces: 3, cancelled: true });
});

test.each<[string[], string, boolean]>([
  [[], "", false],
  [["one ", "two"], "one two", false],
  [["1234567", ""], "1234567", false],
  [["1234567", "8"], "1234567", true],
  [["123", "456789"], "1234567", true],
])("of %j the first seven bytes are %j", async (pieces, text, more) => {
  const beginning = await beginningOf(bodyOf(pieces).body, 7);
  expect([new TextDecoder().decode(beginning.bytes), beginning.more]).toEqual([text, more]);
});

test("an answer without a body is empty", async () => {
  expect(await beginningOf(null, 7)).toEqual({ bytes: new Uint8Array(), more: false });
});
