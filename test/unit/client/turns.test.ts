import { describe, expect, it } from "vitest";
import { isChatError } from "../../../src/errors.ts";
import { createWorld, failure, refuseWith, texts, type World } from "./client-world.ts";
import { END_OF_TEXT, NOTICE, textChunks } from "./model-thread.ts";

function reply(world: World, text = "Reply"): void {
  world.server.thread.chunks(...textChunks(text), ...END_OF_TEXT);
  world.server.thread.end();
}

/** A page with two questions and their answers. */
async function talked(): Promise<World> {
  const world = await createWorld();
  for (const n of [1, 2]) {
    await world.client.send(`Question ${n}`);
    reply(world, `Answer ${n}`);
  }
  return world;
}

/** A page whose last reply was stopped. */
async function stopped(): Promise<World> {
  const world = await createWorld();
  await world.client.send("Question");
  world.server.thread.chunks(...textChunks("Half"), { type: "text-end", id: "t" }, NOTICE);
  world.server.thread.end("stopped");
  return world;
}

const refuse = (world: World) => refuseWith(world, "queue_full");

describe("edit", () => {
  it("shows the new message in the place of the old one at once, then its reply, and settles with that", async () => {
    const world = await talked();
    const [, , asked] = world.snapshot.messages;
    world.server.held = [];
    const sending = world.client.edit({ messageId: asked!.id, text: "Better" });
    expect(texts(world.snapshot).messages).toEqual(["Question 1", "Answer 1", "Better"]);
    expect(world.snapshot.messages[2]).toMatchObject({ delivery: "sending", role: "user" });
    expect(world.snapshot.status).toBe("submitted");
    world.server.release();
    expect(await sending).toMatchObject({ position: 0 });
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
    reply(world, "Better answer");
    expect(await sending.settled).toBe(world.snapshot.messages[3]);
    expect(texts(world.snapshot).messages).toEqual(["Question 1", "Answer 1", "Better", "Better answer"]);
  });

  it("takes parts and a body, under ids of its own", async () => {
    const world = await talked();
    const [, , asked] = world.snapshot.messages;
    const { turnId } = await world.client.edit({ messageId: asked!.id, parts: [{ type: "text", text: "Better" }], body: { tone: "dry" } });
    const frame = world.server.socket.sent.at(-1)!;
    expect(frame).toMatchObject({ type: "edit", id: turnId, messageId: asked!.id, body: { tone: "dry" }, epoch: "epoch1" });
    expect((frame as { newMessageId: string }).newMessageId).toBe(world.snapshot.messages[2]!.id);
  });

  it("shows the old branch again when it is refused, with what was written as failed", async () => {
    const world = await talked();
    refuse(world);
    const [, , asked] = world.snapshot.messages;
    const sending = world.client.edit({ messageId: asked!.id, text: "Better" });
    expect(isChatError(await failure(sending), "queue_full")).toBe(true);
    expect(texts(world.snapshot).messages).toEqual(["Question 1", "Answer 1", "Question 2", "Answer 2", "Better"]);
    delete world.server.refuse;
    await world.client.retry(world.snapshot.messages[4]!.id);
    expect(texts(world.snapshot).messages).toEqual(["Question 1", "Answer 1", "Better"]);
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });

  it("of a failed message sends another one in its place", async () => {
    const world = await talked();
    refuse(world);
    await failure(world.client.send({ text: "Bad", body: 1 }));
    const bad = world.snapshot.messages[4]!;
    delete world.server.refuse;
    const sending = world.client.edit({ messageId: bad.id, text: "Good" });
    const { turnId } = await sending;
    expect(turnId).not.toBe(bad.turnId);
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
    expect(texts(world.snapshot).messages.at(-1)).toBe("Good");
    reply(world);
    expect(await sending.settled).toBe(world.snapshot.messages[5]);
  });

  it("of a failed edit edits what that was about", async () => {
    const world = await talked();
    refuse(world);
    const [, , asked] = world.snapshot.messages;
    await failure(world.client.edit({ messageId: asked!.id, text: "Bad" }));
    delete world.server.refuse;
    await world.client.edit({ messageId: world.snapshot.messages[4]!.id, text: "Good" });
    expect(texts(world.snapshot).messages).toEqual(["Question 1", "Answer 1", "Good"]);
  });

  it("of a queued message changes what it says", async () => {
    const world = await createWorld();
    await world.client.send("a");
    const { turnId } = await world.client.send("b");
    await expect(world.client.edit({ turnId, text: "c" })).resolves.toBeUndefined();
    expect(texts(world.snapshot).queue).toEqual(["c"]);
    reply(world);
    expect(isChatError(await failure(world.client.edit({ turnId, text: "d" })), "already_started")).toBe(true);
  });

  it("waits in the queue while a turn runs, under the id that its message will have", async () => {
    const world = await createWorld();
    await world.client.send("a");
    const sending = world.client.edit({ messageId: world.snapshot.messages[0]!.id, text: "b" });
    expect(await sending).toMatchObject({ position: 1 });
    expect(world.snapshot.queue).toMatchObject([{ kind: "edit", parts: [{ text: "b" }] }]);
    expect(texts(world.snapshot).messages).toEqual(["a"]);
    const messageId = world.snapshot.queue[0]?.messageId;
    reply(world);
    expect(texts(world.snapshot)).toEqual({ messages: ["b"], queue: [] });
    expect(world.snapshot.messages[0]!.id).toBe(messageId);
    reply(world, "B");
    expect((await sending.settled)?.parts.at(-1)).toMatchObject({ text: "B" });
  });

  it("keeps the pages that were loaded above", async () => {
    const world = await talked();
    await world.client.send("Question 3");
    reply(world, "Answer 3");
    world.client.reconnect();
    await world.clock.advance(0);
    await world.client.loadEarlier();
    await world.client.edit({ messageId: world.snapshot.messages[4]!.id, text: "Better" });
    expect(texts(world.snapshot).messages).toEqual(["Question 1", "Answer 1", "Question 2", "Answer 2", "Better"]);
    expect(world.snapshot.hasEarlier).toBe(false);
  });
});

