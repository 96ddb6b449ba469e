/**
 * Paths of files, which may be any bytes. A byte that is no text is kept as Python does it: as a
 * character of its own, U+DC00 and the byte. So a path is a string that can be joined and split,
 * and in an address each such character becomes its byte again.
 */

const ESCAPED = /[\uDC80-\uDCFF]/gu;

/** The path as a person sees it. */
export function shown(path: string): string {
  return path.replace(ESCAPED, "\uFFFD");
}

/** The path as a part of an address. */
export function encoded(path: string): string {
  return path
    .split(/([\uDC80-\uDCFF])/u)
    .map((part) =>
      /^[\uDC80-\uDCFF]$/u.test(part)
        ? `%${(part.charCodeAt(0) - 0xdc00).toString(16).toUpperCase()}`
        : encodeURIComponent(part.replace(/\p{Surrogate}/gu, "\uFFFD")),
    )
    .join("");
}

/** What a part of an address stands for. */
export function decoded(text: string): string {
  return text
    .replaceAll("+", " ")
    .split(/((?:%[0-9a-fA-F]{2})+)/)
    .map((part, i) => (i % 2 === 0 ? part : fromBytes(part)))
    .join("");
}

/** The name of a file in its folder, whatever its bytes are. */
export function rawName(file: { name: string; name_bytes?: string }): string {
  return file.name_bytes === undefined ? file.name : decoded(file.name_bytes);
}

/** A parameter of an address. */
export function parameter(query: string, name: string): string | null {
  const pair = query.split("&").find((pair) => pair.split("=", 1)[0] === name);
  return pair === undefined ? null : decoded(pair.slice(name.length + 1));
}

function fromBytes(escapes: string): string {
  const bytes = Uint8Array.from(escapes.slice(1).split("%"), (digits) =>
    Number.parseInt(digits, 16),
  );
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const [character, length] = next(bytes, at, utf8);
    text += character;
    at += length;
  }
  return text;
}

/** The next character, and how many bytes it has. */
function next(bytes: Uint8Array, at: number, utf8: TextDecoder): [string, number] {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length += 1) {
    try {
      return [utf8.decode(bytes.subarray(at, at + length)), length];
    } catch {
      // Not yet a whole character, or none.
    }
  }
  return [String.fromCharCode(0xdc00 + (bytes[at] ?? 0)), 1];
}
