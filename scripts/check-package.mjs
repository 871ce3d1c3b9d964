// Looks at the package as npm would publish it: publint, are-the-types-wrong, the shape of dist/, the exported names, and two
// small projects that use it from outside (TypeScript 6 and 7).
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { checkConsumers } from "./consumers.mjs";
import { ROOT, builtEntries } from "./public-entries.mjs";

builtEntries({ strict: true });
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "chatcell-package-"));
try {
  const tarball = pack(temporary);
  const results = [
    run("publint", "node_modules/publint/src/cli.js", [tarball, "--strict"]),
    run("attw", "node_modules/@arethetypeswrong/cli/dist/index.js", [
      tarball,
      "--profile",
      "esm-only",
      "--format",
      "table",
      "--no-summary",
      "--no-emoji",
      "--no-color",
    ]),
    run("dist", "scripts/check-dist.mjs", []),
    run("exports", "scripts/check-exports.mjs", []),
    checkConsumers(temporary, tarball),
  ];
  if (results.includes(false)) process.exitCode = 1;
} finally {
  fs.rmSync(temporary, { recursive: true, force: true });
}

/** @returns {string} the tarball of the package as it is now; dist/ is not built again. */
function pack(directory) {
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", directory];
  const packed = JSON.parse(execFileSync("npm", args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  const [{ filename, size, files }] = Array.isArray(packed) ? packed : Object.values(packed);
  console.log(`package: ${files.length} files, ${size} bytes packed`);
  return path.join(directory, filename);
}

/** @returns {boolean} */
function run(name, script, args) {
  const { status } = spawnSync(process.execPath, [path.join(ROOT, script), ...args], { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) console.error(`package: ${name} failed`);
  return status === 0;
}
