// continue: a reply that was cut off goes on in the same message. Its text stays, its row stays as it is until the turn ends
// with output, and every client folds the same.
import { afterEach, describe, expect, it, vi } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import type { Message } from "../../src/protocol/messages.ts";
import { accepted, continueOf, editOf, nextPrompt, openTalk, post, regenerateOf, textOf } from "./support/asking.ts";
import { TestSocket } from "./support/client.ts";
import { dumpOf, evict, play, query, reply, traceOf } from "./support/objects.ts";
import { caughtUp, replicaOf, returned, viewOf } from "./support/replicas.ts";
import { expectSameView } from "./support/same-view.ts";
import { ask, countsOf, end, openThread, sendOf, type OpenThread } from "./support/threads.ts";
import { Puppet } from "./worker.ts";

const LONG = "A few words. ".repeat(20);

afterEach(() => void vi.restoreAllMocks());

interface Cut extends OpenThread {
  userId: string;
  replyId: string;
}

/** A thread whose one reply, {@link LONG}, came to this end. */
async function openCut(how: "stopped" | "interrupted" | "failed", text = LONG): Promise<Cut> {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const thread = await openThread();
  const { threadId, socket, epoch } = thread;
  const command = sendOf(epoch, "u1");
  await accepted(socket, command);
  await play(threadId, (run) => {
    run.text(text);
    if (how === "failed") run.write({ type: "error", errorText: "no" });
  });
  if (how !== "failed") await socket.until(() => textOf(replicaOf(socket).live!.message) === text);
  if (how === "stopped") await end("stop", socket, epoch, command.id);
  if (how === "interrupted") {
    await evict(threadId);
    await TestSocket.open(threadId, "user-1");
  }
  const { ended } = await socket.next("turn");
  if (ended.facts.outcome !== how) throw new Error(JSON.stringify(ended));
  return { ...thread, userId: command.messageId, replyId: command.id };
}

/** A thread whose one reply, stopped, begins with a data part that later chunks can change. */
async function openProgress() {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const thread = await openThread();
  const { threadId, socket, epoch } = thread;
  const progress = (percent: number) => ({ type: "data-progress" as const, id: "p", data: { percent } });
  const send = sendOf(epoch, "u1");
  await accepted(socket, send);
  await play(threadId, (run) => {
    run.write(progress(50));
    run.text(LONG);
  });
  await end("stop", socket, epoch, send.id);
  await socket.next("turn");
  return { ...thread, replyId: send.id, progress, other: await TestSocket.open(threadId, "user-1") };
}

const rowOf = async (threadId: string, id: string) => (await query(threadId, "SELECT * FROM cc_message WHERE id = ?", id))[0]!;
const bodyOf = async (threadId: string, id: string) => JSON.parse((await rowOf(threadId, id)).body as string) as Message;
const STEP = { type: "step-start" };
const done = (text: string) => ({ type: "text", text, state: "done" });
const NOTICE = { type: "data-notice", data: { kind: "interrupted", text: expect.any(String) as string } };

