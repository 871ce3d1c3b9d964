// `npm start`: this example on a local port, with nothing to set up. Makes a secret, starts wrangler, and says where to look.
// Arguments go to `wrangler dev`; PORT chooses the port.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";

const FIRST_PORT = 8787;
const READY_WITHIN_MS = 60_000;
/** Names the server that uses the threads kept here: `{ pid, port }`. */
const RUNNING = ".wrangler/running.json";

process.chdir(import.meta.dirname);
/** False for a server that keeps its threads elsewhere. */
const isDefaultPlace = !process.argv.some((argument) => argument.startsWith("--persist-to"));
const require = createRequire(import.meta.url);
const wrangler = require.resolve("wrangler/package.json").replace("package.json", "bin/wrangler.js");

/** Signs cookies and tickets. Kept in .dev.vars, so that a restart knows its visitors; never printed. */
function ensureSecret() {
  if (existsSync(".dev.vars")) return;
  writeFileSync(".dev.vars", `CHATCELL_SECRET="${randomBytes(48).toString("base64")}"\n`, { mode: 0o600, flag: "wx" });
}

/** True when nobody listens there, on either address that `localhost` can mean. */
async function isFree(port) {
  if (!(port > 0 && port < 65_536)) return false;
  for (const host of ["127.0.0.1", "::1"]) {
    const server = createServer();
    const error = await new Promise((done) => {
      server.once("error", done);
      server.listen({ port, host }, () => server.close(() => done(null)));
    });
    // A machine without IPv6 says EADDRNOTAVAIL or EAFNOSUPPORT for ::1, which is no reason against the port.
    if (error?.code === "EADDRINUSE" || error?.code === "EACCES") return false;
  }
  return true;
}

async function choosePort() {
  const wanted = Number(process.env.PORT || FIRST_PORT);
  const last = process.env.PORT ? wanted : wanted + 100;
  for (let port = wanted; port <= last; port += 1) if (await isFree(port)) return port;
  console.error(
    `Port ${process.env.PORT || wanted} is taken or not a port. Choose another one, for example: PORT=${FIRST_PORT + 100} npm start`,
  );
  process.exit(1);
}

/**
 * The server that already runs on the threads kept here, or null. A second one would open the same objects a second time, and the
 * two would take the answers of each other for abandoned. Production never does that: there, an object exists once in the world.
 */
async function findRunning() {
  if (!isDefaultPlace || !existsSync(RUNNING)) return null;
  try {
    const running = JSON.parse(readFileSync(RUNNING, "utf8"));
    process.kill(running.pid, 0);
    return (await answers(running.port)) ? running : null;
  } catch {
    // ESRCH: it was ended without a chance to tidy up. Or the file was cut off in the same way.
    return null;
  }
}

/** wrangler in a process group of its own: its workerd outlives it unless the whole group is ended. */
function startWrangler(port) {
  const args = ["dev", "--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0", "--show-interactive-dev-session=false"];
  return spawn(process.execPath, [wrangler, ...args, "--log-level", "log", ...process.argv.slice(2)], {
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
    stdio: ["ignore", "pipe", "pipe"],
    detached: process.platform !== "win32",
  });
}

function endGroup(child, signal) {
  try {
    if (process.platform === "win32") spawn("taskkill", ["/pid", String(child.pid), "/t", "/f"]);
    else process.kill(-child.pid, signal);
  } catch {
    // ESRCH: it has ended already.
  }
}

async function answers(port) {
  return fetch(`http://127.0.0.1:${port}`, { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.ok,
    () => false,
  );
}

ensureSecret();
const running = await findRunning();
if (running) {
  console.log(`\nThis example is running already, as process ${running.pid}.\nOpen http://localhost:${running.port}`);
  process.exit(0);
}
const port = await choosePort();
const child = startWrangler(port);
if (isDefaultPlace) {
  mkdirSync(".wrangler", { recursive: true });
  writeFileSync(RUNNING, JSON.stringify({ pid: child.pid, port }));
}

// What wrangler says while it starts matters only when it fails. What comes later is the Worker's own output, beside a line for
// each request.
const REQUEST_LINE = /^\[wrangler:info\].*\n/gm;
let isReady = false;
let early = "";
for (const [from, to] of [
  [child.stdout, process.stdout],
  [child.stderr, process.stderr],
]) {
  from.on("data", (data) => {
    if (isReady) to.write(String(data).replace(REQUEST_LINE, ""));
    else early += data;
  });
}

let exitCode = null;
function stop(code) {
  exitCode ??= code;
  endGroup(child, "SIGTERM");
  // workerd may take its time with an answer under way. Everything is stored, so nothing is lost.
  setTimeout(() => endGroup(child, "SIGKILL"), 1_000);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop(0));
child.on("close", (code) => {
  if (exitCode === null && !isReady) process.stderr.write(early);
  endGroup(child, "SIGKILL");
  if (isDefaultPlace) rmSync(RUNNING, { force: true });
  process.exit(exitCode ?? code ?? 1);
});

const deadline = Date.now() + READY_WITHIN_MS;
while (!(await answers(port))) {
  if (Date.now() > deadline) {
    process.stderr.write(`${early}\nNothing answered on port ${port} within ${READY_WITHIN_MS / 1_000} seconds.\n`);
    stop(1);
    break;
  }
  await new Promise((done) => setTimeout(done, 100));
}
if (exitCode === null) {
  isReady = true;
  process.stdout.write(`\nOpen http://localhost:${port}\n`);
}
