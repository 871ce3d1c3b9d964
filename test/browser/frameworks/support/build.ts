// Bundles the pages as an app would: each framework with its own compiler, React also as its development build, where StrictMode
// mounts, unmounts and mounts again.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { build, type Plugin } from "esbuild";
import { compile, compileModule } from "svelte/compiler";
import { compileScript, parse } from "vue/compiler-sfc";

const PAGES = path.resolve(import.meta.dirname, "../pages");

/** The pages of each folder, by what their addresses say. */
export const FRAMEWORKS = ["react", "react-strict", "vue", "svelte"] as const;

const svelte: Plugin = {
  name: "svelte",
  setup({ onLoad }) {
    onLoad({ filter: /\.svelte$/ }, async ({ path: filename }) => {
      const { js, warnings } = compile(await readFile(filename, "utf8"), { filename, generate: "client" });
      return { contents: js.code, warnings: warnings.map(({ message }) => ({ text: message })) };
    });
    onLoad({ filter: /\.svelte\.js$/ }, async ({ path: filename }) => ({
      contents: compileModule(await readFile(filename, "utf8"), { filename, generate: "client" }).js.code,
    }));
  },
};

const vue: Plugin = {
  name: "vue",
  setup({ onLoad }) {
    onLoad({ filter: /\.vue$/ }, async ({ path: filename }) => {
      const { descriptor, errors } = parse(await readFile(filename, "utf8"), { filename });
      if (errors.length > 0) throw new AggregateError(errors, `${filename} is no component`);
      const { content } = compileScript(descriptor, { id: path.basename(filename), inlineTemplate: true });
      return { contents: content, loader: "ts", resolveDir: path.dirname(filename) };
    });
  },
};

/** Bundles `entries` (name of the page → file) into `outdir`. */
async function bundle(entries: Record<string, string>, outdir: string, mode: "development" | "production"): Promise<void> {
  await build({
    entryPoints: entries,
    outdir,
    bundle: true,
    format: "esm",
    target: "es2023",
    minify: mode === "production",
    jsx: "automatic",
    conditions: ["svelte", "module", mode],
    define: {
      "process.env.NODE_ENV": JSON.stringify(mode),
      __VUE_OPTIONS_API__: "false",
      __VUE_PROD_DEVTOOLS__: "false",
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
    },
    plugins: [svelte, vue],
    logLevel: "warning",
    // Said of the built package only because it is not in a folder node_modules here.
    logOverride: { "ignored-bare-import": "silent" },
  });
}

/** Builds the pages of a folder, each at the address `/<name>`, and an empty one at `/`. */
export async function buildPages(folder: "use-chat" | "bindings", outdir: string): Promise<void> {
  const file = (name: string): string => path.join(PAGES, folder, name);
  await mkdir(outdir, { recursive: true });
  await Promise.all([
    bundle({ react: file("react.tsx"), vue: file("vue.ts"), svelte: file("svelte.ts") }, outdir, "production"),
    bundle({ "react-strict": file("react.tsx") }, outdir, "development"),
    writeFile(path.join(outdir, "index.html"), html("")),
    ...FRAMEWORKS.map((name) => writeFile(path.join(outdir, `${name}.html`), html(`<script type="module" src="/${name}.js"></script>`))),
  ]);
}

function html(script: string): string {
  const head = `<meta charset="utf-8" /><title>Chat</title><link rel="icon" href="data:," />`;
  return `<!doctype html><html lang="en"><head>${head}</head><body><main id="app"></main>${script}</body></html>`;
}