describe("continue of a reply that", () => {
  it.each(["stopped", "interrupted", "failed"] as const)("%s goes on in the same row, for all clients alike", async (how) => {
    const { threadId, socket, epoch, userId, replyId } = await openCut(how);
    const other = await TestSocket.open(threadId, "user-1");
    const before = await rowOf(threadId, replyId);
    expect((await bodyOf(threadId, replyId)).parts).toEqual([STEP, done(LONG), ...(how === "interrupted" ? [NOTICE] : [])]);
    const away = replicaOf(other);
    const command = continueOf(epoch, replyId);
    expect(await accepted(socket, command)).toMatchObject({ rev: 2, result: { turnId: command.id, position: 0 } });
    const turn = {
      id: command.id,
      kind: "continue",
      messageId: replyId,
      parent: userId,
      base: 2,
      state: "running",
      attempt: 1,
      resume: "continue",
    };
    await caughtUp(other);
    for (const seen of [socket, other]) expect(seen.of("delta").at(-1)).toEqual({ type: "delta", from: 2, to: 2, turn });
    // The notice is not in the live message; what is stored stays as it is.
    expect(replicaOf(other).live).toEqual({
      message: { id: replyId, role: "assistant", parts: [STEP, done(LONG)] },
      seq: 0,
      open: { text: {}, reasoning: {}, input: {} },
    });

    let prompt: unknown[] = [];
    await play(threadId, async (run) => {
      expect(run.turn).toMatchObject({ id: command.id, message: { id: userId }, attempt: 1, resume: { kind: "continue" } });
      prompt = (await run.turn.modelMessages()).map(({ role, content }) => [role, content]);
      run.text("And more.");
    });
    expect(prompt.map((entry) => (entry as [string])[0])).toEqual(["user", "assistant", "user"]);
    expect(JSON.stringify(prompt[1])).toContain(LONG);
    expect(JSON.stringify(prompt)).not.toContain("notice");
    await socket.until(() => textOf(replicaOf(socket).live!.message) === `${LONG}And more.`);
    expect(await rowOf(threadId, replyId)).toEqual(before);
    const midway = await returned(threadId, away);
    expect(midway.types).toEqual(["delta"]);
    await expectSameView(threadId, socket, other);
    expect(viewOf(midway.replica)).toEqual(viewOf(replicaOf(socket)));

    await end("stop", socket, epoch, command.id);
    const { ended } = await socket.next("turn", 2);
    expect(ended).toMatchObject({
      turnId: command.id,
      messageId: replyId,
      createdAt: before.created_at,
      facts: { outcome: "stopped", attempts: 1 },
    });
    const messages = await expectSameView(threadId, socket, other);
    expect(messages).toHaveLength(2);
    expect(messages[1]).toMatchObject({ id: replyId, parent: userId, createdAt: before.created_at, facts: { outcome: "stopped" } });
    expect(messages[1]!.parts).toEqual([STEP, done(LONG), STEP, done("And more.")]);
    const back = await returned(threadId, away);
    expect(back.types).toEqual(["delta"]);
    expect(viewOf(back.replica)).toEqual(viewOf(replicaOf(socket)));
    expect(await countsOf(threadId)).toMatchObject([{ messages: 2, turns: 0 }]);
  });

  it("has completed by going on is a reply like any other: the next question sees all of it, without the note", async () => {
    const { threadId, socket, epoch, replyId } = await openCut("stopped");
    await accepted(socket, continueOf(epoch, replyId));
    expect((await nextPrompt(threadId, "The end.")).at(-1)).toMatch(/^user: ./);
    expect((await socket.next("turn", 2)).ended.facts.outcome).toBe("completed");
    await accepted(socket, sendOf(epoch, "u2"));
    const prompt = await nextPrompt(threadId, "a2");
    // One message for each step.
    expect(prompt).toEqual(["user: u1", `assistant: ${LONG}`, "assistant: The end.", "user: u2"]);
    await socket.next("turn", 3);
    await expectSameView(threadId, socket);
  });

  it("goes on twice: each time on top of what there is", async () => {
    const { threadId, socket, epoch, replyId } = await openCut("interrupted");
    for (const [n, base] of [
      [1, 2],
      [2, 4],
    ] as const) {
      const command = continueOf(epoch, replyId);
      await accepted(socket, command);
      expect(replicaOf(socket).turn).toMatchObject({ base });
      await play(threadId, (run) => run.text(`more ${n}`));
      await socket.until(() => textOf(replicaOf(socket).live!.message).endsWith(`more ${n}`));
      await end("stop", socket, epoch, command.id);
      await socket.next("turn", n + 1);
    }
    const messages = await expectSameView(threadId, socket);
    expect(messages[1]!.parts).toEqual([STEP, done(LONG), STEP, done("more 1"), STEP, done("more 2")]);
  });

  it("only brings a part up to date has gone on: what it says now is stored", async () => {
    const { threadId, socket, epoch, replyId, other, progress } = await openProgress();
    await accepted(socket, continueOf(epoch, replyId));
    await play(threadId, (run) => {
      run.write(progress(100));
      run.end();
    });
    const { ended } = await socket.next("turn", 2);
    expect(ended).toMatchObject({ messageId: replyId, facts: { outcome: "completed" } });
    expect(ended.isLastTurn).toBeUndefined();
    const [, settled] = await expectSameView(threadId, socket, other);
    expect(settled!.parts.slice(0, 3)).toEqual([STEP, progress(100), done(LONG)]);
  });

  it("only says what it already said, or new metadata, has not: the reply stays as it was", async () => {
    const { threadId, socket, epoch, replyId, other, progress } = await openProgress();
    const before = await bodyOf(threadId, replyId);
    await accepted(socket, continueOf(epoch, replyId));
    await play(threadId, (run) => {
      run.write({ type: "message-metadata", messageMetadata: { model: "b" } });
      run.write(progress(50));
      run.end();
    });
    expect((await socket.next("turn", 2)).ended).toMatchObject({ messageId: replyId, isLastTurn: true });
    expect(await bodyOf(threadId, replyId)).toEqual(before);
    await expectSameView(threadId, socket, other);
  });

  it.each(["stopped", "failed", "completed"] as const)("has no more to say (%s) stays, with the outcome as its last turn", async (how) => {
    const { threadId, socket, epoch, replyId } = await openCut("interrupted");
    const other = await TestSocket.open(threadId, "user-1");
    const away = replicaOf(other);
    const before = await rowOf(threadId, replyId);
    const command = continueOf(epoch, replyId);
    await accepted(socket, command);
    await play(threadId, (run) => {
      if (how === "failed") run.fail(new Error("no"));
      if (how === "completed") run.end();
    });
    if (how === "stopped") await end("stop", socket, epoch, command.id);
    const { ended } = await socket.next("turn", 2);
    expect(ended).toMatchObject({ turnId: command.id, messageId: replyId, isLastTurn: true, facts: { outcome: how } });
    expect(ended.createdAt).toBeUndefined();
    const after = await rowOf(threadId, replyId);
    expect({ ...after, changed: null, last_turn: null }).toEqual({ ...before, changed: null, last_turn: null });
    const messages = await expectSameView(threadId, socket, other);
    expect(messages[1]).toMatchObject({ parts: [STEP, done(LONG), NOTICE], facts: { outcome: "interrupted" }, lastTurn: { outcome: how } });
    const back = await returned(threadId, away);
    expect(back.types).toEqual(["delta"]);
    expect(viewOf(back.replica)).toEqual(viewOf(replicaOf(socket)));

    // What an older turn left is over when it goes on after all.
    await accepted(socket, continueOf(epoch, replyId));
    await reply(threadId, "At last.");
    await socket.next("turn", 3);
    const [, settled] = await expectSameView(threadId, socket, other);
    expect(settled).toMatchObject({ parts: [STEP, done(LONG), STEP, done("At last.")], facts: { outcome: "completed" } });
    expect(settled!.lastTurn).toBeUndefined();
  });
});

