// The line of turns: what waits can be changed and taken back by anyone who may, the server's own messages keep their place in
// it, and the model always sees one question and one answer after the other.
import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { getThread } from "../../src/entries/index.ts";
import { newId } from "../../src/protocol/ids.ts";
import { LIMITS } from "../../src/protocol/limits.ts";
import {
  accepted,
  editOf,
  editQueuedOf,
  nextPrompt,
  openTalk,
  post,
  promptOf,
  regenerateOf,
  storedTexts,
  textOf,
} from "./support/asking.ts";
import { TestSocket } from "./support/client.ts";
import { dumpOf, evict, play, PUPPET, query, reply, stubOf, traceOf } from "./support/objects.ts";
import { caughtUp, freshView, replicaOf } from "./support/replicas.ts";
import { expectSameView } from "./support/same-view.ts";
import { ask, countsOf, end, openThread, sendOf } from "./support/threads.ts";
import { Puppet } from "./worker.ts";

afterEach(() => void vi.restoreAllMocks());

/** What all sockets show, as texts. */
const sameTexts = async (threadId: string, ...sockets: TestSocket[]) => (await expectSameView(threadId, ...sockets)).map(textOf);

describe("edit of a queued message", () => {
  it("replaces its parts in every tab, keeps its place and its author, and is what enters history", async () => {
    const { threadId, socket, epoch } = await openThread();
    await query(threadId, "INSERT INTO cc_member (principal, role) VALUES ('user-2', 'member')");
    const other = await TestSocket.open(threadId, "user-2");
    await socket.send("u1");
    const [second, third] = [sendOf(epoch, "u2"), sendOf(epoch, "u3")];
    await accepted(socket, second);
    await accepted(socket, third);
    const edit = editQueuedOf(epoch, second.id, "u2, better");
    // Its turn runs as who wrote it: another member may take it back, and not put words into its mouth.
    expect(await ask(other, editQueuedOf(epoch, second.id, "u2, forged"))).toMatchObject({ code: "forbidden" });
    expect(await accepted(socket, edit)).toEqual({ type: "ack", ref: edit.id, rev: 4, result: { turnId: second.id } });
    await caughtUp(socket, other);
    for (const seen of [socket, other]) {
      expect(seen.of("delta").at(-1)).toMatchObject({ from: 3, to: 4 });
      expect(replicaOf(seen).queue.map(({ turnId, messageId, author, parts }) => [turnId, messageId, author, textOf({ parts })])).toEqual([
        [second.id, second.messageId, "user-1", "u2, better"],
        [third.id, third.messageId, "user-1", "u3"],
      ]);
    }
    await evict(threadId);
    await socket.ask({ type: "page", id: newId(), before: newId() });
    await reply(threadId, "a1");
    await play(threadId, (run) => {
      expect(run.turn).toMatchObject({ id: second.id, principal: { id: "user-1" }, message: { parts: edit.parts } });
      run.text("a2");
      run.end();
    });
    expect(await nextPrompt(threadId, "a3")).toEqual(["user: u1", "assistant: a1", "user: u2, better", "assistant: a2", "user: u3"]);
    await socket.next("turn", 3);
    expect(await storedTexts(threadId)).toEqual(["u1", "a1", "u2, better", "a2", "u3", "a3"]);
    expect((await freshView(threadId)).messages[2]).toMatchObject({ id: second.messageId, author: "user-1" });
  });

  it("keeps the body that the message came with, unless it brings another", async () => {
    const { threadId, socket, epoch } = await openThread();
    await socket.send("u1");
    const [kept, changed] = [sendOf(epoch, "u2"), sendOf(epoch, "u3")];
    for (const command of [kept, changed]) await accepted(socket, { ...command, body: { tone: "calm" } });
    await accepted(socket, editQueuedOf(epoch, kept.id, "v2"));
    await accepted(socket, editQueuedOf(epoch, changed.id, "v3", { tone: "loud" }));
    await reply(threadId, "a1");
    for (const tone of ["calm", "loud"]) {
      await play(threadId, (run) => {
        expect(run.turn.body).toEqual({ tone });
        run.end();
      });
    }
    await socket.next("turn", 3);
  });

  it("is refused for what has started or ended with already_started, for an unknown turn with not_found", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    const { ref } = await socket.send("u2");
    const gone = await socket.send("u3");
    await end("cancel", socket, epoch, gone.ref);
    const before = await dumpOf(threadId);
    for (const turnId of [ref, ids[1]!, gone.ref]) {
      expect(await ask(socket, editQueuedOf(epoch, turnId, "late"))).toMatchObject({ code: "already_started" });
    }
    expect(await ask(socket, editQueuedOf(epoch, newId(), "late"))).toMatchObject({ code: "not_found" });
    expect(await dumpOf(threadId)).toBe(before);
  });

  it("is refused with a body that is not valid, and when all that waits would be too long; then nothing has changed", async () => {
    const { threadId, socket, epoch } = await openThread();
    await socket.send("u1");
    const long = "x".repeat(LIMITS.maxQueueLength / 2);
    await socket.send(long);
    const { ref } = await socket.send("u3");
    const before = await dumpOf(threadId);
    expect(await ask(socket, editQueuedOf(epoch, ref, long))).toMatchObject({ code: "queue_full" });
    expect(await ask(socket, editQueuedOf(epoch, ref, "x", { tone: 7 }))).toMatchObject({ code: "bad_request" });
    expect(await ask(socket, editQueuedOf(epoch, ref, "x", { tone: "x".repeat(17_000) }))).toMatchObject({ code: "too_large" });
    expect(await dumpOf(threadId)).toBe(before);
    await accepted(socket, editQueuedOf(epoch, ref, long.slice(1_000)));
  });
});

