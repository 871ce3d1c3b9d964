// `npm run dev`: the page in `vite dev`, the chat in `wrangler dev` beside it, one Ctrl-C for both. PORT chooses the port of the
// page; the chat takes CHAT_PORT, else the next one. Arguments go to `wrangler dev`.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { createServer } from "vite";
import "./secret.mjs";

process.chdir(import.meta.dirname);
const port = Number(process.env.PORT || 5173);
const chatPort = Number(process.env.CHAT_PORT || port + 1);
// For vite.config.ts.
process.env.CHAT_PORT = String(chatPort);
// Where the page finds the chat for `platform.env`. A place of our own: no Worker of the same name elsewhere is taken for it.
process.env.WRANGLER_REGISTRY_PATH ??= path.resolve(".wrangler/registry");

// First, because it writes the tsconfig.json that wrangler reads and watches.
const page = await createServer({ server: { port, strictPort: true } });
await page.listen().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
const chat = startChat();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => end(0));
await untilAnswers();
page.printUrls();
page.bindCLIShortcuts({ print: true });

/** wrangler in a process group of its own: its workerd outlives it unless the whole group is ended. */
function startChat() {
  const wrangler = createRequire(import.meta.url)
    .resolve("wrangler/package.json")
    .replace("package.json", "bin/wrangler.js");
  // The class without the page, which vite serves: so nothing has to be built first.
  const args = ["dev", "src/chat.ts", "--assets", "static", "--ip", "127.0.0.1", "--port", String(chatPort), "--inspector-port", "0"];
  return spawn(process.execPath, [wrangler, ...args, "--show-interactive-dev-session=false", ...process.argv.slice(2)], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: process.platform !== "win32",
  });
}

/** What wrangler says before matters only when it fails. What comes later is the Worker's own output, beside a line per request. */
async function untilAnswers() {
  let isReady = false;
  let early = "";
  const hear = (data) => {
    if (isReady) process.stderr.write(String(data).replace(/^\[wrangler:info\].*\n/gm, ""));
    else early += data;
  };
  chat.stdout.on("data", hear);
  chat.stderr.on("data", hear);
  chat.once("close", (code) => {
    if (!isReady) process.stderr.write(early);
    end(code || 1);
  });
  while (!(await fetch(`http://127.0.0.1:${chatPort}`).catch(() => null))) await new Promise((done) => setTimeout(done, 100));
  isReady = true;
}

function end(code) {
  endGroup(chat);
  process.exit(code);
}

/** At once: whatever is under way is stored. */
function endGroup(child) {
  try {
    if (process.platform === "win32") spawn("taskkill", ["/pid", String(child.pid), "/t", "/f"]);
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // ESRCH: it has ended already.
  }
}
