// This example as a person starts it: through its npm scripts, on the built package, with its threads in a folder that is gone
// afterwards.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort, untilReady } from "../../../../test/browser/support/processes.ts";
import type { Server } from "../../../../test/browser/support/visitors.ts";

const EXAMPLE = path.resolve(import.meta.dirname, "../..");
const READY_WITHIN_MS = 170_000;
/** What each command says when its page can be opened. */
const READY = { dev: /Local:.*http/, preview: /Ready on http/ };

export type ServerCommand = keyof typeof READY;

export async function startServer(command: ServerCommand): Promise<Server> {
  if (!existsSync(path.join(EXAMPLE, "../../dist/index.js")))
    throw new Error("dist/ is missing: run `npm run build` in the root of the repository first.");
  const threads = mkdtempSync(path.join(tmpdir(), "chatcell-sveltekit-"));
  const [port, chatPort] = [await freePort(), await freePort()];
  const args = ["--persist-to", threads, ...(command === "preview" ? ["--port", String(port), "--inspector-port", "0"] : [])];
  const child = spawn("npm", ["run", command, "--", ...args], {
    cwd: EXAMPLE,
    env: {
      ...process.env,
      // Vitest says "test", and then Vite builds for tests.
      NODE_ENV: undefined,
      PORT: String(port),
      CHAT_PORT: String(chatPort),
      WRANGLER_REGISTRY_PATH: path.join(threads, "registry"),
      WRANGLER_SEND_METRICS: "false",
    },
    stdio: ["ignore", "pipe", "pipe"],
    // npm does not hand every signal on: all that it starts is in one group, which is ended as a whole.
    detached: true,
  });
  const end = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-child.pid!, signal);
    } catch {
      // ESRCH: it has ended already.
    }
  };
  // Also when the test run is broken off.
  process.once("exit", () => end("SIGTERM"));
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((done) => child.once("close", done));
      end("SIGTERM");
      await ended;
    }
    rmSync(threads, { recursive: true, force: true });
  };
  try {
    await untilReady(child, (output) => READY[command].test(output), READY_WITHIN_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return { origin: `http://localhost:${port}`, stop };
}