describe("regenerate", () => {
  it("hides the old reply at once, shows the new one in its place, and settles with it", async () => {
    const world = await talked();
    world.server.held = [];
    const sending = world.client.regenerate();
    expect(texts(world.snapshot).messages).toEqual(["Question 1", "Answer 1", "Question 2"]);
    expect(world.snapshot.status).toBe("submitted");
    world.server.release();
    await sending;
    expect(texts(world.snapshot).messages).toEqual(["Question 1", "Answer 1", "Question 2"]);
    expect(world.snapshot).toMatchObject({ status: "submitted", turn: { kind: "regenerate" } });
    reply(world, "Another");
    expect(await sending.settled).toBe(world.snapshot.messages[3]);
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
    expect(texts(world.snapshot).messages.at(-1)).toBe("Another");
  });

  it.each([
    ["the last message by default", undefined, 2],
    ["a message of a user", 0, 0],
    ["a reply, by the message that it answers", 1, 0],
  ])("asks about %s", async (_, named, about) => {
    const world = await talked();
    const { messages } = world.snapshot;
    await world.client.regenerate(named === undefined ? undefined : messages[named]!.id, { body: 1 });
    expect(world.server.socket.sent.at(-1)).toMatchObject({ type: "regenerate", messageId: messages[about]!.id, body: 1 });
  });

  it("brings the old reply back when it ends without output, and shows its error", async () => {
    const world = await talked();
    const before = world.snapshot.messages;
    const sending = world.client.regenerate();
    await sending;
    const error = { code: "model_error", message: "No answer.", retryable: true } as const;
    world.server.thread.end("failed", error);
    await expect(sending.settled).resolves.toBeNull();
    expect(world.snapshot).toMatchObject({ status: "error", error });
    expect(world.snapshot.messages[3]).toBe(before[3]);
    expect(world.snapshot.messages[2]).toMatchObject({ lastTurn: { outcome: "failed" } });
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });

  it("shows the old reply again when it is refused, and nothing as failed", async () => {
    const world = await talked();
    refuse(world);
    const before = world.snapshot;
    const sending = world.client.regenerate();
    expect(isChatError(await failure(sending), "queue_full")).toBe(true);
    expect(isChatError(await failure(sending.settled), "queue_full")).toBe(true);
    expect(world.snapshot.messages).toEqual(before.messages);
    expect(world.snapshot.status).toBe("ready");
  });

  it("rejects in an empty thread, and in one that is still to be made", async () => {
    for (const world of [await createWorld(), await createWorld({ create: true })]) {
      expect(isChatError(await failure(world.client.regenerate()), "not_found")).toBe(true);
      expect(isChatError(await failure(world.client.continue()), "not_found")).toBe(true);
    }
  });

  it.each(["losesRequests", "losesAnswers"] as const)("survives a lost connection (%s), and is done once", async (loses) => {
    const world = await talked();
    world.server[loses] = true;
    const sending = world.client.regenerate();
    const frame = world.server.socket.sent.at(-1)!;
    world.server[loses] = false;
    world.server.socket.drop();
    expect(world.snapshot.status).toBe("submitted");
    await world.clock.advance(1_000);
    expect(world.server.socket.sent).toEqual([frame]);
    await sending;
    reply(world, "Another");
    expect((await sending.settled)?.parts.at(-1)).toMatchObject({ text: "Another" });
    expect(world.server.thread.rows).toHaveLength(5);
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });
});

