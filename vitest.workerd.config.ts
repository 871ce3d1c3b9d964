// Tests that run inside workerd, against the classes of test/workerd/worker.ts.
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [cloudflareTest({ wrangler: { configPath: "./test/workerd/wrangler.jsonc" } })],
  test: { name: "workerd", include: ["test/workerd/**/*.test.ts"] },
});
