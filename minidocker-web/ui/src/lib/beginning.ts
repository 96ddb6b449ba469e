/** The beginning of a body of any length: what comes after it is not loaded. */

export interface Beginning {
  bytes: Uint8Array;
  /** Whether there is more than these. */
  more: boolean;
}

/** Reads up to `most` bytes, and cancels the rest. */
export async function beginningOf(
  body: ReadableStream<Uint8Array> | null,
  most: number,
): Promise<Beginning> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = body?.getReader();
  while (reader && length <= most) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    length += value.byteLength;
  }
  // Without this the server would go on sending, as fast as the browser takes it.
  if (length > most) await reader?.cancel();
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return { bytes: bytes.slice(0, most), more: length > most };
}
