import { fileURLToPath } from "node:url";
import { compile, compileModule } from "svelte/compiler";
import { configDefaults, defineConfig } from "vitest/config";

/** Compiles components, and modules with runes, for a page, or with `?server` for a server. */
const svelte = {
  name: "svelte",
  transform(code: string, id: string) {
    const [filename = "", query] = id.split("?");
    const options = { filename, generate: query === "server" ? "server" : "client", dev: true } as const;
    if (filename.endsWith(".svelte")) return compile(code, options).js;
    return /\.svelte\.[jt]s$/.test(filename) ? compileModule(code, options).js : undefined;
  },
};

/** In Node a class of an app lives in a simulated world, as with the export condition `node` of the package. */
const platform = { find: /^\.\/platform\.ts$/, replacement: fileURLToPath(new URL("src/session/platform-node.ts", import.meta.url)) };

/** Tests that need Svelte as bundlers resolve it for browsers. */
const IN_PAGE = "test/unit/svelte/page/**/*.test.ts";

export default defineConfig({
  plugins: [svelte],
  resolve: { alias: [platform] },
  test: {
    setupFiles: ["test/support/properties.ts"],
    provide: { propertySeed: Number(process.env.CHATCELL_SEED ?? 1) },
    // Property tests take their time on a slow machine.
    testTimeout: 20_000,
    projects: [
      { extends: true, test: { name: "unit", include: ["test/unit/**/*.test.ts"], exclude: [...configDefaults.exclude, IN_PAGE] } },
      {
        extends: true,
        resolve: { conditions: ["browser", "development"] },
        test: { name: "svelte", include: [IN_PAGE], environment: "jsdom", server: { deps: { inline: [/svelte/, "esm-env"] } } },
      },
    ],
  },
});
