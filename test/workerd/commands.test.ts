// send: the same command has the same effect, over any road and after any eviction; the queue keeps its order.
import { describe, expect, it } from "vitest";
import type { SendCommand } from "../../src/protocol/frames.ts";
import { newId } from "../../src/protocol/ids.ts";
import { TestSocket } from "./support/client.ts";
import { dumpOf, evict, play, query, reply } from "./support/objects.ts";
import { ask, countsOf, end, openThread, sendOf } from "./support/threads.ts";

describe("a send with the id of an earlier one", () => {
  it("gets the same ack and does nothing: while it runs, over another socket, after its end, after an eviction", async () => {
    const { threadId, socket, epoch } = await openThread();
    const other = await TestSocket.open(threadId, "user-1");
    const command = sendOf(epoch);
    const ack = await ask(socket, command);
    expect(ack).toEqual({ type: "ack", ref: command.id, rev: 1, result: { turnId: command.id, position: 0 } });
    expect(await ask(socket, command)).toEqual(ack);
    expect(await ask(other, command)).toEqual(ack);
    expect(await countsOf(threadId)).toEqual([{ messages: 1, turns: 1, commands: 1 }]);

    await reply(threadId, "answer");
    await other.next("turn");
    const settled = await dumpOf(threadId);
    expect(await ask(socket, command)).toEqual(ack);
    await evict(threadId);
    expect(await ask(other, command)).toEqual(ack);
    const third = await TestSocket.open(threadId, "user-1");
    expect(await ask(third, command)).toEqual(ack);
    expect(await dumpOf(threadId)).toBe(settled);
    expect(other.of("delta")).toHaveLength(1);
  });

  it("sent by both sockets at once starts one turn", async () => {
    const { threadId, socket, epoch } = await openThread();
    const other = await TestSocket.open(threadId, "user-1");
    const command = sendOf(epoch);
    const [first, second] = await Promise.all([ask(socket, command), ask(other, command)]);
    expect(second).toEqual(first);
    expect(await countsOf(threadId)).toEqual([{ messages: 1, turns: 1, commands: 1 }]);
  });

  it("keeps its position in the ack though the queue has moved", async () => {
    const { threadId, socket, epoch } = await openThread();
    await socket.send("first");
    const queued = sendOf(epoch);
    const ack = await ask(socket, queued);
    expect(ack).toMatchObject({ result: { position: 1 } });
    await reply(threadId, "answer");
    await socket.next("turn");
    expect(await ask(socket, queued)).toEqual(ack);
  });

  it.each<[string, (command: SendCommand) => object]>([
    ["another text", () => ({ parts: [{ type: "text", text: "Other" }] })],
    ["another message id", () => ({ messageId: newId() })],
    ["a body", () => ({ body: { tone: "calm" } })],
    ["another type", ({ id }) => ({ type: "stop", turnId: id, parts: undefined, messageId: undefined })],
  ])("and %s is refused with id_reused", async (_name, change) => {
    const { threadId, socket, epoch } = await openThread();
    const command = sendOf(epoch);
    await ask(socket, command);
    const before = await dumpOf(threadId);
    expect(await ask(socket, { ...command, ...change(command) })).toMatchObject({ type: "error", code: "id_reused", ref: command.id });
    expect(await dumpOf(threadId)).toBe(before);
  });

  it("from another principal is refused with id_reused, and learns nothing", async () => {
    const { threadId, socket, epoch } = await openThread();
    await query(threadId, "INSERT INTO cc_member (principal, role) VALUES ('user-2', 'member')");
    const other = await TestSocket.open(threadId, "user-2");
    const command = sendOf(epoch);
    await ask(socket, command);
    const refusal = await ask(other, command);
    expect(refusal).toMatchObject({ type: "error", code: "id_reused" });
    expect(JSON.stringify(refusal)).not.toContain("turnId");
  });

  it("whose keys come in another order is the same send", async () => {
    const { socket, epoch } = await openThread();
    const command = sendOf(epoch);
    const ack = await ask(socket, command);
    expect(await ask(socket, Object.fromEntries(Object.entries(command).reverse()))).toEqual(ack);
  });

  it("that was refused may be sent again, and then counts", async () => {
    const { socket, epoch } = await openThread();
    const command = sendOf(epoch);
    expect(await ask(socket, { ...command, epoch: newId() })).toMatchObject({ code: "stale_epoch" });
    expect(await ask(socket, command)).toMatchObject({ type: "ack", rev: 1 });
  });
});

