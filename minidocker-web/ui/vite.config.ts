import { defineConfig } from "vitest/config";

// MINIDOCKER_UI_OUT is set by build.rs: what is built goes to cargo's own folder.
export default defineConfig({
  base: "/",
  build: {
    outDir: process.env.MINIDOCKER_UI_OUT ?? "../../target/ui",
    emptyOutDir: true,
    target: "es2022",
    // Small images would become data: URLs in the style sheet, and fonts may not be that.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
    reportCompressedSize: false,
  },
  test: { include: ["unit/**/*.test.ts"] },
});
