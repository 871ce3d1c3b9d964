import { env } from "cloudflare:workers";
import { runInDurableObject, evictDurableObject } from "cloudflare:test";
import { expect, it, vi } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import type { Env } from "./worker.ts";
import { TestSocket, getTicket, upgrade } from "./support/client.ts";
const { PUPPET } = env as unknown as Env;
const stubOf = (threadId: string) => PUPPET.get(PUPPET.idFromName(`/${threadId}`));

it("fake date reaches the object", async () => {
  const threadId = newId();
  const t = await getTicket(threadId, "user-1", { create: true });
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(Date.now() + 60_000);
  const now = await runInDurableObject(stubOf(threadId), () => Date.now());
  console.log("obj now - exp", now - t.expiresAt);
  const r = await upgrade(threadId, t.ticket);
  console.log(r.status, await r.text());
  vi.useRealTimers();
});
it("fake timers", async () => {
  const threadId = newId();
  const s = await TestSocket.open(threadId, "user-1", { create: true });
  await s.send("x");
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
  const frames: number[] = [];
  await runInDurableObject(stubOf(threadId), async (p) => {
    const play = await p.nextPlay();
    play.write({ type: "text-start", id: "t" });
    for (let i = 0; i < 300; i++) {
      play.write({ type: "text-delta", id: "t", delta: "word " + i + " " });
      await vi.advanceTimersByTimeAsync(33);
      await scheduler.wait(0);
    }
    play.end();
  });
  vi.useRealTimers();
  await s.next("turn");
  console.log("chunks frames", s.of("chunks").length);
});
it("wrap sql", async () => {
  const threadId = newId();
  const s = await TestSocket.open(threadId, "user-1", { create: true });
  let n = 0; let alarms = 0;
  await runInDurableObject(stubOf(threadId), (p, state) => {
    const sql = state.storage.sql;
    console.log(state.storage === (p as any).ctx.storage, sql === state.storage.sql);
    const exec = sql.exec.bind(sql);
    try { (sql as any).exec = (...a: any[]) => { n++; return (exec as any)(...a); }; } catch (e) { console.log("no", e); }
    const set = state.storage.setAlarm.bind(state.storage);
    try { (state.storage as any).setAlarm = (...a: any[]) => { alarms++; return (set as any)(...a); }; } catch (e) { console.log("no", e); }
  });
  await s.send("x");
  console.log("n", n, "alarms", alarms);
});
it("hibernates", async () => {
  const threadId = newId();
  const s = await TestSocket.open(threadId, "user-1", { create: true });
  const a = await runInDurableObject(stubOf(threadId), (p) => { (p as any).mark = 1; });
  await evictDurableObject(stubOf(threadId), { webSockets: "hibernate" });
  s.sendText("ping");
  await s.until((x) => x.texts.includes("pong"));
  await s.send("x");
  const b = await runInDurableObject(stubOf(threadId), (p) => (p as any).mark);
  console.log("mark", b);
});
