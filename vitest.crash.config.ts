// Tests that start real processes, SIGKILL them and start them again on the same storage. Two files at
// a time: one of them waits for leases most of its time. CHATCELL_CRASHES=200: so many kills in each of the two matrices;
// CHATCELL_SEED: the ones of a run that failed; CHATCELL_LONG=1: also the turn that nobody watches for two and a half minutes.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    name: "crash",
    include: ["test/crash/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
  },
});
