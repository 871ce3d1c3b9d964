// `onTurnEnd` against slow, dying and failing hooks, and what that does to the alarm.
import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import type { Principal } from "../../src/protocol/principal.ts";
import { TestSocket } from "./support/client.ts";
import type { Env, Hooked } from "./worker.ts";

const { HOOKED } = env as unknown as Env;
const OWNER: Principal = { id: "user-1" };
const FOREVER = (): Promise<void> => new Promise(() => {});

const stubOf = (threadId: string): DurableObjectStub<Hooked> => HOOKED.get(HOOKED.idFromName(`/${threadId}`));

/** A thread whose first turn is running, and the id of that turn. */
async function create(): Promise<{ threadId: string; turnId: string }> {
  const threadId = newId();
  const command = { type: "send", id: newId(), messageId: newId(), parts: [{ type: "text", text: "Hello" }] };
  const answer = await stubOf(threadId).admit({ principal: OWNER, tenant: "", threadId, origin: "", create: true, command });
  if (!answer.ok) throw new Error(JSON.stringify(answer));
  return { threadId, turnId: command.id };
}

async function connect(threadId: string): Promise<TestSocket> {
  const answer = await stubOf(threadId).admit({ principal: OWNER, tenant: "", threadId, origin: "" });
  if (!answer.ok) throw new Error(JSON.stringify(answer));
  const payload = {
    nonce: answer.nonce,
    boot: answer.boot,
    thread: threadId,
    tenant: "",
    basePath: "/chat",
    origin: "",
    version: "chatcell.v1",
    expiresAt: answer.expiresAt,
  };
  const ticket = `${btoa(JSON.stringify(payload)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}.x`;
  const response = await stubOf(threadId).fetch("https://chat.test/socket", {
    headers: { upgrade: "websocket", "sec-websocket-protocol": `chatcell.v1, ticket.${ticket}` },
  });
  if (!response.webSocket) throw new Error(`upgrade: ${response.status} ${await response.text()}`);
  const socket = new TestSocket(response.webSocket);
  await socket.next("snapshot");
  return socket;
}

const within = <T>(threadId: string, body: (hooked: Hooked, state: DurableObjectState) => T | Promise<T>): Promise<T> =>
  runInDurableObject<Hooked, T>(stubOf(threadId), body);

/** Ends the next run with a text, and lets the hook begin. */
const reply = (threadId: string): Promise<void> =>
  within(threadId, async (hooked) => {
    const play = await hooked.nextPlay();
    const before = hooked.ends.length;
    play.text("Hi");
    play.end();
    while (hooked.ends.length === before) await scheduler.wait(0);
  });

/** Makes what is due at some time due now, and lets the alarm fire. Returns how far ahead the next alarm is; null for none. */
async function fire(threadId: string): Promise<number | null> {
  await within(
    threadId,
    (_hooked, { storage }) => void storage.sql.exec("UPDATE cc_session SET due_at = ? WHERE due_at IS NOT NULL", Date.now() - 1),
  );
  await runDurableObjectAlarm(stubOf(threadId));
  return within(threadId, async (_hooked, { storage }) => {
    const at = await storage.getAlarm();
    return at === null ? null : at - Date.now();
  });
}