it("the body of a turn that starts at once is the same as from the queue, also when its schema makes what JSON has not", async () => {
  const schema = Object.getOwnPropertyDescriptor(Puppet, "body")!;
  Object.defineProperty(Puppet, "body", { ...schema, value: z.object({ at: z.coerce.date() }) });
  try {
    const { threadId, socket, epoch } = await openThread();
    const body = { at: "2026-01-01T00:00:00.000Z" };
    for (const text of ["at once", "queued"]) await accepted(socket, { ...sendOf(epoch, text), body });
    for (const text of ["a1", "a2"]) {
      await play(threadId, (run) => {
        expect(run.turn.body).toEqual(body);
        run.text(text);
        run.end();
      });
    }
  } finally {
    Object.defineProperty(Puppet, "body", schema);
  }
});

describe("ten sends from two tabs at a barrier", () => {
  it("run one at a time, in the order of acceptance, and each prompt holds every earlier answer", async () => {
    const { threadId, socket, epoch } = await openThread();
    const other = await TestSocket.open(threadId, "user-1");
    const commands = Array.from({ length: 10 }, (_, n) => sendOf(epoch, `u${n}`));
    const acks = await Promise.all(commands.map((command, n) => accepted(n % 2 ? other : socket, command)));
    const order = commands
      .map(({ parts }, n) => ({ text: textOf({ parts }), rev: acks[n]!.rev, position: acks[n]!.result?.position }))
      .sort((a, b) => a.rev - b.rev);
    expect(order.map(({ position }) => position)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let runs = 0;
    const history: string[] = [];
    for (const { text } of order) {
      expect(await query(threadId, "SELECT count(*) AS n FROM cc_turn WHERE state <> 'queued'")).toEqual([{ n: 1 }]);
      await runInDurableObject(stubOf(threadId), ({ plays }) => expect(plays.length).toBeLessThanOrEqual(1));
      const answer = `answer ${++runs}`;
      history.push(`user: ${text}`);
      expect(await nextPrompt(threadId, answer)).toEqual(history);
      history.push(`assistant: ${answer}`);
    }
    await socket.next("turn", 10);
    expect(await sameTexts(threadId, socket, other)).toEqual(history.map((line) => line.replace(/^\w+: /, "")));
    expect((await traceOf(threadId)).alarm).toBeNull();
  });

  it("of every kind keep that order too: questions, edits and other answers start one after the other", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(2);
    const other = await TestSocket.open(threadId, "user-1");
    const commands = [sendOf(epoch, "u3"), regenerateOf(epoch, ids[2]!), editOf(epoch, ids[0]!, "v1"), sendOf(epoch, "v2")];
    await Promise.all(commands.map((command, n) => accepted(n % 2 ? other : socket, command)));
    const prompts = new Map<string, string[]>();
    for (const _ of commands) {
      await play(threadId, async (run) => {
        prompts.set(run.turn.id, await promptOf(run.turn));
        run.text(`answer ${prompts.size}`);
        run.end();
      });
    }
    await socket.next("turn", 6);
    expect([...prompts.keys()].sort()).toEqual(commands.map(({ id }) => id).sort());
    expect(prompts.get(commands[1]!.id)!.at(-1)).toBe("user: u2");
    expect(prompts.get(commands[2]!.id)).toEqual(["user: v1"]);
    await sameTexts(threadId, socket, other);
    expect(await countsOf(threadId)).toMatchObject([{ messages: 4 + 4 + 3, turns: 0 }]);
  });
});

