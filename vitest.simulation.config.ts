// The session and the client in one process, on virtual time: thousands of random schedules. Run through scripts/simulate.mjs.
import { defineConfig } from "vitest/config";

const DAY_MS = 86_400_000;

export default defineConfig({
  test: {
    name: "simulation",
    include: ["test/simulation/**/*.test.ts"],
    maxWorkers: 2,
    testTimeout: DAY_MS,
    // Objects die in the middle of what they do: nobody is left then to hear of it.
    onUnhandledError: (error) => error.name !== "DeadIncarnation",
  },
});