describe("a hook", () => {
  it("that is still at work when its mark is due leaves the next alarm well ahead", async () => {
    const { threadId } = await create();
    await within(threadId, (hooked) => void (hooked.whenEnded = FOREVER));
    await reply(threadId);
    expect(await fire(threadId)).toBeGreaterThan(1_000);
  });

  it("that an alarm calls again leaves the next alarm well ahead while it works", async () => {
    const { threadId } = await create();
    await within(threadId, (hooked) => void (hooked.whenEnded = () => Promise.reject(new Error("not now"))));
    await reply(threadId);
    await within(threadId, (hooked) => void (hooked.whenEnded = FOREVER));
    const ahead = await fire(threadId);
    expect(await within(threadId, (hooked) => hooked.ends.length)).toBe(2);
    expect(ahead).toBeGreaterThan(1_000);
  });

  it("that was called before a crash is told `again`, also when the end of another turn comes first", async () => {
    const { threadId, turnId } = await create();
    await within(threadId, (hooked) => void (hooked.whenEnded = FOREVER));
    await reply(threadId);
    await evictDurableObject(stubOf(threadId));
    const socket = await connect(threadId);
    await socket.send("Again");
    await within(threadId, async (hooked) => (await hooked.nextPlay()).end());
    await socket.next("turn");
    await fire(threadId);
    expect(await within(threadId, (hooked) => hooked.ends.filter((end) => end.turnId === turnId).map(({ again }) => again))).toEqual([
      true,
    ]);
  });

  it("that ends its process each time is called five times at most", async () => {
    const { threadId } = await create();
    await within(threadId, (hooked) => void (hooked.whenEnded = FOREVER));
    await reply(threadId);
    let calls = 1;
    for (let wake = 0; wake < 7; wake++) {
      await evictDurableObject(stubOf(threadId));
      await within(threadId, (hooked) => void (hooked.whenEnded = FOREVER));
      await fire(threadId);
      calls += await within(threadId, (hooked) => hooked.ends.length);
    }
    expect(calls).toBeLessThanOrEqual(5);
  });

  it("that waits for its retry is not called early by the end of another turn", async () => {
    const { threadId, turnId } = await create();
    await within(threadId, (hooked) => void (hooked.whenEnded = () => Promise.reject(new Error("not now"))));
    await reply(threadId);
    const socket = await connect(threadId);
    await socket.send("Again");
    await within(threadId, async (hooked) => (await hooked.nextPlay()).end());
    await socket.next("turn");
    await within(threadId, () => scheduler.wait(0));
    expect(await within(threadId, (hooked) => hooked.ends.filter((end) => end.turnId === turnId).length)).toBe(1);
  });

  it("is told of each turn as that ended, though later ones about the same message ended before it was called", async () => {
    const { threadId, turnId } = await create();
    let release: () => void = () => {};
    await within(threadId, (hooked) => void (hooked.whenEnded = () => new Promise((resolve) => (release = resolve))));
    await reply(threadId);
    const socket = await connect(threadId);
    const { epoch } = socket;
    const messageId = socket.of("snapshot")[0]!.messages[0]!.id;
    const ended: string[] = [turnId];
    /** One more turn, stopped after it has said something or nothing. */
    const stopped = async (command: object, text?: string) => {
      const id = newId();
      ended.push(id);
      expect(await socket.ask({ ...command, id, epoch })).toMatchObject({ type: "ack" });
      await within(threadId, async (hooked) => {
        const run = await hooked.nextPlay();
        if (text !== undefined) run.text(text);
        else run.end();
      });
      if (text !== undefined) {
        await socket.until(({ texts }) => texts.at(-1)!.includes("text-end"));
        await socket.ask({ type: "stop", id: newId(), epoch, turnId: id });
      }
      await socket.next("turn", ended.length - 1);
      return id;
    };
    await stopped({ type: "regenerate", messageId });
    const head = await stopped({ type: "regenerate", messageId }, "b1");
    await stopped({ type: "continue", messageId: head });
    await stopped({ type: "continue", messageId: head }, "more");
    await within(threadId, async (hooked) => {
      hooked.whenEnded = () => {};
      release();
      while (hooked.ends.length < 5) await scheduler.wait(0);
      expect(hooked.ends.map((end) => [end.turnId, end.facts.outcome, end.reply?.id ?? null, end.again])).toEqual([
        [ended[0], "completed", turnId, false],
        [ended[1], "completed", null, false],
        [ended[2], "stopped", head, false],
        [ended[3], "completed", null, false],
        [ended[4], "stopped", head, false],
      ]);
      const starts = hooked.ends.map(({ facts }) => facts.startedAt);
      expect(starts).toEqual([...starts].sort((a, b) => a - b));
    });
    expect(await within(threadId, (_hooked, { storage }) => storage.getAlarm())).toBeNull();
  });

  it("that never returns is given up after some minutes, and the next turn has its own", async () => {
    const { threadId } = await create();
    await within(threadId, (hooked) => void (hooked.whenEnded = FOREVER));
    await reply(threadId);
    const socket = await connect(threadId);
    await socket.send("Again");
    await within(threadId, async (hooked) => (await hooked.nextPlay()).end());
    await socket.next("turn");
    await within(threadId, (hooked) => void (hooked.whenEnded = () => {}));
    for (let lease = 0; lease < 5; lease++) expect(await fire(threadId)).toBeGreaterThan(1_000);
    await fire(threadId);
    await within(threadId, async (hooked) => {
      while (hooked.ends.length < 2) await scheduler.wait(0);
    });
    expect(await fire(threadId)).toBeNull();
    expect(await within(threadId, (hooked) => hooked.ends.length)).toBe(2);
  });

  it("whose alarm was lost gets it again at the next wake", async () => {
    const { threadId } = await create();
    await within(threadId, (hooked) => void (hooked.whenEnded = FOREVER));
    await reply(threadId);
    await within(threadId, (_hooked, { storage }) => storage.deleteAlarm());
    await evictDurableObject(stubOf(threadId));
    await connect(threadId);
    expect(await within(threadId, (_hooked, { storage }) => storage.getAlarm())).not.toBeNull();
  });
});
