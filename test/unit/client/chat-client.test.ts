import { describe, expect, it, vi } from "vitest";
import { isChatError } from "../../../src/errors.ts";
import type { ChatSnapshot, SendInput } from "../../../src/client/types.ts";
import { MAX_FRAME_BYTES } from "../../../src/protocol/limits.ts";
import { countsOf, createWorld, failure, texts, type World } from "./client-world.ts";
import { quiet } from "./fake-server.ts";
import { END_OF_TEXT, textChunks } from "./model-thread.ts";

const idOf = (frame: object) => (frame as { id: string }).id;

function reply(world: World, text = "Reply"): void {
  world.server.thread.chunks(...textChunks(text), ...END_OF_TEXT);
  world.server.thread.end();
}

describe("send", () => {
  it("shows the message at once, then as the server stored it, then its reply", async () => {
    const world = await createWorld();
    world.server.held = [];
    const sending = world.client.send("Hello");
    expect(world.snapshot.messages).toMatchObject([{ role: "user", delivery: "sending", author: "me", createdAt: world.clock.time }]);
    expect(world.snapshot.status).toBe("submitted");
    world.server.release();
    await expect(sending).resolves.toEqual({ turnId: world.server.thread.turn!.id, position: 0 });
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
    world.server.thread.chunks(...textChunks("Re"));
    expect(world.snapshot.status).toBe("streaming");
    expect(texts(world.snapshot).messages).toEqual(["Hello", "Re"]);
    world.server.thread.chunks(...END_OF_TEXT);
    world.server.thread.end();
    expect(world.snapshot.status).toBe("ready");
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
    await expect(sending.settled).resolves.toBe(world.snapshot.messages[1]);
  });

  it("takes text, an object with text, and parts with a body", async () => {
    const world = await createWorld();
    world.server.losesRequests = true;
    void world.client.send("a");
    void world.client.send({ text: "b" });
    void world.client.send({ parts: [{ type: "text", text: "c" }], body: { plan: true } });
    expect(world.server.socket.sent).toEqual([
      { type: "send", id: "id1", messageId: "id2", parts: [{ type: "text", text: "a" }], epoch: "epoch1" },
      { type: "send", id: "id3", messageId: "id4", parts: [{ type: "text", text: "b" }], epoch: "epoch1" },
      { type: "send", id: "id5", messageId: "id6", parts: [{ type: "text", text: "c" }], body: { plan: true }, epoch: "epoch1" },
    ]);
  });

  it("gives null for the reply of a turn that ended without one", async () => {
    const world = await createWorld();
    const { settled } = world.client.send("Hello");
    world.server.thread.end("stopped");
    await expect(settled).resolves.toBeNull();
  });

  it("resolves `settled` with the partial of a turn that failed, and shows the error", async () => {
    const world = await createWorld();
    const { settled } = world.client.send("Hello");
    world.server.thread.chunks(...textChunks("Half"));
    const error = { code: "model_error", message: "No answer.", retryable: true } as const;
    world.server.thread.end("failed", error);
    expect(await settled).toMatchObject({ facts: { outcome: "failed" } });
    expect(world.snapshot).toMatchObject({ status: "error", error });
    void world.client.send("Again");
    expect(world.snapshot).toMatchObject({ status: "submitted", error: null });
  });

  it("waits for the first snapshot to know the epoch it is made in", async () => {
    const world = await createWorld({ prepare: (server) => (server.accepts = false) });
    void world.client.send("Early");
    await quiet();
    world.server.socket.open();
    expect(world.server.socket.sent).toEqual([]);
    world.server.socket.accept();
    expect(world.server.socket.sent).toMatchObject([{ type: "send", epoch: "epoch1" }]);
  });

  it("rejects both promises with what the server refused it with, and keeps the message as failed", async () => {
    const world = await createWorld();
    const error = { code: "queue_full", message: "Full.", retryable: true } as const;
    world.server.refuse = (frame) => [{ type: "error", ref: idOf(frame), ...error }];
    const sending = world.client.send("Hello");
    expect(await failure(sending)).toMatchObject({ name: "ChatError", ...error });
    expect(isChatError(await failure(sending.settled), "queue_full")).toBe(true);
    expect(world.snapshot.messages).toMatchObject([{ delivery: "failed", error }]);
    expect(world.snapshot.messages[0]!.error).toEqual(error);
    expect(world.snapshot.status).toBe("ready");
  });

  it("raises no unhandled rejection for a `settled` that nobody uses", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    const world = await createWorld();
    world.server.refuse = (frame) => [{ type: "error", ref: idOf(frame), code: "forbidden", message: "No.", retryable: false }];
    await failure(world.client.send("Hello"));
    await quiet();
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe("send, when frames are lost", () => {
  it.each([
    ["the command", { losesRequests: true }],
    ["the answer", { losesAnswers: true }],
    ["both", { losesRequests: true, losesAnswers: true }],
  ])("is repeated with the same id after %s was lost, and shown exactly once all the time", async (_, losses) => {
    const world = await createWorld();
    Object.assign(world.server, losses);
    const sending = world.client.send("Hello");
    await quiet();
    const [first] = world.server.socket.sent;
    Object.assign(world.server, { losesRequests: false, losesAnswers: false });
    world.server.socket.drop();
    await world.clock.advance(1_000);
    expect(world.server.sockets).toHaveLength(2);
    expect(world.server.socket.sent).toEqual([first]);
    await expect(sending).resolves.toMatchObject({ position: 0 });
    reply(world);
    await sending.settled;
    expect(world.server.thread.messages).toHaveLength(2);
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
    const { messageId } = first as { messageId: string };
    expect(countsOf(messageId, world.seen.slice(world.seen.findIndex((s) => s.messages.length)))).not.toContain(0);
    expect(Math.max(...countsOf(messageId, world.seen))).toBe(1);
  });

  it("is not repeated once it is acked", async () => {
    const world = await createWorld();
    await world.client.send("Hello");
    world.server.socket.drop();
    await world.clock.advance(1_000);
    expect(world.server.socket.sent).toEqual([]);
  });

  it("is written once per connection, in the order of making", async () => {
    const world = await createWorld();
    world.server.losesRequests = true;
    void world.client.send("a");
    void world.client.send("b");
    void world.client.stop("id1");
    const sent = [...world.server.socket.sent];
    expect(sent.map(({ type }) => type)).toEqual(["send", "send", "stop"]);
    world.server.socket.drop();
    await world.clock.advance(1_000);
    expect(world.server.socket.sent).toEqual(sent);
  });

  it("settles over whichever road the reply comes", async () => {
    const world = await createWorld();
    const { settled } = world.client.send("Hello");
    world.server.losesAnswers = true;
    reply(world);
    world.server.losesAnswers = false;
    world.server.socket.drop();
    await world.clock.advance(1_000);
    expect(await settled).toBe(world.snapshot.messages[1]);
  });
});

describe("own messages and the queue", () => {
  it("stand where the server puts them: the next one in the messages, the others in the queue", async () => {
    const world = await createWorld({ prepare: (server) => (server.losesRequests = true) });
    void world.client.send("a");
    void world.client.send("b");
    expect(texts(world.snapshot)).toEqual({ messages: ["a"], queue: ["b"] });
    expect(world.snapshot.queue).toMatchObject([{ turnId: "id3", messageId: "id4", delivery: "sending" }]);
  });

  it("move from the queue into the messages when their turn starts, shown exactly once all the time", async () => {
    const world = await createWorld();
    const seen: ChatSnapshot[] = [];
    // Looks after every change, not only after every batch.
    const look = () => seen.push(world.client.getSnapshot());
    await world.client.send("a");
    world.server.held = [];
    const second = world.client.send("b");
    look();
    world.server.release();
    expect(await second).toMatchObject({ position: 1 });
    look();
    expect(world.snapshot.queue).toEqual(world.server.thread.queue);
    world.server.thread.chunks(...textChunks("Reply"), ...END_OF_TEXT);
    look();
    world.server.thread.end();
    look();
    expect(texts(world.snapshot)).toEqual({ messages: ["a", "Reply", "b"], queue: [] });
    reply(world, "Second");
    look();
    expect((await second.settled)!.parts.at(-1)).toMatchObject({ text: "Second" });
    expect(countsOf("id4", seen)).toEqual(seen.map(() => 1));
  });

  it("is `sent` between the ack and the view that holds it", async () => {
    const world = await createWorld();
    world.server.losesRequests = true;
    const sending = world.client.send("Hello");
    world.server.socket.receive({ type: "ack", ref: "id1", rev: 1, result: { turnId: "id1", position: 0 } });
    await sending;
    expect(world.snapshot.messages).toMatchObject([{ delivery: "sent" }]);
    world.server.thread.send({ id: "id1", messageId: "id2", parts: [{ type: "text", text: "Hello" }] });
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });

  it("is shown once while the view holds it and its ack is on the way", async () => {
    const world = await createWorld();
    world.server.losesRequests = true;
    const sending = world.client.send("Hello");
    const ack = world.server.thread.send({ id: "id1", messageId: "id2", parts: [{ type: "text", text: "Hello" }] });
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
    expect(world.snapshot.queue).toEqual([]);
    world.server.socket.receive(ack);
    await expect(sending).resolves.toEqual({ turnId: "id1", position: 0 });
  });

  it("goes when the history that it was sent to is no more", async () => {
    const world = await createWorld();
    world.server.losesRequests = true;
    const sending = world.client.send("Hello");
    world.server.socket.receive({ type: "ack", ref: "id1", rev: 100 });
    world.server.thread.clear();
    await expect(sending.settled).resolves.toBeNull();
    expect(world.snapshot.messages).toEqual([]);
  });

  it("shows the live message right under its parent", async () => {
    const world = await createWorld();
    await world.client.send("a");
    world.server.thread.chunks(...textChunks("Re"));
    world.server.refuse = (frame) => [{ type: "error", ref: idOf(frame), code: "queue_full", message: "Full.", retryable: true }];
    await failure(world.client.send("b"));
    expect(texts(world.snapshot).messages).toEqual(["a", "Re", "b"]);
    expect(world.snapshot.messages[1]).toMatchObject({ parent: world.snapshot.messages[0]!.id, role: "assistant" });
  });
});

describe("a message that is too large", () => {
  const parts = (count: number) => Array.from({ length: count }, () => ({ type: "text" as const, text: "a" }));

  it.each<[string, SendInput]>([
    ["a frame over the bound", "a".repeat(MAX_FRAME_BYTES)],
    ["a frame whose bytes are over the bound and its characters are not", "\u00e9".repeat(MAX_FRAME_BYTES / 2)],
    ["a body that makes it so", { text: "a", body: "b".repeat(MAX_FRAME_BYTES) }],
    ["one part too many", { parts: parts(65) }],
  ])("is refused at once and never sent: %s", async (_, input) => {
    const world = await createWorld();
    const sending = world.client.send(input);
    expect(world.snapshot.messages).toMatchObject([{ delivery: "failed", turnId: "id1", error: { code: "too_large", retryable: false } }]);
    expect(isChatError(await failure(sending), "too_large")).toBe(true);
    expect(isChatError(await failure(sending.settled), "too_large")).toBe(true);
    expect(isChatError(await failure(world.client.retry("id2")), "too_large")).toBe(true);
    expect(world.server.socket.sent).toEqual([]);
    await world.client.cancel("id1");
    expect(world.snapshot).toMatchObject({ messages: [], status: "ready" });
    await expect(world.client.send("Short")).resolves.toMatchObject({ position: 0 });
  });

  it("makes no thread", async () => {
    const world = await createWorld({ create: true });
    expect(isChatError(await failure(world.client.send("a".repeat(MAX_FRAME_BYTES))), "too_large")).toBe(true);
    await quiet();
    expect(world.server.requests).toEqual([]);
  });

  it("is none at the bound of parts, and just below that of bytes, with the epoch in it", async () => {
    const world = await createWorld();
    void world.client.send("a".repeat(MAX_FRAME_BYTES - 300));
    await world.client.send({ parts: parts(64) });
    for (const frame of world.server.socket.sent) expect(JSON.stringify(frame).length).toBeLessThanOrEqual(MAX_FRAME_BYTES);
    expect(world.server.socket.sent).toHaveLength(2);
  });
});

describe("retry and cancel", () => {
  async function refused() {
    const world = await createWorld();
    world.server.refuse = (frame) => [{ type: "error", ref: idOf(frame), code: "queue_full", message: "Later.", retryable: true }];
    await failure(world.client.send({ text: "Hello", body: 1 }));
    delete world.server.refuse;
    return world;
  }

  it("sends a failed message again under the same id", async () => {
    const world = await refused();
    const [first] = world.server.socket.sent;
    const sending = world.client.retry("id2");
    await expect(sending).resolves.toEqual({ turnId: "id1", position: 0 });
    expect(world.server.socket.sent).toEqual([first, first]);
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
    reply(world);
    expect(await sending.settled).toBe(world.snapshot.messages[1]);
  });

  it("sends a message that found the queue full again", async () => {
    const world = await createWorld();
    world.server.refuse = (frame) => [{ type: "error", ref: idOf(frame), code: "queue_full", message: "Later.", retryable: true }];
    expect(await failure(world.client.send("Hello"))).toMatchObject({ code: "queue_full", retryable: true });
    const [message] = world.snapshot.messages;
    expect(message).toMatchObject({ delivery: "failed", error: { code: "queue_full", retryable: true } });
    delete world.server.refuse;
    await expect(world.client.retry(message!.id)).resolves.toEqual({ turnId: message!.turnId, position: 0 });
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });

  it("retries in the epoch of now", async () => {
    const world = await refused();
    world.server.thread.clear();
    await world.client.retry("id2");
    expect(world.server.socket.sent.at(-1)).toMatchObject({ id: "id1", epoch: world.server.thread.epoch });
  });

  it("rejects for a message that has not failed", async () => {
    const world = await createWorld();
    const sending = world.client.retry("id2");
    expect(isChatError(await failure(sending), "not_found")).toBe(true);
    expect(isChatError(await failure(sending.settled), "not_found")).toBe(true);
    expect(world.snapshot.messages).toEqual([]);
  });

  it("forgets a failed message that is cancelled, and asks the server for nothing", async () => {
    const world = await refused();
    const count = world.server.socket.sent.length;
    await world.client.cancel(world.snapshot.messages[0]!.turnId!);
    expect(world.snapshot.messages).toEqual([]);
    expect(world.server.socket.sent).toHaveLength(count);
  });

  it("takes a queued message back", async () => {
    const world = await createWorld();
    await world.client.send("a");
    const { turnId } = await world.client.send("b");
    await world.client.cancel(turnId);
    expect(texts(world.snapshot)).toEqual({ messages: ["a"], queue: [] });
  });

  it("settles the cancelled one with null", async () => {
    const world = await createWorld();
    await world.client.send("a");
    const sending = world.client.send("b");
    await world.client.cancel((await sending).turnId);
    await expect(sending.settled).resolves.toBeNull();
  });

  it("rejects where the server refuses to cancel", async () => {
    const world = await createWorld();
    const { turnId } = await world.client.send("a");
    expect(isChatError(await failure(world.client.cancel(turnId)), "already_started")).toBe(true);
  });
});

describe("stop", () => {
  it("ends the turn that runs and keeps its partial", async () => {
    const world = await createWorld();
    const { settled } = world.client.send("a");
    world.server.thread.chunks(...textChunks("Half"));
    await world.client.stop();
    expect((await settled)!.facts!.outcome).toBe("stopped");
    expect(texts(world.snapshot).messages).toEqual(["a", "Half"]);
    expect(world.snapshot.status).toBe("ready");
  });

  it("reaches a message that is not acked yet, also over a reconnect", async () => {
    const world = await createWorld();
    world.server.losesRequests = true;
    const { settled } = world.client.send("a");
    const stop = world.client.stop();
    world.server.losesRequests = false;
    world.server.socket.drop();
    await world.clock.advance(1_000);
    await stop;
    await expect(settled).resolves.toBeNull();
  });

  it("does nothing when there is nothing to stop", async () => {
    const world = await createWorld();
    await world.client.stop();
    expect(world.server.socket.sent).toEqual([]);
  });
});

describe("loadEarlier", () => {
  async function long() {
    return createWorld({
      prepare: ({ thread }) => {
        for (let n = 0; n < 5; n++) {
          thread.send({ id: `turn${n}`, messageId: `message${n}`, parts: [{ type: "text", text: `${n}` }] });
          thread.chunks(...textChunks("Reply"), ...END_OF_TEXT);
          thread.end();
        }
      },
    });
  }

  it("loads page after page, each once", async () => {
    const world = await long();
    expect(world.snapshot).toMatchObject({ hasEarlier: true, messages: { length: 4 } });
    await Promise.all([world.client.loadEarlier(), world.client.loadEarlier()]);
    expect(world.server.socket.sent).toHaveLength(1);
    await world.client.loadEarlier();
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
    expect(world.snapshot.hasEarlier).toBe(false);
    await world.client.loadEarlier();
    expect(world.server.socket.sent).toHaveLength(2);
  });

  it("is asked again after a lost connection", async () => {
    const world = await long();
    world.server.losesAnswers = true;
    const loading = world.client.loadEarlier();
    world.server.losesAnswers = false;
    world.server.socket.drop();
    await world.clock.advance(1_000);
    await loading;
    expect(world.snapshot.messages).toHaveLength(8);
  });

  it("rejects where the server refuses, and can be asked again", async () => {
    const world = await long();
    world.server.refuse = (frame) => [{ type: "error", ref: idOf(frame), code: "queue_full", message: "Later.", retryable: true }];
    expect(isChatError(await failure(world.client.loadEarlier()), "queue_full")).toBe(true);
    delete world.server.refuse;
    await world.client.loadEarlier();
    expect(world.snapshot.messages).toHaveLength(8);
  });
});

describe("sync", () => {
  it("is asked for again when its answer comes too late to follow on what is held", async () => {
    const world = await createWorld();
    world.server.losesRequests = true;
    const { socket } = world.server;
    const set = (from: number, to: number) => ({ type: "delta", from, to, session: { title: `${to}` }, turn: null }) as const;
    const ended = { turnId: "turn-1", messageId: "message-1", seq: 0, facts: {} as never };
    socket.receive(set(2, 3), { type: "turn", from: 0, to: 1, ended, turn: null }, set(0, 3));
    expect(socket.sent).toMatchObject([{ cursor: "epoch1.0" }, { cursor: "epoch1.1" }]);
  });

  it("is asked for once when frames are missing, and mends the view", async () => {
    const world = await createWorld();
    await world.client.send("a");
    world.server.losesAnswers = true;
    world.server.thread.chunks(...textChunks("Re"));
    // The question itself is lost as well: one is under way.
    world.server.losesRequests = true;
    world.server.losesAnswers = false;
    world.server.thread.chunks({ type: "text-delta", id: "t", delta: "p" });
    world.server.thread.chunks({ type: "text-delta", id: "t", delta: "l" });
    const syncs = () => world.server.socket.sent.filter(({ type }) => type === "sync");
    expect(syncs()).toMatchObject([{ cursor: "epoch1.1.id1.0" }]);
    world.server.socket.receive(...world.server.thread.sync("epoch1.1.id1.0"));
    expect(texts(world.snapshot).messages).toEqual(["a", "Repl"]);
    expect(syncs()).toHaveLength(1);
  });

  it("asks for everything when the same question did not help", async () => {
    const world = await createWorld();
    world.server.losesRequests = true;
    const gap = { type: "delta", from: 7, to: 8, turn: null } as const;
    world.server.socket.receive(gap, { type: "delta", from: 0, to: 0, turn: null }, gap);
    expect(world.server.socket.sent).toMatchObject([{ cursor: "epoch1.0" }, { cursor: "" }]);
  });

  it("is one under way at a time, however many changes come meanwhile", async () => {
    const world = await createWorld();
    world.server.losesRequests = true;
    for (let from = 7; from < 90; from++) world.server.socket.receive({ type: "delta", from, to: from + 1, turn: null });
    expect(world.server.socket.sent).toHaveLength(1);
  });

  it("is left to another connection once it is refused, and may be asked again there", async () => {
    const world = await createWorld();
    world.server.losesRequests = true;
    const gap = { type: "turn", from: 7, to: 8, ended: { turnId: "t", messageId: "t", seq: 1, facts: {} as never }, turn: null } as const;
    world.server.socket.receive(gap, { type: "error", ref: "id1", code: "rate_limited", message: "Slower.", retryable: true }, gap, gap);
    expect(world.server.socket.sent).toHaveLength(1);
    await world.clock.advance(1_000);
    for (let connections = 0; connections < 2; connections++) {
      world.server.socket.receive(gap);
      expect(world.server.socket.sent).toMatchObject([{ type: "sync", cursor: "epoch1.0" }]);
      world.client.reconnect();
      await quiet();
    }
  });
});

describe("a refusal that nobody handles", () => {
  it("is no unhandled rejection when the message says it; of everything else it is", async () => {
    const unhandled: unknown[] = [];
    const hear = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", hear);
    try {
      const world = await createWorld();
      world.server.refuse = (frame) => [{ type: "error", ref: idOf(frame), code: "forbidden", message: "No.", retryable: false }];
      void world.client.send("Hello");
      await quiet();
      await new Promise((resolve) => setImmediate(resolve));
      expect(world.snapshot.messages).toMatchObject([{ delivery: "failed", error: { code: "forbidden" } }]);
      expect(unhandled).toEqual([]);
      void world.client.setTitle("x");
      await quiet();
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toMatchObject([{ code: "forbidden" }]);
    } finally {
      process.off("unhandledRejection", hear);
    }
  });
});

it("a send with the id of another message is refused, aloud, and shows nothing", async () => {
  const world = await createWorld();
  await world.client.send({ text: "First", messageId: "of-the-app" });
  world.server.refuse = (frame) => [{ type: "error", ref: idOf(frame), code: "id_reused", message: "No.", retryable: false }];
  const error = await failure(world.client.send({ text: "Second", messageId: "of-the-app" }));
  expect(isChatError(error, "id_reused")).toBe(true);
  expect(texts(world.snapshot).messages).toEqual(["First"]);
});

describe("the address of a thread", () => {
  it("is one step of the path, whatever the id is", async () => {
    const world = await createWorld({ threadId: "../x y?#/" });
    expect(world.server.requests[0]!.url).toContain("/threads/..%2Fx%20y%3F%23%2F/ticket");
    expect(world.server.socket.url).toContain("/threads/..%2Fx%20y%3F%23%2F/socket?cursor=");
  });
});

describe("the view of the server", () => {
  it("is loaded once the first one has come, and stays so without a connection", async () => {
    const world = await createWorld({ prepare: (server) => (server.accepts = false) });
    expect(world.snapshot).toMatchObject({ isLoaded: false, connection: { kind: "connecting" } });
    world.server.socket.accept();
    expect(world.snapshot).toMatchObject({ isLoaded: true, messages: [] });
    world.server.socket.drop();
    expect(world.snapshot).toMatchObject({ isLoaded: true, connection: { kind: "waiting" } });
  });

  it("may refuse with a body of strange keys: it is an error of chatcell all the same", async () => {
    const world = await createWorld();
    world.server.losesRequests = true;
    const setting = world.client.setTitle("x");
    world.server.socket.receive(
      '{"type":"error","ref":"id1","code":"forbidden","message":"No.","retryable":false,"__proto__":{},"stack":"x"}',
    );
    const error = await failure(setting);
    expect(isChatError(error, "forbidden")).toBe(true);
    expect((error as Error).stack).not.toBe("x");
  });
});
