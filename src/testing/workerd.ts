// A real workerd process for tests that must see a real crash: SIGKILL, and a start on the same storage and the same port.
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ChatError } from "../errors.ts";
import { type Child, startChild } from "./child-process.ts";
import { formatWorkerdConfig } from "./workerd-config.ts";
import { bundleWorker, findWorkerd } from "./workerd-tools.ts";

/** Settings of {@link startWorkerd}. Exactly one of `entry` and `script` is given. */
export interface WorkerdOptions {
  /** Path or `file:` URL of the Worker's main module, TypeScript or JavaScript. Bundled with esbuild, once. */
  entry?: string | URL;
  /** The Worker as the text of one ES module that imports nothing but `cloudflare:` modules. Needs no esbuild. */
  script?: string;
  /** Durable Object bindings: name of the binding → name of the class. Every class gets SQLite. */
  objects: Readonly<Record<string, string>>;
  /** Text bindings. */
  vars?: Readonly<Record<string, string>>;
  /**
   * Service bindings to HTTP servers outside of the process, each as `host:port`: for a test that plays what the Worker calls, and
   * must outlive a crash. Nothing else on this machine can be reached from the Worker.
   */
  services?: Readonly<Record<string, string>>;
  /** @default "2026-10-12" */
  compatibilityDate?: string;
  compatibilityFlags?: readonly string[];
  /** Directory of the objects' SQLite; kept by `stop`. By default a temporary one, which `stop` removes. */
  storage?: string;
  /** Longest time for one start, in ms. @default 15_000 */
  timeoutMs?: number;
}

/** A workerd process, or where one was. Ends with its parent at the latest; `await using` stops it. */
export interface WorkerdProcess {
  /** `http://127.0.0.1:<port>`, the same after each restart. */
  readonly url: string;
  /** Null while it is down. */
  readonly pid: number | null;
  /** Directory of the objects' SQLite: `<class>/<object id>.sqlite`. */
  readonly storage: string;
  /** Every line that the process wrote, `console.log` of the Worker too, over all restarts, oldest first. Complete after `kill`. */
  readonly logs: readonly string[];
  /** Ends the process at once, as a crash does. Storage stays. Quiet when it is down. */
  kill(): Promise<void>;
  /**
   * Starts it on the same storage and port; kills it first where it runs. Resolves when it answers.
   * @throws {ChatError} `configuration` when it does not start
   */
  restart(): Promise<void>;
  /** Kills it and removes the files that {@link startWorkerd} made. It cannot be started again. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a Worker with its Durable Objects in a workerd process of its own and resolves when it answers. Alarms fire as in
 * production, and objects hibernate after 10 s. Takes the packages `workerd` and, for `entry`, `esbuild` from the project.
 *
 * @throws {ChatError} `configuration` when a package is missing or the Worker does not start; the message says what to do
 * @example
 * import { createChatClient, newThreadId } from "chatcell/client";
 * import { startWorkerd } from "chatcell/testing";
 *
 * const server = await startWorkerd({ entry: "src/worker.ts", objects: { CHAT: "Chat" }, vars: { CHATCELL_SECRET: "x".repeat(32) } });
 * const headers = { authorization: "Bearer user-1" };
 * const chat = createChatClient({ url: `${server.url}/chat`, threadId: newThreadId(), create: true, headers });
 * await chat.send("Hello");
 * await server.kill();
 * await server.restart();
 * await server.stop();
 */
export async function startWorkerd(options: WorkerdOptions): Promise<WorkerdProcess> {
  const { entry, script, objects, vars = {}, services = {}, timeoutMs = 15_000 } = options;
  const { compatibilityDate = "2026-10-12", compatibilityFlags = [] } = options;
  if ((entry === undefined) === (script === undefined))
    throw new ChatError("configuration", "Give startWorkerd either `entry` or `script`.");
  const binary = findWorkerd();
  const code = script ?? (await bundleWorker(entry instanceof URL ? fileURLToPath(entry.href) : path.resolve(entry!)));
  const directory = await mkdtemp(path.join(tmpdir(), "chatcell-workerd-"));
  const storage = path.resolve(options.storage ?? path.join(directory, "storage"));
  const config = path.join(directory, "config.capnp");
  await mkdir(storage, { recursive: true });
  const module = "worker.js";
  await writeFile(path.join(directory, module), code);
  await writeFile(config, formatWorkerdConfig({ module, storage, objects, vars, services, compatibilityDate, compatibilityFlags }));

  const removeOnExit = (): void => rmSync(directory, { recursive: true, force: true });
  process.once("exit", removeOnExit);
  const remove = async (): Promise<void> => {
    process.off("exit", removeOnExit);
    await rm(directory, { recursive: true, force: true });
  };

  const logs: string[] = [];
  const start = async (port: number): Promise<Child> => {
    const child = await startChild(binary, config, { port, timeoutMs, onLine: (line) => logs.push(line) });
    await untilAnswered(`http://127.0.0.1:${child.port}`, child, timeoutMs);
    return child;
  };
  try {
    return handleOf(await start(0), start, { storage, logs, remove });
  } catch (error) {
    await remove();
    throw error;
  }
}

function handleOf(
  first: Child,
  start: (port: number) => Promise<Child>,
  { storage, logs, remove }: { storage: string; logs: string[]; remove: () => Promise<void> },
): WorkerdProcess {
  const { port } = first;
  let child: Child | null = null;
  let isStopped = false;
  let last: Promise<void> = Promise.resolve();
  /** One after another: a kill in the middle of a start would leave a process that nobody holds. */
  const inOrder = (step: () => Promise<void>) => (): Promise<void> => {
    const done = last.then(step);
    last = done.catch(() => {});
    return done;
  };
  const hold = (started: Child): void => {
    child = started;
    // One that ends by itself is down, too.
    void started.ended.then(() => {
      if (child === started) child = null;
    });
  };
  const kill = async (): Promise<void> => {
    await child?.kill();
    child = null;
  };
  const stop = inOrder(async () => {
    isStopped = true;
    await kill();
    await remove();
  });
  hold(first);
  return {
    url: `http://127.0.0.1:${port}`,
    get pid() {
      return child?.pid ?? null;
    },
    storage,
    logs,
    kill: inOrder(kill),
    restart: inOrder(async () => {
      if (isStopped) throw new ChatError("configuration", "This workerd was stopped, and its files are gone. Start another one.");
      await kill();
      hold(await start(port));
    }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Any status is an answer: what the Worker says to `GET /` is its own affair. */
async function untilAnswered(url: string, child: Child, timeoutMs: number): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  for (;;) {
    try {
      const response = await fetch(url, { signal, headers: { connection: "close" } });
      await response.arrayBuffer();
      return;
    } catch (cause) {
      // It listens, so only a kept-alive connection to the process before it may fail, once.
      if (!signal.aborted && child.isRunning) continue;
      await child.kill();
      throw new ChatError("configuration", "workerd listens, but does not answer GET /.", { cause });
    }
  }
}
