// How src/entries becomes dist. Run it through `npm run build`: scripts/build.mjs also fails on tsup's warnings that matter.
import fs from "node:fs";
import path from "node:path";
import { defineConfig, type Options } from "tsup";

// One entry file per public import path; a path whose file is not there is left out, and `check:package` then reports it.
const entries = Object.fromEntries(
  ["index", "client", "protocol", "demo", "testing", "react", "vue", "svelte", "ai-sdk"]
    .map((name) => [name, ["ts", "tsx"].map((ext) => `src/entries/${name}.${ext}`).find((file) => fs.existsSync(file))])
    .filter((pair): pair is [string, string] => pair[1] !== undefined),
);

/** The entry of `chatcell` in Node is made of this file; see `nodeEntry`. */
const NODE_PLATFORM = path.resolve("src/session/platform-node.ts");
/** What depends on the platform, and so is built once for each. Everything else is shared. */
const PLATFORM_BOUND = ["src/entries/index.ts", "src/session/chat-session-object.ts"];

/**
 * Builds dist/index.node.js: the entry `index` once more, with session/platform-node.ts in the place of session/platform.ts.
 * It is the condition `node` of `chatcell`, where `cloudflare:workers` does not exist.
 */
const nodeEntry: NonNullable<Options["esbuildPlugins"]>[number] = {
  name: "node-entry",
  setup(build) {
    build.onResolve({ filter: /./ }, ({ kind, path: name }) =>
      kind === "entry-point" && path.resolve(name) === NODE_PLATFORM ? { path: PLATFORM_BOUND[0], namespace: "node-entry" } : undefined,
    );
    build.onResolve({ filter: /^\./, namespace: "node-entry" }, ({ resolveDir, path: name }) => {
      const file = path.resolve(resolveDir, name);
      // Relative: the path stands in a comment of what is published.
      const bound = PLATFORM_BOUND.find((one) => path.resolve(one) === file);
      if (bound) return { path: bound, namespace: "node-entry" };
      return { path: name === "./platform.ts" ? NODE_PLATFORM : file, namespace: "file" };
    });
    build.onLoad({ filter: /./, namespace: "node-entry" }, ({ path: file }) => ({
      contents: fs.readFileSync(file, "utf8"),
      loader: "ts",
      resolveDir: path.resolve(path.dirname(file)),
      watchFiles: [path.resolve(file)],
    }));
  },
};

/** Imports of a chunk for nothing but its effects, which it has none of: the bundler of an app would warn of each. */
const withoutBareImports: NonNullable<Options["plugins"]>[number] = {
  name: "without-bare-imports",
  renderChunk: (code) => ({ code: code.replaceAll(/^import "\.\/chunk-[^"]+";\n/gm, "") }),
};

export default defineConfig({
  entry: { ...entries, "index.node": path.relative(".", NODE_PLATFORM) },
  format: "esm",
  target: "es2023",
  platform: "neutral",
  // Types and code are built in one pass for all entries, so that a type shared by two entries is one type for the user.
  // The checker runs in `check:types`, once per platform; here only declarations are wanted, so libs may overlap.
  tsconfig: "tsconfig.build.json",
  dts: { entry: entries },
  // Splitting keeps what is imported by `import()` (src/history/ai-runtime.ts) in a file of its own.
  splitting: true,
  // Constants are put in where they are used, which the bundler of an app could not do across files. Names stay readable.
  esbuildOptions: (options) => {
    options.minifySyntax = true;
  },
  // `node:sqlite` has no name without the prefix.
  removeNodeProtocol: false,
  clean: true,
  esbuildPlugins: [nodeEntry],
  plugins: [withoutBareImports],
  sourcemap: false,
  external: [/^cloudflare:/, /^node:/, "ai", /^ai\//, "zod", /^zod\//, "react", "vue", "svelte", /^svelte\//],
});
