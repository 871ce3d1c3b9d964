// The public entries of the package, read from the one place that users resolve them by: `exports` of package.json.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** @typedef {{ specifier: string; js: string; types: string; source: string }} Entry */

/** Every entry with code, in the order of package.json. Paths are relative to the root. @returns {Entry[]} */
export function publicEntries() {
  const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, "package.json"), "utf8"));
  return Object.entries(manifest.exports)
    .filter(([, target]) => typeof target === "object")
    .map(([key, target]) => {
      const js = path.posix.normalize(target.default);
      const name = path.posix.basename(js, ".js");
      return {
        specifier: path.posix.join(manifest.name, key),
        js,
        types: path.posix.normalize(target.types),
        source: `src/entries/${name}.ts`,
      };
    });
}

/**
 * The entries that are built. One whose source is missing is left out with a note (`strict`: ends the process), one that has a
 * source and is not built ends it with what to do.
 *
 * @returns {Entry[]}
 */
export function builtEntries({ strict = false } = {}) {
  const exists = (file) => fs.existsSync(path.join(ROOT, file));
  const entries = publicEntries();
  const missing = entries.filter(({ js, types }) => !exists(js) || !exists(types));
  const planned = strict ? [] : missing.filter(({ source }) => !exists(source));
  const unbuilt = missing.filter((entry) => !planned.includes(entry));
  const names = (list) => list.map(({ specifier, source }) => `${specifier} (${source})`).join(", ");
  if (planned.length > 0) console.log(`not there yet: ${names(planned)}`);
  if (unbuilt.length === 0) return entries.filter((entry) => !planned.includes(entry));
  console.error(`dist/ lacks ${names(unbuilt)}: run \`npm run build\`, or take the entry out of "exports" in package.json`);
  process.exit(1);
}
