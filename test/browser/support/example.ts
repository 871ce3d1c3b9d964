// examples/minimal as a person starts it: through its own start.mjs, on the built package, with its threads in a folder that is
// gone afterwards.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort, untilReady } from "./processes.ts";
import type { Server } from "./visitors.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const START = path.join(ROOT, "examples/minimal/start.mjs");
const READY_WITHIN_MS = 50_000;

/** A running example. One that was killed starts again on the same port, with the same threads. */
export class Example implements Server {
  readonly port: number;
  readonly #threads = mkdtempSync(path.join(tmpdir(), "chatcell-browser-"));
  readonly #args: readonly string[];
  #process: ChildProcess | null = null;

  private constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
  }

  get origin(): string {
    return `http://localhost:${this.port}`;
  }

  /** @param args more arguments for `wrangler dev` */
  static async start(args: readonly string[] = []): Promise<Example> {
    for (const file of ["dist/index.js", "dist/client.js", "dist/demo.js"]) {
      if (!existsSync(path.join(ROOT, file)))
        throw new Error(`${file} is missing: run \`npm run build\` in the root of the repository first.`);
    }
    const example = new Example(await freePort(), args);
    try {
      await example.start();
    } catch (error) {
      await example.stop();
      throw error;
    }
    return example;
  }

  /** Resolves when the page is served. */
  async start(): Promise<void> {
    const env = { ...process.env, PORT: String(this.port) };
    const child = spawn(process.execPath, [START, "--persist-to", this.#threads, ...this.#args], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    // Also when the test run is broken off: start.mjs ends wrangler with itself.
    process.once("exit", () => child.kill("SIGTERM"));
    await untilReady(child, (output) => output.includes("Open http://"), READY_WITHIN_MS);
  }

  /** SIGKILL for wrangler and its workerd, which start.mjs keeps in a process group of their own. Nothing can tidy up. */
  async kill(): Promise<void> {
    const starter = this.#process;
    if (!starter?.pid) throw new Error("The example is not running.");
    const groups = childrenOf(starter.pid);
    if (groups.length === 0) throw new Error("start.mjs has no child: where is wrangler?");
    const ended = exitOf(starter);
    for (const group of groups) process.kill(-group, "SIGKILL");
    await ended;
    this.#process = null;
  }

  /** Ends it as Ctrl-C does, and removes its threads. */
  async stop(): Promise<void> {
    const starter = this.#process;
    if (starter && starter.exitCode === null) {
      const ended = exitOf(starter);
      starter.kill("SIGTERM");
      await ended;
    }
    rmSync(this.#threads, { recursive: true, force: true });
  }
}

/** Pids of the processes whose parent is `pid`, as Linux keeps them. */
function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number);
}

/** The second field after the name, which stands in brackets and may hold anything. */
function parentOf(pid: string): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return null; // ENOENT or ESRCH: it ended while we looked.
  }
}

function exitOf(child: ChildProcess): Promise<void> {
  return new Promise((done) => child.once("exit", () => done()));
}
