import { defineConfig } from "vitest/config";

// The tests of the whole page: a real server, real containers, a real browser. One at a time,
// since they share the machine's two or so cores with the containers they start.
export default defineConfig({
  test: {
    include: [process.env.SCREENSHOTS ? "tests/screenshots.ts" : "tests/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
