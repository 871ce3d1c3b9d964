// One command, however often and over whatever road it comes: one effect, one answer. Of every type of command.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AckFrame, Command } from "../../src/protocol/frames.ts";
import { newId } from "../../src/protocol/ids.ts";
import { z } from "zod";
import { accepted, continueOf, editOf, editQueuedOf, openTalk, post, regenerateOf, textOf, type Talk } from "./support/asking.ts";
import { TestSocket } from "./support/client.ts";
import { dumpOf, evict, play, reply, stubOf } from "./support/objects.ts";
import { caughtUp, freshView, replicaOf } from "./support/replicas.ts";
import { expectSameView } from "./support/same-view.ts";
import { ask, end, sendOf } from "./support/threads.ts";
import { Puppet } from "./worker.ts";

const { state, clientTools } = Puppet as { state?: z.ZodType; clientTools: object };
beforeAll(() => void Object.assign(Puppet, { state: z.object({ mode: z.string().default("chat") }), clientTools: { pickDate: {} } }));
afterAll(() => void Object.assign(Puppet, { state, clientTools }));

const LONG = "A few words. ".repeat(20);

/** A run that waits for an approval and for a client. */
async function waits({ threadId, socket }: Talk): Promise<string> {
  const { ref } = await socket.send("u2");
  await play(threadId, (run) => {
    run.write({ type: "tool-input-available", toolCallId: "call-1", toolName: "pay", input: {} });
    run.write({ type: "tool-approval-request", toolCallId: "call-1", approvalId: "approval-1" });
    run.write({ type: "tool-input-available", toolCallId: "call-2", toolName: "pickDate", input: {} });
    run.end();
  });
  await socket.until(() => replicaOf(socket).turn?.state === "waiting");
  return ref;
}

/** A reply that was stopped, as the head. */
async function stopped({ threadId, socket, epoch }: Talk): Promise<string> {
  const { ref } = await socket.send("u2");
  await play(threadId, (run) => run.text(LONG));
  await socket.until(() => textOf(replicaOf(socket).live!.message) === LONG);
  await end("stop", socket, epoch, ref);
  return ref;
}

/** The last question that was asked. */
const questionOf = ({ socket }: Talk): string => replicaOf(socket).messages.findLast(({ role }) => role === "user")!.id;

/** What a person could do in a thread of one question and its answer, and what has to be there for it. */
const COMMANDS: Record<string, (talk: Talk) => Promise<Command> | Command> = {
  "a send": ({ epoch }) => sendOf(epoch, "u2"),
  "a send that waits": async ({ epoch, socket }) => (await socket.send("u2"), sendOf(epoch, "u3")),
  "an edit of a message": ({ epoch, ids }) => editOf(epoch, ids[0]!, "v1"),
  "an edit of a message that waits": async ({ epoch, ids, socket }) => (await socket.send("u2"), editOf(epoch, ids[0]!, "v1")),
  "an edit of a queued message": async ({ epoch, socket }) => {
    await socket.send("u2");
    return editQueuedOf(epoch, (await socket.send("u3")).ref, "u3, better");
  },
  "a regenerate": ({ epoch, ids }) => regenerateOf(epoch, ids[0]!),
  "a continue": async (talk) => continueOf(talk.epoch, await stopped(talk)),
  "a stop of a running turn": async ({ epoch, socket }) => ({ type: "stop", id: newId(), epoch, turnId: (await socket.send("u2")).ref }),
  "a stop of a waiting turn": async (talk) => ({ type: "stop", id: newId(), epoch: talk.epoch, turnId: await waits(talk) }),
  "a stop of a turn that has ended": ({ epoch, ids }) => ({ type: "stop", id: newId(), epoch, turnId: ids[1]! }),
  "a cancel": async ({ epoch, socket }) => {
    await socket.send("u2");
    return { type: "cancel", id: newId(), epoch, turnId: (await socket.send("u3")).ref };
  },
  "an approval": async (talk) => {
    const turnId = await waits(talk);
    return { type: "resolve", id: newId(), epoch: talk.epoch, turnId, approvalId: "approval-1", approved: true };
  },
  "a rejection, the last answer": async (talk) => {
    const turnId = await waits(talk);
    await accepted(talk.socket, { type: "resolve", id: newId(), epoch: talk.epoch, turnId, callId: "call-2", output: "today" });
    return { type: "resolve", id: newId(), epoch: talk.epoch, turnId, approvalId: "approval-1", approved: false, reason: "no" };
  },
  "an output of a client tool": async (talk) => {
    const turnId = await waits(talk);
    return { type: "resolve", id: newId(), epoch: talk.epoch, turnId, callId: "call-2", output: { date: "2026-11-21" } };
  },
  "a claim": async (talk) => ({ type: "claim", id: newId(), epoch: talk.epoch, turnId: await waits(talk), callId: "call-2" }),
  "a set of the state": ({ epoch }) => ({ type: "set", id: newId(), epoch, field: "state", value: { mode: "code" } }),
  "a set of the state as it was": ({ epoch }) => ({ type: "set", id: newId(), epoch, field: "state", value: { mode: "code" }, ifRev: 0 }),
  "a set of the title": ({ epoch }) => ({ type: "set", id: newId(), epoch, field: "title", value: "Dates" }),
};

