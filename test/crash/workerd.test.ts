// The process helper itself: what it promises to every other test in here.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { isChatError } from "../../src/errors.ts";
import { startWorkerd, type WorkerdOptions } from "../../src/entries/testing.ts";
import { poll } from "./support/until.ts";

const COUNTER = `import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  async fetch() {
    const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    console.log("count", count);
    return new Response(this.env.NAME + count);
  }
}
export default {
  fetch: (request, env) =>
    new URL(request.url).pathname === "/count" ? env.COUNTER.get(env.COUNTER.idFromName("one")).fetch(request) : new Response("up"),
};`;

const OPTIONS: WorkerdOptions = { script: COUNTER, objects: { COUNTER: "Counter" }, vars: { NAME: 'naïve "quoted" ' } };

async function count(url: string): Promise<string> {
  return (await fetch(`${url}/count`, { headers: { connection: "close" } })).text();
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // No such process.
  }
}

describe("startWorkerd", () => {
  it("keeps port and storage over kill and restart, and nothing after stop", async () => {
    const server = await startWorkerd(OPTIONS);
    const { url, pid, storage } = server;
    expect(await count(url)).toBe('naïve "quoted" 1');
    await server.kill();
    expect([server.pid, isAlive(pid!)]).toEqual([null, false]);
    await expect(fetch(url)).rejects.toThrow();
    await server.kill();
    await server.restart();
    expect(await count(server.url)).toBe('naïve "quoted" 2');
    await server.restart();
    expect(await count(url)).toBe('naïve "quoted" 3');
    await poll(() => server.logs.includes("count 3"), "the log of the Worker", 5_000);
    expect(server.logs).toEqual(["count 1", "count 2", "count 3"]);
    const last = server.pid!;
    await server.stop();
    await server.stop();
    expect([isAlive(last), existsSync(storage)]).toEqual([false, false]);
    await expect(server.restart()).rejects.toMatchObject({ code: "configuration" });
  });

  it("keeps a storage directory that it was given, also for another process", async () => {
    const storage = mkdtempSync(path.join(tmpdir(), "chatcell-test-"));
    try {
      for (const expected of [1, 2]) {
        await using server = await startWorkerd({ ...OPTIONS, storage });
        expect(await count(server.url)).toBe(`naïve "quoted" ${expected}`);
      }
    } finally {
      rmSync(storage, { recursive: true });
    }
  });

  it("leaves no process when it is stopped in the middle of a restart", async () => {
    const server = await startWorkerd(OPTIONS);
    const restarted = server.restart();
    const stopped = server.stop();
    await restarted;
    await stopped;
    expect(server.pid).toBeNull();
    await expect(fetch(server.url)).rejects.toThrow();
  });

  it("says what the Worker said when it does not start", async () => {
    const error: unknown = await startWorkerd({ ...OPTIONS, script: "throw new Error('not today')" }).catch((reason: unknown) => reason);
    expect(isChatError(error, "configuration")).toBe(true);
    expect((error as Error).message).toContain("not today");
  });

  it.each([
    ["an entry that is not there", { entry: "no/such/worker.ts" }, "no/such/worker.ts"],
    ["neither entry nor script", {}, "`entry` or `script`"],
    ["both", { entry: "worker.ts", script: "" }, "`entry` or `script`"],
  ])("refuses %s", async (_what, given, part) => {
    const error: unknown = await startWorkerd({ objects: {}, ...given }).catch((reason: unknown) => reason);
    expect(isChatError(error, "configuration")).toBe(true);
    expect((error as Error).message).toContain(part);
  });

  it.each([
    ["is killed", "process.kill(process.pid, 'SIGKILL')"],
    ["exits", "process.exit(0)"],
    ["comes to its end", ""],
  ])("leaves no process behind when its parent %s", async (_how, end) => {
    const module = new URL("../../src/entries/testing.ts", import.meta.url).href;
    const script = `const { startWorkerd } = await import(${JSON.stringify(module)});
      const server = await startWorkerd({ script: "export default { fetch: () => new Response() }", objects: {} });
      process.stdout.write(server.pid + "\\n", () => { ${end} });`;
    // What a killed parent cannot remove is removed here.
    const temporary = mkdtempSync(path.join(tmpdir(), "chatcell-test-"));
    const env = { ...process.env, TMPDIR: temporary };
    const parent = spawn(process.execPath, ["--input-type=module", "--eval", script], { env, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    parent.stdout.on("data", (data) => (output += String(data)));
    await new Promise((resolve) => parent.once("close", resolve));
    const pid = Number(output);
    expect(pid).toBeGreaterThan(0);
    await poll(() => !isAlive(pid), `the end of process ${pid}`, 5_000);
    rmSync(temporary, { recursive: true });
  });
});
