// Type-checks every part of the repository under the types of the platform that it runs on. With names of tsconfig files as
// arguments, only those.
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = path.join(root, "node_modules/typescript/bin/tsc");
const PARALLEL = 2;

const projects = process.argv.length > 2 ? process.argv.slice(2) : allProjects();

function allProjects() {
  const examples = fs.existsSync(path.join(root, "examples")) ? fs.readdirSync(path.join(root, "examples")) : [];
  return [
    "tsconfig.json",
    "tsconfig.browser.json",
    "tsconfig.testing.json",
    "scripts/tsconfig.json",
    "test/tsconfig.json",
    "test/tsconfig.dom.json",
    "test/browser/tsconfig.json",
    ...examples
      .flatMap((name) => ["", "page/", "src/", "worker/", "test/"].map((folder) => `examples/${name}/${folder}tsconfig.json`))
      .filter((file) => fs.existsSync(path.join(root, file))),
  ];
}

/**
 * Where the types of two platforms overlap, only the files of the project itself are judged: what they import from src/ is
 * checked by its own project, and a merged `setTimeout` would make errors there that no user has.
 */
const JUDGED = {
  "tsconfig.testing.json": /^src\/(testing|entries)\//,
  "test/tsconfig.json": /^test\//,
  "test/tsconfig.dom.json": /^test\/(unit\/(react|vue|svelte|ai-sdk)|types|support)\//,
  "test/browser/tsconfig.json": /^test\//,
};

/** Each error with its indented lines of explanation. @returns {string[]} */
const errorsOf = (output) => output.split(/\n(?=\S)/).filter((text) => text.includes("error TS"));

/** @returns {Promise<boolean>} */
function check(project) {
  const started = Date.now();
  return new Promise((done) => {
    execFile(
      process.execPath,
      [tsc, "-p", project, "--noEmit", "--pretty", "false"],
      { cwd: root, maxBuffer: 1 << 26 },
      (error, stdout) => {
        // TS18003: the folder has no files yet, or no longer.
        const isEmpty = stdout.includes("error TS18003");
        // An error without a file (a wrong option) is always ours.
        const errors = errorsOf(stdout).filter((text) => !JUDGED[project] || text.startsWith("error") || JUDGED[project].test(text));
        const ok = isEmpty || (errors.length === 0 && (!error || stdout.includes("error TS")));
        console.log(`types: ${project} ${isEmpty ? "has no files" : ok ? "ok" : "failed"} (${Date.now() - started} ms)`);
        if (!ok) console.error(errors.join("\n").trimEnd() || error?.message);
        done(ok);
      },
    );
  });
}

const waiting = [...projects];
let failed = 0;
const work = async () => {
  for (let project = waiting.shift(); project; project = waiting.shift()) if (!(await check(project))) failed += 1;
};
await Promise.all(Array.from({ length: PARALLEL }, work));
if (failed > 0) process.exitCode = 1;