describe("continue", () => {
  it("goes on in the same message, without its notice, and settles with it", async () => {
    const world = await stopped();
    const [, target] = world.snapshot.messages;
    const sending = world.client.continue();
    await sending;
    expect(world.snapshot).toMatchObject({ status: "submitted", turn: { kind: "continue", messageId: target!.id } });
    expect(texts(world.snapshot).messages).toEqual(["Question", "Half"]);
    expect(world.snapshot.messages[1]!.parts.at(-1)!.type).toBe("text");
    world.server.thread.chunks(...textChunks(" and half"));
    expect(world.snapshot.status).toBe("streaming");
    expect(texts(world.snapshot).messages).toEqual(["Question", "Half and half"]);
    world.server.thread.chunks(...END_OF_TEXT);
    world.server.thread.end();
    const settled = await sending.settled;
    expect(settled).toBe(world.snapshot.messages[1]);
    expect(settled).toMatchObject({ id: target!.id, createdAt: target!.createdAt, facts: { outcome: "completed" } });
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });

  it("leaves the reply as it was when it ends without output", async () => {
    const world = await stopped();
    const [, target] = world.snapshot.messages;
    const sending = world.client.continue(target!.id, { body: 1 });
    await sending;
    const error = { code: "model_error", message: "No answer.", retryable: true } as const;
    world.server.thread.end("failed", error);
    expect(world.snapshot.messages[1]).toEqual({ ...target, lastTurn: expect.objectContaining({ outcome: "failed" }) });
    expect(await sending.settled).toBe(world.snapshot.messages[1]);
    expect(world.snapshot).toMatchObject({ status: "error", error });
  });

  it("is refused for a reply that is complete", async () => {
    const world = await talked();
    expect(isChatError(await failure(world.client.continue()), "bad_request")).toBe(true);
    expect(world.snapshot.status).toBe("ready");
  });

  it.each([1, 3, 6])("is exact after a cut before the chunk %i of its turn", async (at) => {
    const world = await stopped();
    await world.client.continue();
    const chunks = [...textChunks(" and", " half"), ...END_OF_TEXT];
    world.server.thread.chunks(...chunks.slice(0, at));
    world.server.losesAnswers = true;
    world.server.thread.chunks(...chunks.slice(at));
    world.server.losesAnswers = false;
    world.server.socket.drop();
    await world.clock.advance(1_000);
    expect(texts(world.snapshot).messages).toEqual(["Question", "Half and half"]);
    world.server.thread.end();
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });
});