/** The answer to a command over HTTP. */
async function posted(threadId: string, command: Command): Promise<AckFrame> {
  const response = await post(threadId, "user-1", command);
  const { ack } = await response.json<{ ack: AckFrame }>();
  return ack;
}

describe("the same command three times, over two sockets and HTTP, has one effect and one answer:", () => {
  it.each(Object.entries(COMMANDS))("%s", async (_name, make) => {
    const talk = await openTalk(1);
    const { threadId, socket } = talk;
    const other = await TestSocket.open(threadId, "user-1");
    const command = await make(talk);
    const ack = await accepted(socket, command);
    const stored = await dumpOf(threadId);
    await caughtUp(socket, other);
    const seen = [socket.frames.length, other.frames.length];

    const repeats = [await ask(socket, command), await ask(other, command), await posted(threadId, command)];
    const reordered = Object.fromEntries(Object.entries(command).reverse());
    repeats.push(await ask(other, reordered), await ask(other, { ...command, epoch: newId() }));
    expect(repeats).toEqual(repeats.map(() => ack));
    expect(await dumpOf(threadId)).toBe(stored);
    // The answers are all that anybody heard.
    await caughtUp(socket, other);
    expect([socket.frames.length, other.frames.length]).toEqual([seen[0]! + 2, seen[1]! + 4]);

    const before = stored;
    await evict(threadId);
    await runVisit(threadId);
    const woken = await dumpOf(threadId);
    expect([await posted(threadId, command), await ask(other, command), await ask(socket, command)]).toEqual([ack, ack, ack]);
    expect(await dumpOf(threadId)).toBe(woken);
    expect(JSON.parse(woken)).toHaveLength((JSON.parse(before) as unknown[]).length);
    await expectSameView(threadId, socket, other);
  });

  it.each(Object.entries(COMMANDS))("%s, all three at once", async (_name, make) => {
    const talk = await openTalk(1);
    const { threadId, socket } = talk;
    const other = await TestSocket.open(threadId, "user-1");
    const command = await make(talk);
    const roads = [() => ask(socket, command), () => ask(other, command)];
    // A claim is for a connection.
    if (command.type !== "claim") roads.push(() => posted(threadId, command));
    const answers = await Promise.all(roads.map((send) => send()));
    expect(answers[0]).toMatchObject({ type: "ack", ref: command.id });
    expect(answers).toEqual(answers.map(() => answers[0]));
    await expectSameView(threadId, socket, other);
  });

  it.each(["a send", "an edit of a message", "a regenerate", "a continue"])("%s that was cancelled in the queue stays so", async (name) => {
    const talk = await openTalk(1);
    const { threadId, socket, epoch, ids } = talk;
    const head = name === "a continue" ? await stopped(talk) : "";
    // A `continue` waits behind another answer to the same question only.
    const running = name === "a continue" ? regenerateOf(epoch, questionOf(talk)) : sendOf(epoch, "u2");
    await accepted(socket, running);
    const command =
      { "a send": sendOf(epoch, "u3"), "an edit of a message": editOf(epoch, ids[0]!, "v1"), "a regenerate": regenerateOf(epoch, ids[0]!) }[
        name
      ] ?? continueOf(epoch, head);
    const ack = await accepted(socket, command);
    expect(ack.result).toEqual({ turnId: command.id, position: 1 });
    expect(await end("cancel", socket, epoch, command.id)).toMatchObject({ type: "ack" });
    const stored = await dumpOf(threadId);
    const other = await TestSocket.open(threadId, "user-1");
    expect([await ask(socket, command), await ask(other, command), await posted(threadId, command)]).toEqual([ack, ack, ack]);
    expect(await dumpOf(threadId)).toBe(stored);
    await reply(threadId, "a2");
    await evict(threadId);
    expect(await ask(other, command)).toEqual(ack);
    const { queue, turn } = await freshView(threadId);
    expect([queue, turn]).toEqual([[], null]);
  });

  it.each(Object.entries(COMMANDS))("%s: its id for another command is refused with id_reused, over every road", async (_name, make) => {
    const talk = await openTalk(1);
    const { threadId, socket } = talk;
    const command = await make(talk);
    await accepted(socket, command);
    const stored = await dumpOf(threadId);
    const others: object[] = [
      { type: "set", id: command.id, epoch: talk.epoch, field: "title", value: "Another" },
      { type: "cancel", id: command.id, epoch: talk.epoch, turnId: newId() },
      { ...sendOf(talk.epoch), id: command.id },
    ];
    for (const another of others) {
      expect(await ask(socket, another)).toMatchObject({ type: "error", code: "id_reused", ref: command.id });
      expect((await post(threadId, "user-1", another)).status).toBe(409);
    }
    expect(await dumpOf(threadId)).toBe(stored);
  });
});

/** Wakes the object as a visitor would, without a word. */
async function runVisit(threadId: string): Promise<void> {
  await stubOf(threadId).command({ principal: { id: "user-1" }, tenant: "", threadId, command: {} });
}
