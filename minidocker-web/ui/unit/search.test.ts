import { expect, test } from "vitest";
import type { Container } from "../src/api/types.ts";
import { matches } from "../src/lib/search.ts";

const web: Container = {
  name: "web-1",
  status: "running",
  id: "39dcd9db2562",
  command: "python -m http.server",
  spec: {
    name: "web-1",
    command: "python -m http.server",
    env_vars: { MODE: "dev" },
    volumes: ["/srv:/app"],
  },
};

test.each([
  ["", true],
  ["WEB", true],
  ["39dc", true],
  ["http", true],
  ["web nothing", false],
  ["web python", true],
  ["status:running", true],
  ["status:stopped", false],
  ["image:host", true],
  ["env:mode", true],
  ["env:MODE=dev", true],
  ["env:MODE=prod", false],
  ["volume:/srv", true],
  ["name:http", false],
])("%s", (search, expected) => {
  expect(matches(web, search)).toBe(expected);
});

test("a damaged container is found by its name", () => {
  expect(matches({ name: "broken", status: "error" }, "brok")).toBe(true);
});
