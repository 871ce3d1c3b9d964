// Bundles every public entry alone, minified, and holds its gzip size against size-limits.json (bytes; only ever lowered).
// What comes on top of chatcell/client is measured without the files that the client is made of, and the client once more as a
// page without client tools and a stored outbox bundles it.
// Also: the client bundle names no platform module and no runtime peer, and a size that the README quotes is true.
import fs from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { ROOT, builtEntries } from "./public-entries.mjs";

/** Entries that nobody loads without the client. */
const ON_TOP_OF_CLIENT = /^chatcell\/(react|vue|svelte|ai-sdk)$/;
/** Entries that run in browsers → what their bundle must not import. */
const BROWSER_ENTRIES = /^chatcell\/(client|react|vue|svelte|ai-sdk)$/;
const FORBIDDEN_IN_BROWSERS = /^(cloudflare:|node:|zod(\/|$)|ai(\/|$))/;
/** Entry → what a page imports of it that uses none of its options. */
const USUAL_IMPORTS = { "chatcell/client": ["createChatClient"] };
/** For example: "`chatcell/client` is 5.8 KB gzip". 1 KB = 1,024 bytes. */
const README_CLAIM = /(chatcell(?:\/[\w-]+)?)`?[^.\n]*?(\d+(?:\.\d+)?) ?K(?:i?)B gzip/g;

const limits = JSON.parse(fs.readFileSync(path.join(ROOT, "scripts/size-limits.json"), "utf8"));
const sizes = new Map();
const problems = [];

const entries = builtEntries();
const client = entries.find(({ specifier }) => specifier === "chatcell/client");

for (const { specifier, js, source } of entries) {
  const { text, metafile, ...whole } = await bundle(js);
  const { size } = client && ON_TOP_OF_CLIENT.test(specifier) ? await bundle(js, filesOf(await bundle(client.js))) : whole;
  await hold(specifier, size, source);
  const names = USUAL_IMPORTS[specifier];
  if (names) await hold(usual(specifier), (await bundle(js, undefined, names)).size, source, names);
  if (BROWSER_ENTRIES.test(specifier)) problems.push(...forbiddenImports(specifier, metafile, text));
}
for (const specifier of Object.keys(limits))
  if (!sizes.has(specifier)) problems.push(`size-limits.json names ${specifier}, which is no entry`);
problems.push(...readmeProblems());
for (const problem of problems) console.error(`size: ${problem}`);
if (problems.length > 0) process.exitCode = 1;

/** The name of what a page pays for an entry, which is what claims are about. */
function usual(specifier) {
  const names = USUAL_IMPORTS[specifier];
  return names ? `${specifier} { ${names.join(", ")} }` : specifier;
}

/** Notes the size of `what`, and whether it is within its limit. */
async function hold(what, size, source, names) {
  sizes.set(what, size);
  const limit = limits[what];
  console.log(`size: ${what} ${size} bytes gzip${limit === undefined ? "" : ` (limit ${limit})`}`);
  if (size > limit) {
    problems.push(`${what} is ${size} bytes gzip, ${size - limit} over its limit; minified, by file:${await byFile(source, names)}`);
  }
}

/** @param {Set<string>} [without] files, from the root, that are left out; @param {string[]} [names] exports, all by default */
async function bundle(file, without = new Set(), names) {
  const leaveOut = {
    name: "leave-out",
    setup: ({ onResolve }) =>
      onResolve({ filter: /^\./ }, ({ resolveDir, path: name }) => {
        const found = path.join(resolveDir, name);
        return without.has(path.relative(ROOT, found)) ? { path: found, external: true } : undefined;
      }),
  };
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export ${names ? `{ ${names.join(", ")} }` : "*"} from "./${file}";`, resolveDir: ROOT },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "neutral",
    target: "es2023",
    external: ["cloudflare:*", "node:*", "ai", "zod", "react", "vue", "svelte", "svelte/*"],
    plugins: [leaveOut],
    logLevel: "warning",
    // A chunk that only its exports are wanted of: what splitting leaves of the order of modules, and `sideEffects` allows to drop.
    logOverride: { "ignored-bare-import": "silent" },
  });
  const [output] = outputFiles;
  return { size: gzipSync(output?.contents ?? "", { level: 9 }).length, text: output?.text ?? "", metafile };
}

/** Every file in a bundle, from the root. */
function filesOf({ metafile }) {
  return new Set(Object.keys(metafile.inputs).map((file) => path.relative(ROOT, path.resolve(file))));
}

/** Where the bytes are, for whoever has to find them: the same bundle from src/. */
async function byFile(source, names) {
  const { metafile } = await bundle(source, undefined, names);
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const sorted = inputs.sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput).slice(0, 12);
  return sorted.map(([file, { bytesInOutput }]) => `\n  ${bytesInOutput} ${file}`).join("");
}

function forbiddenImports(specifier, metafile, text) {
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports.map(({ path: name }) => name));
  const found = imports.filter((name) => FORBIDDEN_IN_BROWSERS.test(name));
  // Also as plain text: a module name that is computed or required would escape the list of imports.
  if (text.includes("cloudflare:")) found.push("cloudflare:");
  return [...new Set(found)].map((name) => `${specifier} imports ${name}, which browsers do not have or should not load`);
}

function readmeProblems() {
  const file = path.join(ROOT, "README.md");
  if (!fs.existsSync(file)) return [];
  return [...fs.readFileSync(file, "utf8").matchAll(README_CLAIM)].flatMap(([text, specifier = "", claim]) => {
    const size = sizes.get(usual(specifier));
    const limit = limits[usual(specifier)] ?? Infinity;
    const claimed = Number(claim) * 1024;
    if (size === undefined) return [`README.md says "${text}", but ${specifier} is no entry`];
    return size <= claimed && claimed <= limit ? [] : [`README.md says "${text}", but it is ${size} bytes and its limit is ${limit}`];
  });
}