describe("ids that are taken are refused with id_reused for a new", () => {
  const REUSED: Record<string, (first: SendCommand) => { id?: string; messageId?: string }> = {
    "message with the id of a user message": ({ messageId }) => ({ messageId }),
    "message with the id of a turn or reply": ({ id }) => ({ messageId: id }),
    "turn with the id of a user message": ({ messageId }) => ({ id: messageId }),
  };

  it.each(Object.entries(REUSED))("%s, in the running turn, in history and in the queue", async (_name, idsOf) => {
    const { threadId, socket, epoch } = await openThread();
    const first = sendOf(epoch);
    await ask(socket, first);
    expect(await ask(socket, sendOf(epoch, "Other", idsOf(first)))).toMatchObject({ code: "id_reused" });
    const queued = sendOf(epoch);
    await ask(socket, queued);
    expect(await ask(socket, sendOf(epoch, "Other", idsOf(queued)))).toMatchObject({ code: "id_reused" });
    await reply(threadId, "answer");
    await socket.next("turn");
    expect(await ask(socket, sendOf(epoch, "Other", idsOf(first)))).toMatchObject({ code: "id_reused" });
    expect(await countsOf(threadId)).toEqual([{ messages: 3, turns: 1, commands: 2 }]);
  });

  it("message with the id of a stop", async () => {
    const { socket, epoch } = await openThread();
    const { ref } = await socket.send("first");
    const stop = { type: "stop", id: newId(), epoch, turnId: ref };
    await ask(socket, stop);
    expect(await ask(socket, sendOf(epoch, "Other", { messageId: stop.id }))).toMatchObject({ code: "id_reused" });
  });
});

describe("the queue", () => {
  it("starts turns in the order of acceptance, whoever sent them, and shows itself to every socket", async () => {
    const { threadId, socket } = await openThread();
    const other = await TestSocket.open(threadId, "user-1");
    const acks = [await socket.send("one"), await other.send("two"), await socket.send("three")];
    expect(acks.map(({ result }) => result?.position)).toEqual([0, 1, 2]);
    const queueOf = (seen: TestSocket) =>
      seen
        .of("delta")
        .findLast(({ queue }) => queue !== undefined)
        ?.queue?.map(({ turnId }) => turnId);
    await other.until((seen) => queueOf(seen)?.length === 2);
    for (const seen of [socket, other]) expect(queueOf(seen)).toEqual([acks[1]!.ref, acks[2]!.ref]);
    for (const text of ["1", "2", "3"]) await reply(threadId, text);
    await other.next("turn", 3);
    const fresh = await TestSocket.open(threadId, "user-1");
    const texts = fresh
      .of("snapshot")[0]!
      .messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === "text" ? [part.text] : [])));
    expect(texts).toEqual(["one", "1", "two", "2", "three", "3"]);
    expect(queueOf(other)).toEqual([]);
  });

  it("takes 20 turns behind the running one and refuses the next with queue_full, until one has left", async () => {
    const { threadId, socket, epoch } = await openThread();
    const acks = [];
    for (let n = 0; n < 21; n++) acks.push(await socket.send(`text ${n}`));
    expect(acks.at(-1)!.result?.position).toBe(20);
    const before = await dumpOf(threadId);
    const late = sendOf(epoch);
    expect(await ask(socket, late)).toMatchObject({ type: "error", code: "queue_full", retryable: true, ref: late.id });
    expect(await dumpOf(threadId)).toBe(before);
    await end("cancel", socket, epoch, acks[7]!.ref);
    expect(await ask(socket, late)).toMatchObject({ type: "ack", result: { position: 20 } });
  });

  it("survives an eviction: the turn that ran ends as interrupted, the next in line starts", async () => {
    const { threadId, socket } = await openThread();
    const ran = await socket.send("one");
    const waited = await socket.send("two");
    await play(threadId, (run) => run.text("So far ".repeat(40)));
    await socket.next("chunks");
    await evict(threadId);
    const next = await socket.send("three");
    expect(next.result?.position).toBe(1);
    expect((await socket.next("turn")).ended).toMatchObject({ turnId: ran.ref, messageId: ran.ref, facts: { outcome: "interrupted" } });
    await play(threadId, (run) => expect(run.turn.id).toBe(waited.ref));
  });
});
