// How src/entries becomes dist. Run it through `npm run build`: scripts/build.mjs also fails on tsup's warnings that matter.
import fs from "node:fs";
import { defineConfig } from "tsup";

// One entry file per public import path; a path whose file is not there is left out, and `check:package` then reports it.
const entries = Object.fromEntries(
  ["index", "client", "protocol", "demo", "testing", "react", "vue", "svelte", "ai-sdk"]
    .map((name) => [name, ["ts", "tsx"].map((ext) => `src/entries/${name}.${ext}`).find((file) => fs.existsSync(file))])
    .filter((pair): pair is [string, string] => pair[1] !== undefined),
);

export default defineConfig({
  entry: entries,
  format: "esm",
  target: "es2023",
  platform: "neutral",
  // Types and code are built in one pass for all entries, so that a type shared by two entries is one type for the user.
  // The checker runs in `check:types`, once per platform; here only declarations are wanted, so libs may overlap.
  tsconfig: "tsconfig.build.json",
  dts: true,
  // Splitting keeps what is imported by `import()` (src/history/ai-runtime.ts) in a file of its own.
  splitting: true,
  // `node:sqlite` has no name without the prefix.
  removeNodeProtocol: false,
  clean: true,
  sourcemap: false,
  external: [/^cloudflare:/, /^node:/, "ai", /^ai\//, "zod", /^zod\//, "react", "vue", "svelte", /^svelte\//],
});
