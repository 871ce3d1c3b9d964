// Tests that run inside workerd, against the classes of test/workerd/worker.ts.
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [cloudflareTest({ wrangler: { configPath: "./test/workerd/wrangler.jsonc" } })],
  // One runtime for all files: each test has threads of its own, and a runtime for each file takes a third of the time.
  test: {
    name: "workerd",
    include: ["test/workerd/**/*.test.ts"],
    isolate: false,
    setupFiles: ["test/support/properties.ts"],
    provide: { propertySeed: Number(process.env.CHATCELL_SEED ?? 1) },
  },
});
