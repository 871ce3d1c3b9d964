// `npm run dev`: the chat Worker and the Next app beside each other, with nothing to set up. Makes the secrets of both, starts both,
// and ends both. Arguments go to `wrangler dev`; PORT and CHAT_PORT choose the ports.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import path from "node:path";

const READY_WITHIN_MS = 90_000;

process.chdir(import.meta.dirname);
const require = createRequire(import.meta.url);
/** The program `bin` of an installed package. */
const programOf = (name, bin) => path.join(path.dirname(require.resolve(`${name}/package.json`)), bin);

const read = (file) => (existsSync(file) ? readFileSync(file, "utf8") : "");
const newSecret = () => randomBytes(48).toString("base64url");

/** Adds what a file of secrets lacks: a restart knows its visitors. Nothing is ever printed. */
function complete(file, secrets) {
  const held = read(file);
  const lines = Object.entries(secrets).filter(([name]) => !held.includes(`${name}=`));
  if (lines.length === 0) return;
  const start = held === "" || held.endsWith("\n") ? "" : "\n";
  appendFileSync(file, `${start}${lines.map(([name, secret]) => `${name}="${secret}"\n`).join("")}`, { mode: 0o600 });
}

function ensureSecrets() {
  const [ofWorker, ofApp] = ["worker/.dev.vars", ".env.local"];
  // What the app signs, the Worker verifies: the one secret that both have.
  const shared = /^CHAT_TOKEN_SECRET="?([^"\s]+)/m.exec(`${read(ofWorker)}\n${read(ofApp)}`)?.[1] ?? newSecret();
  complete(ofWorker, { CHATCELL_SECRET: newSecret(), CHAT_TOKEN_SECRET: shared });
  complete(ofApp, { VISITOR_SECRET: newSecret(), CHAT_TOKEN_SECRET: shared });
}

/** True when nobody listens there, on any address that `localhost` can mean. */
async function isFree(port) {
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

/** The port that the environment asks for, else the first free one. */
async function choosePort(name, first) {
  const wanted = Number(process.env[name] || first);
  const last = process.env[name] ? wanted : wanted + 100;
  for (let port = wanted; port <= last; port += 1) if (port > 0 && port < 65_536 && (await isFree(port))) return port;
  console.error(`Port ${process.env[name] || wanted} is taken or not a port. Choose another one: ${name}=${first + 100} npm run dev`);
  process.exit(1);
}

/** In a process group of its own: what it starts outlives it unless the whole group is ended. */
function start(program, args, env, output) {
  return spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", output, output],
    detached: process.platform !== "win32",
  });
}

/** What wrangler says while it starts matters only when it fails; what comes later is the Worker's own. */
function showLater(child) {
  let early = "";
  let isReady = false;
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ])
    from.on("data", (data) => (isReady ? to.write(data) : (early += data)));
  child.on("close", () => process.stderr.write(early));
  return () => ((isReady = true), (early = ""));
}

function endGroup(child, signal) {
  try {
    if (process.platform === "win32") spawn("taskkill", ["/pid", String(child.pid), "/t", "/f"]);
    else process.kill(-child.pid, signal);
  } catch {
    // ESRCH: it has ended already.
  }
}

const answers = (url) =>
  fetch(url, { signal: AbortSignal.timeout(30_000) }).then(
    ({ status }) => status < 500,
    () => false,
  );

ensureSecrets();
const port = await choosePort("PORT", 3000);
const chatPort = await choosePort("CHAT_PORT", 8787);
// A page is of one origin by its name: `localhost` and 127.0.0.1 are two.
const appOrigin = `http://localhost:${port}`;
const chatUrl = `http://127.0.0.1:${chatPort}/chat`;

const wranglerArgs = ["dev", "--config", "worker/wrangler.jsonc", "--ip", "127.0.0.1", "--port", String(chatPort)];
wranglerArgs.push("--inspector-port", "0", "--show-interactive-dev-session=false", "--log-level", "warn");
wranglerArgs.push("--var", `APP_ORIGIN:${appOrigin}`, ...process.argv.slice(2));
const worker = start(programOf("wrangler", "bin/wrangler.js"), wranglerArgs, { WRANGLER_SEND_METRICS: "false" }, "pipe");
const showWorker = showLater(worker);
const nextEnv = { NEXT_PUBLIC_CHAT_URL: chatUrl, NEXT_TELEMETRY_DISABLED: "1" };
const app = start(programOf("next", "dist/bin/next"), ["dev", "--port", String(port)], nextEnv, "inherit");
const children = [worker, app];

let exitCode = null;
let running = children.length;
function stop(code) {
  if (exitCode !== null) return;
  exitCode = code;
  for (const child of children) endGroup(child, "SIGTERM");
  // workerd may take its time with an answer under way. Everything is stored, so nothing is lost.
  setTimeout(() => children.forEach((child) => endGroup(child, "SIGKILL")), 1_000);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop(0));
for (const child of children) {
  child.on("close", (code) => {
    endGroup(child, "SIGKILL");
    // One without the other is of no use.
    stop(code ?? 1);
    running -= 1;
    if (running === 0) process.exit(exitCode);
  });
}

const deadline = Date.now() + READY_WITHIN_MS;
const isReady = async () => (await Promise.all([answers(chatUrl), answers(appOrigin)])).every(Boolean);
while (exitCode === null && !(await isReady())) {
  if (Date.now() > deadline) {
    console.error(`Nothing answered on the ports ${port} and ${chatPort} within ${READY_WITHIN_MS / 1_000} seconds.`);
    stop(1);
  }
  await new Promise((done) => setTimeout(done, 100));
}
if (exitCode === null) {
  showWorker();
  console.log(`\nOpen ${appOrigin}\n`);
}
