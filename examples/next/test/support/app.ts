// The example as a person starts it: app and Worker through dev.mjs, on free ports, with threads in a folder that is gone afterwards.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort, untilReady } from "../../../../test/browser/support/processes.ts";
import type { Server } from "../../../../test/browser/support/visitors.ts";

const EXAMPLE = path.resolve(import.meta.dirname, "../..");
const READY_WITHIN_MS = 100_000;

export interface App extends Server {
  readonly chatUrl: string;
  /** A secret of the app, as dev.mjs made it. */
  secret(name: string): string;
}

export async function startApp(): Promise<App> {
  if (!existsSync(path.join(EXAMPLE, "../../dist/index.js")))
    throw new Error("dist/ is missing: run `npm run build` in the root of the repository first.");
  const threads = mkdtempSync(path.join(tmpdir(), "chatcell-next-"));
  const [port, chatPort] = [await freePort(), await freePort()];
  // Not the settings of vitest: Next does not know NODE_ENV=test.
  const { NODE_ENV: _test, ...env } = process.env;
  const child = spawn(process.execPath, [path.join(EXAMPLE, "dev.mjs"), "--persist-to", threads], {
    env: { ...env, PORT: String(port), CHAT_PORT: String(chatPort) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // Also when the test run is broken off.
  process.once("exit", () => child.kill("SIGTERM"));
  /** Ends it as Ctrl-C does. */
  const stop = async () => {
    if (child.exitCode === null) {
      const ended = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      await ended;
    }
    rmSync(threads, { recursive: true, force: true });
  };
  try {
    await untilReady(child, (output) => output.includes("Open http://"), READY_WITHIN_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    origin: `http://localhost:${port}`,
    chatUrl: `http://127.0.0.1:${chatPort}/chat`,
    secret: (name) => new RegExp(`^${name}="(.+)"$`, "m").exec(readFileSync(path.join(EXAMPLE, ".env.local"), "utf8"))![1]!,
    stop,
  };
}
