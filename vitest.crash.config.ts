// Tests that start real processes, SIGKILL them and start them again on the same storage: one at a time, and slow.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    name: "crash",
    include: ["test/crash/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
  },
});
