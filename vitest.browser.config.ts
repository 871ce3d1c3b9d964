// Tests that drive a real Chromium through playwright-core: one at a time. CHROMIUM_PATH names another binary.
import { defineConfig } from "vitest/config";

/** Also of vitest.frameworks.config.ts. */
export default defineConfig({
  test: {
    name: "browser",
    include: ["test/browser/*.test.ts"],
    env: { CHROMIUM_PATH: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium" },
    pool: "forks",
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
  },
});
