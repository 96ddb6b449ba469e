import { defineConfig } from "vitest/config";

// The tests of the whole page: a real server, real containers, a real browser. One at a time,
// since they share the machine's two or so cores with the containers they start.
export default defineConfig({
  test: {
    include: [process.env.SCREENSHOTS ? "tests/screenshots.ts" : "tests/**/*.test.ts"],
    fileParallelism: false,
    // As in .config/nextest.toml: what needs a second try is reported, and is a bug.
    retry: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
