// Commands without a socket: over HTTP by a principal, and from the app's own server code. The same door as a socket's.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { getThread } from "../../src/entries/index.ts";
import type { AckFrame } from "../../src/protocol/frames.ts";
import { newId } from "../../src/protocol/ids.ts";
import { call, TestSocket } from "./support/client.ts";
import { BLANK, play, reply, traceOf } from "./support/objects.ts";
import type { Env } from "./worker.ts";

const { PUPPET } = env as unknown as Env;

function post(threadId: string, user: string, command: unknown): Promise<Response> {
  return call(`/chat/threads/${threadId}/commands`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${user}` },
    body: JSON.stringify(command),
  });
}

const sendOf = (epoch: string) => ({ type: "send", id: newId(), epoch, messageId: newId(), parts: [{ type: "text", text: "By HTTP" }] });

describe("a command over HTTP", () => {
  it("does what it does over a socket, and a repeat over either road gets the same ack", async () => {
    const threadId = newId();
    const socket = await TestSocket.open(threadId, "user-1", { create: true });
    const command = sendOf(socket.epoch);
    const response = await post(threadId, "user-1", command);
    expect(response.status).toBe(200);
    const { ack } = await response.json<{ ack: AckFrame }>();
    expect(ack).toEqual({ type: "ack", ref: command.id, rev: 1, result: { turnId: command.id, position: 0 } });
    await socket.next("delta");
    expect(await socket.ask(command)).toEqual(ack);
    expect(await (await post(threadId, "user-1", command)).json()).toEqual({ ack });
    await reply(threadId, "Hi");
    await socket.next("turn");
    expect((await TestSocket.open(threadId, "user-1")).of("snapshot")[0]!.messages).toHaveLength(2);
  });

  it("stops a turn that another connection watches", async () => {
    const threadId = newId();
    const socket = await TestSocket.open(threadId, "user-1", { create: true });
    const { ref } = await socket.send("Go");
    await play(threadId, (run) => run.text("So far"));
    await socket.next("chunks");
    const stop = { type: "stop", id: newId(), epoch: socket.epoch, turnId: ref };
    expect((await post(threadId, "user-1", stop)).status).toBe(200);
    expect((await socket.next("turn")).ended.facts.outcome).toBe("stopped");
  });

  it.each([
    ["a foreign principal", "user-2", (epoch: string) => sendOf(epoch), 404, "not_found"],
    ["another epoch", "user-1", () => sendOf("another-epoch"), 409, "stale_epoch"],
    ["no epoch", "user-1", (epoch: string) => ({ ...sendOf(epoch), epoch: undefined }), 409, "stale_epoch"],
    ["a read", "user-1", () => ({ type: "page", id: newId(), before: newId() }), 400, "bad_frame"],
    ["a role in the message", "user-1", (epoch: string) => ({ ...sendOf(epoch), role: "system" }), 400, "bad_frame"],
  ])("is refused for %s", async (_name, user, commandOf, status, code) => {
    const threadId = newId();
    const socket = await TestSocket.open(threadId, "user-1", { create: true });
    await socket.send("First");
    const before = await traceOf(threadId);
    const response = await post(threadId, user, commandOf(socket.epoch));
    expect({ status: response.status, body: await response.json() }).toMatchObject({ status, body: { error: { code } } });
    expect(await traceOf(threadId)).toEqual(before);
  });

  it("makes no thread", async () => {
    const threadId = newId();
    expect((await post(threadId, "user-1", sendOf("any-epoch"))).status).toBe(404);
    expect(await traceOf(threadId)).toEqual(BLANK);
  });
});

describe("getThread", () => {
  const asCron = { as: "system:cron" } as const;

  it("sends a message whose author is the one who acts, and reads the answer", async () => {
    const threadId = newId();
    const socket = await TestSocket.open(threadId, "user-1", { create: true });
    const thread = getThread(PUPPET, { threadId }, asCron);
    const sent = await thread.send("Good morning", { id: "digest-2026-11-21" });
    expect(sent).toEqual({ turnId: "digest-2026-11-21", messageId: "digest-2026-11-21-m", position: 0 });
    expect(await thread.send("Good morning", { id: "digest-2026-11-21" })).toEqual(sent);
    await reply(threadId, "Hello, cron");
    await socket.next("turn");
    const { messages, hasEarlier } = await thread.messages();
    expect(messages.map(({ role, author }) => [role, author])).toEqual([
      ["user", "system:cron"],
      ["assistant", undefined],
    ]);
    expect(hasEarlier).toBe(false);
    expect((await thread.messages({ before: messages[1]!.id })).messages).toEqual([messages[0]]);
  });

  it("stops the turn that runs without naming it, and is quiet when none does", async () => {
    const threadId = newId();
    const socket = await TestSocket.open(threadId, "user-1", { create: true });
    await socket.send("Go");
    await play(threadId, (run) => run.text("So far"));
    await socket.next("chunks");
    const thread = getThread(PUPPET, { threadId }, asCron);
    await thread.stop();
    expect((await socket.next("turn")).ended.facts.outcome).toBe("stopped");
    await thread.stop();
  });

  it("makes a thread for its owner when it is told to, and none otherwise", async () => {
    const threadId = newId();
    await expect(getThread(PUPPET, { threadId }, asCron).send("Hello")).rejects.toMatchObject({ name: "ChatError", code: "not_found" });
    expect(await traceOf(threadId)).toEqual(BLANK);
    await getThread(PUPPET, { threadId }, { ...asCron, create: { owner: "user-1" } }).send("Hello");
    await reply(threadId, "Hi");
    const socket = await TestSocket.open(threadId, "user-1");
    expect(socket.of("welcome")[0]!.role).toBe("owner");
    expect(socket.of("snapshot")[0]!.messages[0]).toMatchObject({ author: "system:cron" });
  });

  it("makes a thread only by a message", async () => {
    const thread = getThread(PUPPET, { threadId: newId() }, { ...asCron, create: { owner: "user-1" } });
    await expect(thread.stop()).rejects.toMatchObject({ code: "not_found" });
    await expect(thread.cancel(newId())).rejects.toMatchObject({ code: "not_found" });
  });

  it.each([
    ["an address with a slash", { tenant: "acme", threadId: "b/X" }, {}],
    ["a tenant that is none", { tenant: "acme/b", threadId: "X" }, {}],
    ["an owner that nobody can be", { threadId: "X" }, { create: { owner: "system:x" } }],
    ["an owner without a name", { threadId: "X" }, { create: { owner: "" } }],
  ])("refuses %s", (_name, address, options) => {
    expect(() => getThread(PUPPET, address, { ...asCron, ...options })).toThrowError(expect.objectContaining({ code: "configuration" }));
  });

  it("takes no name that a visitor could have", () => {
    expect(() => getThread(PUPPET, { threadId: newId() }, { as: "cron" as "system:cron" })).toThrowError(/system:/);
  });
});