describe("with `busy: reject`", () => {
  it("what would wait is refused with turn_active and stores nothing; the server's own message still gets in line", async () => {
    vi.spyOn(Puppet, "configure").mockReturnValue({ busy: "reject" });
    const { threadId, socket, epoch, ids } = await openTalk(1);
    await socket.send("u2");
    const before = await dumpOf(threadId);
    for (const command of [sendOf(epoch, "u3"), editOf(epoch, ids[0]!, "v1"), regenerateOf(epoch, ids[0]!)]) {
      expect(await ask(socket, command)).toMatchObject({ type: "error", code: "turn_active", retryable: true });
    }
    expect(await dumpOf(threadId)).toBe(before);
    await getThread(PUPPET, { threadId }, { as: "system:cron" }).append("noted");
    await reply(threadId, "a2");
    await socket.next("turn", 2);
    expect(await accepted(socket, sendOf(epoch, "u3"))).toMatchObject({ result: { position: 0 } });
    expect(await nextPrompt(threadId, "a3")).toEqual([
      "user: u1",
      "assistant: a1",
      "user: u2",
      "assistant: a2",
      "assistant: noted",
      "user: u3",
    ]);
  });
});

describe("append by the server", () => {
  const asCron = { as: "system:cron" } as const;

  it("stores a message of the assistant at once when nothing runs, without a turn, and tells every tab", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    const other = await TestSocket.open(threadId, "user-1");
    const thread = getThread(PUPPET, { threadId }, asCron);
    const id = newId();
    expect(await thread.append("Good morning", { id, metadata: { from: "cron" } })).toEqual({ messageId: id });
    const message = {
      id,
      parent: ids[1],
      role: "assistant",
      parts: [{ type: "text", text: "Good morning" }],
      metadata: { from: "cron" },
      author: "system:cron",
      createdAt: expect.any(Number) as number,
    };
    await caughtUp(socket);
    expect(socket.of("delta").at(-1)).toEqual({ type: "delta", from: 2, to: 3, messages: [message], turn: null });
    expect(await sameTexts(threadId, socket, other)).toEqual(["u1", "a1", "Good morning"]);
    expect((await traceOf(threadId)).alarm).toBeNull();
    // Once, however often it is tried.
    expect(await thread.append("Good morning", { id, metadata: { from: "cron" } })).toEqual({ messageId: id });
    await expect(thread.append("Other", { id })).rejects.toMatchObject({ code: "id_reused" });
    expect(await countsOf(threadId)).toMatchObject([{ messages: 3, turns: 0 }]);
    await accepted(socket, sendOf(epoch, "u2"));
    expect((await nextPrompt(threadId, "a2")).slice(1)).toEqual(["assistant: a1", "assistant: Good morning", "user: u2"]);
  });

  it("waits in line behind what was there, unseen, and before what comes later", async () => {
    const { threadId, socket, epoch } = await openThread();
    const thread = getThread(PUPPET, { threadId }, asCron);
    await accepted(socket, sendOf(epoch, "u1"));
    const between = (await thread.append("noted")).messageId;
    const last = sendOf(epoch, "u2");
    await accepted(socket, last);
    await thread.append("noted again");
    expect(replicaOf(socket).queue.map(({ turnId }) => turnId)).toEqual([last.id]);
    expect(await storedTexts(threadId)).toEqual(["u1"]);
    await evict(threadId);
    await caughtUp(socket);
    await reply(threadId, "a1");
    expect(await nextPrompt(threadId, "a2")).toEqual(["user: u1", "assistant: a1", "assistant: noted", "user: u2"]);
    await socket.next("turn", 2);
    expect(await sameTexts(threadId, socket)).toEqual(["u1", "a1", "noted", "u2", "a2", "noted again"]);
    expect(await countsOf(threadId)).toMatchObject([{ turns: 0 }]);
    const [, , noted] = (await freshView(threadId)).messages;
    expect(noted).toMatchObject({ id: between, author: "system:cron" });
    expect((await traceOf(threadId)).alarm).toBeNull();
  });

  it("makes a thread for its owner, and can be the only thing in it", async () => {
    const threadId = newId();
    await getThread(PUPPET, { threadId }, { ...asCron, create: { owner: "user-1" } }).append("Welcome");
    const socket = await TestSocket.open(threadId, "user-1");
    expect(replicaOf(socket).messages).toMatchObject([{ role: "assistant", parent: null, author: "system:cron" }]);
    await accepted(socket, sendOf(socket.epoch, "u1"));
    await reply(threadId, "a1");
    await socket.next("turn");
    expect(await sameTexts(threadId, socket)).toEqual(["Welcome", "u1", "a1"]);
  });

  it("does not end a turn that waits for a person: it stands behind it", async () => {
    const { threadId, socket, epoch } = await openThread();
    const { ref } = await socket.send("u1");
    await play(threadId, (run) => {
      run.write({ type: "tool-input-available", toolCallId: "c1", toolName: "pay", input: {} });
      run.write({ type: "tool-approval-request", toolCallId: "c1", approvalId: "approval-1" });
      run.end();
    });
    await socket.until(() => replicaOf(socket).turn?.state === "waiting");
    await getThread(PUPPET, { threadId }, asCron).append("noted");
    expect(replicaOf(socket).turn).toMatchObject({ id: ref, state: "waiting" });
    await end("stop", socket, epoch, ref);
    await socket.next("turn");
    expect((await sameTexts(threadId, socket)).at(-1)).toBe("noted");
  });

  it("is bounded with the rest of the line", async () => {
    const { threadId, socket } = await openThread();
    for (let n = 0; n < 21; n++) await socket.send(`u${n}`);
    await expect(getThread(PUPPET, { threadId }, asCron).append("one too many")).rejects.toMatchObject({ code: "queue_full" });
  });

  it.each([
    ["no parts", []],
    ["a part without a type", [{ text: "x" }]],
    ["more than a frame holds", "x".repeat(LIMITS.maxFrameBytes)],
  ])("refuses %s and stores nothing", async (_name, input) => {
    const { threadId } = await openThread();
    const before = await dumpOf(threadId);
    await expect(getThread(PUPPET, { threadId }, asCron).append(input as never)).rejects.toMatchObject({ name: "ChatError" });
    expect(await dumpOf(threadId)).toBe(before);
  });
});