describe("a continue whose process dies", () => {
  it("before it has shown much is repeated on the same base, what it had shown discarded", async () => {
    const { threadId, socket, epoch, replyId } = await openCut("interrupted");
    const before = await rowOf(threadId, replyId);
    const command = continueOf(epoch, replyId);
    await accepted(socket, command);
    await play(threadId, (run) => run.text("Little."));
    await socket.until(() => textOf(replicaOf(socket).live!.message).endsWith("Little."));
    await evict(threadId);
    const visitor = await TestSocket.open(threadId, "user-1");
    expect(replicaOf(visitor)).toMatchObject({ turn: { id: command.id, base: 2, attempt: 2, resume: "recovery" } });
    expect(replicaOf(visitor).live!.message.parts).toEqual([STEP, done(LONG), STEP]);
    expect(await rowOf(threadId, replyId)).toEqual(before);
    expect((await nextPrompt(threadId, "The end.")).map((line) => line.split(":")[0])).toEqual(["user", "assistant", "user"]);
    expect((await visitor.next("turn")).ended.facts).toMatchObject({ outcome: "completed", attempts: 2 });
    const [, settled] = await expectSameView(threadId, socket, visitor);
    expect(settled!.parts).toEqual([STEP, done(LONG), STEP, done("The end.")]);
  });

  it("before it has shown anything, three times, ends without output: the reply is as it was", async () => {
    const { threadId, socket, epoch, replyId } = await openCut("stopped");
    const before = await bodyOf(threadId, replyId);
    await accepted(socket, continueOf(epoch, replyId));
    for (let attempt = 1; attempt <= 3; attempt++) {
      await play(threadId, ({ turn }) => expect(turn.attempt).toBe(attempt));
      await evict(threadId);
      await TestSocket.open(threadId, "user-1");
    }
    const { ended } = await socket.next("turn", 2);
    expect(ended).toMatchObject({
      messageId: replyId,
      isLastTurn: true,
      facts: { outcome: "failed", error: { code: "attempts_exhausted" } },
    });
    expect(await bodyOf(threadId, replyId)).toEqual(before);
    expect((await traceOf(threadId)).alarm).toBeNull();
    await expectSameView(threadId, socket);
  });

  it("after it has shown much is kept behind the old text, with one notice, and can go on again", async () => {
    const { threadId, socket, epoch, replyId } = await openCut("interrupted");
    await accepted(socket, continueOf(epoch, replyId));
    const more = "More words. ".repeat(30);
    await play(threadId, (run) => run.text(more));
    await socket.until(() => textOf(replicaOf(socket).live!.message).endsWith(more));
    await evict(threadId);
    const visitor = await TestSocket.open(threadId, "user-1");
    expect((await socket.next("turn", 2)).ended).toMatchObject({ messageId: replyId, facts: { outcome: "interrupted" } });
    const [, settled] = await expectSameView(threadId, socket, visitor);
    expect(settled!.parts).toEqual([STEP, done(LONG), STEP, done(more), NOTICE]);
    await accepted(socket, continueOf(epoch, replyId));
    await reply(threadId, "The end.");
    await socket.next("turn", 3);
    const [, whole] = await expectSameView(threadId, socket, visitor);
    expect(whole!.parts).toEqual([STEP, done(LONG), STEP, done(more), STEP, done("The end.")]);
  });

  it("after much, with `recovery: continue`, goes on by itself on the same base", async () => {
    const { threadId, socket, epoch, replyId } = await openCut("stopped");
    vi.spyOn(Puppet, "configure").mockReturnValue({ recovery: "continue" });
    await evict(threadId);
    const visitor = await TestSocket.open(threadId, "user-1");
    await accepted(visitor, continueOf(epoch, replyId));
    const step = "A whole step. ".repeat(30);
    await play(threadId, (run) => {
      run.write({ type: "start-step" });
      run.text(step);
      run.write({ type: "finish-step" });
      run.write({ type: "start-step" });
      run.text("An unfinished one. ".repeat(30));
    });
    await visitor.until(() => textOf(replicaOf(visitor).live!.message).endsWith("one. "));
    await evict(threadId);
    await TestSocket.open(threadId, "user-1");
    await reply(threadId, "The end.");
    await visitor.next("turn");
    const [, settled] = await expectSameView(threadId, socket, visitor);
    expect(settled!.parts).toEqual([STEP, done(LONG), STEP, done(step), STEP, done("The end.")]);
  });
});

