// Projects that use the packed package from a folder outside the repository, with declarations on: what they infer from our
// types must be nameable by them (TS2883), with TypeScript 6 and 7, and without `skipLibCheck` for our own declarations. One of
// them has tests of its own, which run in plain Node.
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { ROOT } from "./public-entries.mjs";

const FIXTURES = path.join(ROOT, "test/types/consumer");
const COMPILERS = {
  "TypeScript 6": path.join(ROOT, "node_modules/typescript/bin/tsc"),
  "TypeScript 7": path.join(ROOT, "test/types/consumer-ts7/node_modules/typescript/bin/tsc"),
};

/** @param {string} directory an empty place outside the repository @param {string} tarball @returns {boolean} */
export function checkConsumers(directory, tarball) {
  const project = path.join(directory, "consumer");
  const modules = path.join(project, "node_modules");
  fs.cpSync(FIXTURES, project, { recursive: true });
  fs.mkdirSync(path.join(modules, "chatcell"), { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "--strip-components=1", "-C", path.join(modules, "chatcell")]);
  for (const name of ["ai", "zod", "@cloudflare/workers-types", "react", "@types/react", "vue", "svelte", "@types/node", "vitest"]) {
    fs.mkdirSync(path.dirname(path.join(modules, name)), { recursive: true });
    fs.symlinkSync(path.join(ROOT, "node_modules", name), path.join(modules, name));
  }
  const platforms = fs.readdirSync(FIXTURES).filter((name) => name.startsWith("tsconfig."));
  const results = Object.entries(COMPILERS).flatMap(([name, tsc]) => platforms.map((config) => compile(name, tsc, project, config)));
  return ![...results, runTests(project)].includes(false);
}

/** The tests of a user in plain Node, without any plugin: `chatcell` is what the condition `node` gives. */
function runTests(project) {
  const vitest = path.join(ROOT, "node_modules/vitest/vitest.mjs");
  const { stdout, stderr, status } = spawnSync(process.execPath, [vitest, "run", "--root", project], { cwd: project, encoding: "utf8" });
  console.log(`consumer: vitest in Node ${status === 0 ? "ok" : "failed"}`);
  if (status !== 0) console.error(`${stdout}${stderr}`);
  return status === 0;
}

function compile(name, tsc, project, config) {
  const out = path.join(project, "out", `${name}-${config}`.replaceAll(/\W+/g, "-"));
  const args = [tsc, "-p", config, "--declaration", "--emitDeclarationOnly", "--outDir", out, "--pretty", "false"];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: project, encoding: "utf8" });
  // Libraries are checked too; errors in those of others are not ours to mend.
  const lines = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("error TS"));
  const ours = lines.filter((line) => !/node_modules[\\/](?!chatcell[\\/])/.test(line));
  const ok = status === 0 || (lines.length > 0 && ours.length === 0);
  console.log(`consumer: ${name}, ${config} ${ok ? "ok" : "failed"}`);
  if (!ok) console.error(ours.join("\n") || `${stdout}${stderr}`);
  return ok;
}
