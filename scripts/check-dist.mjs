// Holds what the shape of dist/ promises to bundlers: `ai` is imported by one small file, which is loaded only by `import()`.
// A static way to it would put all of `ai` into the start-up of every Worker. And `chatcell` in Node reaches no other platform.
import fs from "node:fs";
import path from "node:path";
import { importsOf } from "./check-boundaries.mjs";
import { ROOT, builtEntries } from "./public-entries.mjs";

builtEntries();
const dist = path.join(ROOT, "dist");
const imports = new Map(
  fs
    .readdirSync(dist)
    .filter((name) => name.endsWith(".js"))
    .map((name) => [name, importsOf(name, fs.readFileSync(path.join(dist, name), "utf8"))]),
);
const runtimes = [...imports].filter(([, found]) => found.some(({ specifier }) => /^ai(\/|$)/.test(specifier))).map(([name]) => name);
const problems = [];
const expected = fs.existsSync(path.join(ROOT, "src/history/ai-runtime.ts")) ? 1 : 0;
if (runtimes.length !== expected) problems.push(`${expected} file may import "ai", found ${runtimes.length}: ${runtimes.join(", ")}`);
for (const [name, found] of imports)
  for (const { specifier, lazy } of found) {
    if (runtimes.includes(specifier.replace("./", "")) && !lazy) problems.push(`${name} imports ${specifier} statically`);
    if (specifier === "ai" && lazy) problems.push(`${name} has import("ai"), which makes bundlers keep all of it`);
  }
problems.push(...nodeProblems());
for (const problem of problems) console.error(`dist: ${problem}`);
console.log(`dist: ${imports.size} files, ${problems.length} problems`);
if (problems.length > 0) process.exitCode = 1;

/** What is wrong with the build for the condition `node`, if anything. */
function nodeProblems() {
  const conditions = JSON.parse(fs.readFileSync(path.join(ROOT, "package.json"), "utf8")).exports["."];
  const { node, ...others } = conditions;
  const order = Object.keys(conditions);
  const found = [];
  // The first condition that holds wins, and those of a Worker may hold beside `node`.
  for (const condition of ["workerd", "worker", "browser"]) {
    if (!(order.indexOf(condition) < order.indexOf("node")) || others[condition] !== others.default)
      found.push(`package.json: "${condition}" of "." must be ${others.default} and stand before "node"`);
  }
  const reached = new Set([path.basename(node)]);
  for (const name of reached) {
    for (const { specifier } of imports.get(name) ?? []) {
      if (specifier.startsWith("./")) reached.add(specifier.slice(2));
      if (/^(cloudflare|node):/.test(specifier)) found.push(`${name}, which ${node} reaches, imports ${specifier}`);
    }
  }
  if (!imports.has(path.basename(node))) found.push(`${node} is not there`);
  return found;
}
