// One workerd process: started, heard, and never left behind. Whatever ends the parent ends it, SIGKILL of the parent too.
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { ChatError } from "../errors.ts";
import { SOCKET_NAME } from "./workerd-config.ts";

/** Log lines that an error of the start quotes. */
const QUOTED_LINES = 20;

export interface Child {
  readonly pid: number;
  /** TCP port on 127.0.0.1. */
  readonly port: number;
  readonly isRunning: boolean;
  /** Resolves when the process is gone, however it went, and its last line has been given to `onLine`. */
  readonly ended: Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/**
 * Starts workerd and resolves when it listens.
 * @param port 0 for any free one
 * @throws {ChatError} `configuration` when it ends first (its last lines are quoted) or takes longer than `timeoutMs`
 */
export async function startChild(
  binary: string,
  config: string,
  { port, timeoutMs, onLine }: { port: number; timeoutMs: number; onLine: (line: string) => void },
): Promise<Child> {
  const args = ["serve", config, "config", "--control-fd=3", `--socket-addr=${SOCKET_NAME}=127.0.0.1:${port}`];
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => {
    // Not "exit": only then has everything been read that it wrote.
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  const guard = guardOf(child);
  const kill = async (): Promise<void> => {
    // Without this the loop of a parent that has nothing else to do would end here.
    hold(child, "ref");
    child.kill("SIGKILL");
    await ended;
  };
  void ended.then(guard.release);
  const lines: string[] = [];
  const hear = (line: string): void => {
    lines.push(line);
    onLine(line);
  };
  readLines(child.stdout, hear);
  readLines(child.stderr, hear);
  try {
    const listening = await listeningPort(child, ended, timeoutMs);
    hold(child, "unref");
    return {
      pid: child.pid!,
      port: listening,
      get isRunning() {
        return child.exitCode === null && child.signalCode === null;
      },
      ended,
      kill,
    };
  } catch (error) {
    await kill();
    throw new ChatError("configuration", `${(error as Error).message}\n${lines.slice(-QUOTED_LINES).join("\n")}`, { cause: error });
  }
}

/** The port that the control messages name. */
function listeningPort(child: ChildProcess, ended: Promise<void>, timeoutMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`workerd did not listen within ${timeoutMs} ms.`)), timeoutMs);
    child.once("error", (cause) => reject(new Error(`workerd cannot be started: ${cause.message}`)));
    readLines(child.stdio[3] as Readable, (line) => {
      const message = JSON.parse(line) as { event: string; socket?: string; port?: number };
      if (message.event !== "listen" || message.socket !== SOCKET_NAME) return;
      clearTimeout(timer);
      resolve(message.port!);
    });
    void ended.then(() => {
      clearTimeout(timer);
      reject(new Error(`workerd ended before it listened (exit ${child.exitCode ?? child.signalCode}).`));
    });
  });
}

/**
 * Two guards against a process without a parent: one for a parent that exits, and a shell that waits for the end of a pipe
 * which only the parent holds, for one that is killed. Where there is no shell, the first alone must do.
 */
function guardOf(child: ChildProcess): { release: () => void } {
  const onExit = (): void => void child.kill("SIGKILL");
  process.once("exit", onExit);
  const shell =
    child.pid === undefined ? undefined : spawn("sh", ["-c", `read _ || kill -9 ${child.pid}`], { stdio: ["pipe", "ignore", "ignore"] });
  shell?.on("error", () => {}); // No shell on this machine.
  if (shell) hold(shell, "unref");
  return {
    release: () => {
      process.off("exit", onExit);
      shell?.kill("SIGKILL");
    },
  };
}

/** Whether the parent may end while this process runs: a test that forgets to stop it must still come to its end. */
function hold(child: ChildProcess, how: "ref" | "unref"): void {
  child[how]();
  for (const stream of child.stdio) (stream as Partial<ChildProcess> | null)?.[how]?.();
}

function readLines(stream: Readable | null, onLine: (line: string) => void): void {
  let rest = "";
  stream?.setEncoding("utf8");
  stream?.on("error", () => {}); // The pipe of a process that was killed.
  stream?.on("data", (data: string) => {
    const lines = (rest + data).split("\n");
    rest = lines.pop()!;
    for (const line of lines) onLine(line);
  });
  stream?.on("end", () => {
    if (rest !== "") onLine(rest);
  });
}
