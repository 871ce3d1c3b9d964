// The conformance suite on every transport and binding, in Node: see test/conformance. Cases of a file run at once.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** In Node a class of an app lives in a simulated world, as with the export condition `node` of the package. */
const platform = { find: /^\.\/platform\.ts$/, replacement: fileURLToPath(new URL("src/session/platform-node.ts", import.meta.url)) };

export default defineConfig({
  resolve: { alias: [platform] },
  test: {
    name: "conformance",
    include: ["test/conformance/**/*.test.ts"],
    maxWorkers: 2,
    maxConcurrency: 40,
    testTimeout: 180_000,
    hookTimeout: 60_000,
  },
});
