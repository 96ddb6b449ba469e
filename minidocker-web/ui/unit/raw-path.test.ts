/** Paths that are no text are shown, joined, and put into addresses. */
import { expect, test } from "vitest";
import { decoded, encoded, parameter, rawName, shown } from "../src/lib/raw-path.ts";

test("bytes that are no text survive the way into an address and back", () => {
  for (const address of ["%2Fcaf%E9", "%2F%FF%FE%2Fx", "%2Fcaf%C3%A9%E9", "%F0%9F%82%80%80"]) {
    expect(encoded(decoded(address))).toBe(address);
  }
});

test("text stays what it is", () => {
  for (const text of ["/app/data", "/a b/100%/+", "/café/🂀🎉", "/\uFEFFx"]) {
    expect(decoded(encoded(text))).toBe(text);
    expect(shown(text)).toBe(text);
  }
  expect(decoded("%zz%4")).toBe("%zz%4");
});

test("a name is known by its bytes and shown as text", () => {
  const name = rawName({ name: "caf\uFFFD", name_bytes: "caf%E9" });
  expect(shown(`/odd/${name}`)).toBe("/odd/caf\uFFFD");
  expect(encoded(`/odd/${name}`)).toBe("%2Fodd%2Fcaf%E9");
  expect(rawName({ name: "plain" })).toBe("plain");
  expect(parameter(`changed=1&path=${encoded(`/odd/${name}`)}`, "path")).toBe(`/odd/${name}`);
  expect(parameter("changed=1", "path")).toBe(null);
});
