// Bundles the page into dist/, from where the Worker's assets are served. wrangler.jsonc runs it before `dev` and `deploy`.
import { copyFile } from "node:fs/promises";
import { build } from "esbuild";

process.chdir(import.meta.dirname);
await build({
  entryPoints: ["page/main.ts", "page/style.css"],
  outdir: "dist",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: true,
  logLevel: "warning",
});
for (const file of ["index.html", "icon.svg", "_headers"]) await copyFile(`page/${file}`, `dist/${file}`);