describe("a turn that died with another one in line", () => {
  it.each([
    ["few", "few words", 2, ["u1", "again", "u2", "a2"]],
    ["many", "many words ".repeat(30), 1, ["u1", "many words ".repeat(30), "u2", "a2"]],
  ])("after %s words: both answers are messages of their own, in order", async (_name, said, attempts, texts) => {
    const { threadId, socket, epoch } = await openThread();
    const [first, second] = [sendOf(epoch, "u1"), sendOf(epoch, "u2")];
    await accepted(socket, first);
    await accepted(socket, second);
    await play(threadId, (run) => run.text(said));
    await socket.until(() => textOf(replicaOf(socket).live!.message) === said);
    await evict(threadId);
    const visitor = await TestSocket.open(threadId, "user-1");
    if (attempts === 2) await reply(threadId, "again");
    const prompt = await nextPrompt(threadId, "a2");
    expect(prompt.map((line) => line.split(":")[0])).toEqual(["user", "assistant", "user"]);
    await socket.next("turn", 2);
    expect(await sameTexts(threadId, socket, visitor)).toEqual(texts);
    const { messages } = await freshView(threadId);
    expect(messages.map(({ id }) => id)).toEqual([first.messageId, first.id, second.messageId, second.id]);
    expect(messages[1]!.facts?.attempts).toBe(attempts);
  });
});

it("stop of a queued turn by HTTP takes it out, for every tab", async () => {
  const { threadId, socket, epoch } = await openThread();
  await socket.send("u1");
  const { ref } = await socket.send("u2");
  const stop = { type: "stop", id: newId(), epoch, turnId: ref };
  expect((await post(threadId, "user-1", stop)).status).toBe(200);
  await caughtUp(socket);
  expect(replicaOf(socket).queue).toEqual([]);
  await reply(threadId, "a1");
  await socket.next("turn");
  expect(await sameTexts(threadId, socket)).toEqual(["u1", "a1"]);
});