describe("continue is refused", () => {
  it("for a reply that has completed, a user message, an unknown one, and one of the server", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    const before = await dumpOf(threadId);
    expect(await ask(socket, continueOf(epoch, ids[1]!))).toMatchObject({ code: "bad_request" });
    expect(await ask(socket, continueOf(epoch, ids[0]!))).toMatchObject({ code: "bad_request" });
    expect(await ask(socket, continueOf(epoch, newId()))).toMatchObject({ code: "not_found" });
    expect(await ask(socket, { ...continueOf(epoch, ids[1]!), id: ids[0] })).toMatchObject({ type: "error" });
    expect(await dumpOf(threadId)).toBe(before);
  });

  it("with turn_active while the same reply goes on already, or will", async () => {
    const { threadId, socket, epoch, replyId, userId } = await openCut("stopped");
    const other = await TestSocket.open(threadId, "user-1");
    const answers = await Promise.all([ask(socket, continueOf(epoch, replyId)), ask(other, continueOf(epoch, replyId))]);
    expect(answers.map(({ type }) => type).sort()).toEqual(["ack", "error"]);
    expect(answers.find(({ type }) => type === "error")).toMatchObject({ code: "turn_active", retryable: true });
    const first = replicaOf(socket).turn!.id;
    await end("stop", socket, epoch, first);
    await accepted(socket, regenerateOf(epoch, userId));
    await accepted(socket, continueOf(epoch, replyId));
    expect(await ask(other, continueOf(epoch, replyId))).toMatchObject({ code: "turn_active" });
  });

  it("for a reply that this version cannot read: it would be written over", async () => {
    const { threadId, socket, epoch, replyId } = await openCut("stopped");
    await query(threadId, "UPDATE cc_message SET format = 99 WHERE id = ?", replyId);
    const before = await dumpOf(threadId);
    expect(await ask(socket, continueOf(epoch, replyId))).toMatchObject({ code: "bad_request" });
    expect(await dumpOf(threadId)).toBe(before);
  });

  it("with head_moved once another message follows, also while that is answered, and for a reply of another branch", async () => {
    const { threadId, socket, epoch, userId, replyId } = await openCut("stopped");
    await accepted(socket, sendOf(epoch, "u2"));
    expect(await ask(socket, continueOf(epoch, replyId))).toMatchObject({ code: "head_moved" });
    await reply(threadId, "a2");
    await socket.next("turn", 2);
    const before = await dumpOf(threadId);
    const response = await post(threadId, "user-1", continueOf(epoch, replyId));
    expect([response.status, await response.json()]).toEqual([409, { error: expect.objectContaining({ code: "head_moved" }) as object }]);
    expect(await dumpOf(threadId)).toBe(before);
    await accepted(socket, editOf(epoch, userId, "v1"));
    expect(await ask(socket, continueOf(epoch, replyId))).toMatchObject({ code: "head_moved" });
  });

  it("at its start, when another reply took the place of its own while it was in line: it fails, without output", async () => {
    const { threadId, socket, epoch, userId, replyId } = await openCut("stopped");
    const other = await TestSocket.open(threadId, "user-1");
    await accepted(socket, regenerateOf(epoch, userId));
    const command = continueOf(epoch, replyId);
    expect(await accepted(socket, command)).toMatchObject({ result: { position: 1 } });
    expect(replicaOf(socket).queue).toMatchObject([{ turnId: command.id, kind: "continue", messageId: replyId, parts: [] }]);
    await accepted(socket, sendOf(epoch, "u2"));
    await reply(threadId, "b1");
    const { ended } = await socket.next("turn", 3);
    expect(ended).toMatchObject({
      turnId: command.id,
      messageId: replyId,
      isLastTurn: true,
      facts: { outcome: "failed", error: { code: "head_moved" } },
    });
    // The one behind it has started, below the new reply.
    expect(await nextPrompt(threadId, "a2")).toEqual(["user: u1", "assistant: b1", "user: u2"]);
    await socket.next("turn", 4);
    const messages = await expectSameView(threadId, socket, other);
    expect(messages.map(textOf)).toEqual(["u1", "b1", "u2", "a2"]);
    expect((await bodyOf(threadId, replyId)).parts).toEqual([STEP, done(LONG)]);
  });
});
