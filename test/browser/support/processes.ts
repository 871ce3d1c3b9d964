// Servers as processes: a port that is free for them, and when they are ready.
import type { ChildProcess } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** Resolves when a process with pipes has said that it is ready; rejects with all that it said when it ends before, or takes too long. */
export function untilReady(child: ChildProcess, isReady: (output: string) => boolean, withinMs: number): Promise<void> {
  return new Promise((ready, failed) => {
    let output = "";
    const timer = setTimeout(() => failed(new Error(`The example was not ready in time:\n${output}`)), withinMs);
    const hear = (data: Buffer): void => {
      output += String(data);
      if (!isReady(output)) return;
      clearTimeout(timer);
      ready();
    };
    child.stdout!.on("data", hear);
    child.stderr!.on("data", hear);
    child.once("close", (code) => {
      clearTimeout(timer);
      failed(new Error(`The example ended with code ${code}:\n${output}`));
    });
  });
}
