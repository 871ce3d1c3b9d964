// Builds dist with tsup and turns the warnings that would break a user's types into failures.
import { spawn } from "node:child_process";
import fs from "node:fs";
import { fileURLToPath } from "node:url";

const FATAL = [
  // A public signature names a type that no entry exports: users with `declaration: true` would get TS2883.
  "private shared type exports",
];

const root = fileURLToPath(new URL("..", import.meta.url));
const cli = fileURLToPath(new URL("../node_modules/tsup/dist/cli-default.js", import.meta.url));

if (!fs.existsSync(`${root}/src/entries/index.ts`)) {
  console.error("build: src/entries/index.ts is missing, nothing to build");
  process.exit(1);
}

const child = spawn(process.execPath, [cli, ...process.argv.slice(2)], { cwd: root, stdio: ["inherit", "pipe", "pipe"] });
let output = "";
const tee = (from, to) =>
  from.on("data", (data) => {
    output += data;
    to.write(data);
  });
tee(child.stdout, process.stdout);
tee(child.stderr, process.stderr);
child.on("close", (code) => {
  const found = FATAL.filter((line) => output.includes(line));
  for (const line of found) console.error(`build: tsup warned about "${line}"; export the named types from a public entry`);
  process.exitCode = found.length > 0 ? 1 : (code ?? 1);
});
