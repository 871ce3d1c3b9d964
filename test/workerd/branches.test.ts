// edit and regenerate: another question or another answer beside the old one. What was there stays stored; every client, the
// model and a later load see one branch.
import { describe, expect, it } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import { accepted, editOf, editQueuedOf, nextPrompt, openTalk, regenerateOf, storedTexts, textOf } from "./support/asking.ts";
import { TestSocket } from "./support/client.ts";
import { dumpOf, evict, play, query, reply } from "./support/objects.ts";
import { caughtUp, cursorAt, freshView, replicaOf, returned, viewOf } from "./support/replicas.ts";
import { expectSameView } from "./support/same-view.ts";
import { ask, countsOf, end, sendOf } from "./support/threads.ts";

const headOf = async (threadId: string) => (await query<{ head: string }>(threadId, "SELECT head FROM cc_session"))[0]!.head;

/** What all sockets show, as texts. */
const sameTexts = async (threadId: string, ...sockets: TestSocket[]) => (await expectSameView(threadId, ...sockets)).map(textOf);

describe("edit of a message", () => {
  it("stores a sibling at its start, moves the head there, and tells every socket by a snapshot", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(2);
    const other = await TestSocket.open(threadId, "user-1");
    const edit = editOf(epoch, ids[0]!, "v1");
    expect(await accepted(other, edit)).toMatchObject({ rev: 5, result: { turnId: edit.id, position: 0 } });
    await caughtUp(socket);
    for (const seen of [socket, other]) {
      const snapshot = seen.of("snapshot").at(-1)!;
      expect(snapshot.messages).toEqual([
        { id: edit.newMessageId, parent: null, role: "user", parts: edit.parts, author: "user-1", createdAt: expect.any(Number) as number },
      ]);
      expect(snapshot.turn).toEqual({
        id: edit.id,
        kind: "edit",
        messageId: edit.id,
        parent: edit.newMessageId,
        base: 0,
        state: "running",
        attempt: 1,
      });
      expect(snapshot.session.rev).toBe(5);
    }
    expect(await headOf(threadId)).toBe(edit.newMessageId);
    expect(await nextPrompt(threadId, "w1")).toEqual(["user: v1"]);
    await socket.next("turn", 3);
    expect(await sameTexts(threadId, socket, other)).toEqual(["v1", "w1"]);
    expect(await storedTexts(threadId)).toEqual(["u1", "a1", "u2", "a2", "v1", "w1"]);
  });

  it("of a later message keeps what is above it, for the reader and for the model", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(3);
    const edit = editOf(epoch, ids[4]!, "v3");
    await accepted(socket, edit);
    expect(await nextPrompt(threadId, "w3")).toEqual(["user: u1", "assistant: a1", "user: u2", "assistant: a2", "user: v3"]);
    await socket.next("turn", 4);
    expect(await sameTexts(threadId, socket)).toEqual(["u1", "a1", "u2", "a2", "v3", "w3"]);
    const next = sendOf(epoch, "u4");
    await accepted(socket, next);
    expect((await nextPrompt(threadId, "a4")).slice(4)).toEqual(["user: v3", "assistant: w3", "user: u4"]);
  });

  it("gives a cursor from before it a snapshot, and one from after it a delta", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(2);
    const away = replicaOf(socket);
    const edit = editOf(epoch, ids[2]!, "v2");
    await accepted(socket, edit);
    const since = replicaOf(socket);
    await play(threadId, (run) => run.text("w2"));
    await socket.until(() => socket.of("chunks").some(({ turnId }) => turnId === edit.id));
    await caughtUp(socket);
    const [early, late] = [await returned(threadId, away), await returned(threadId, since)];
    expect(early.types).toEqual(["snapshot"]);
    expect(late.types[0]).toBe("delta");
    for (const { replica } of [early, late]) expect(viewOf(replica)).toEqual(viewOf(replicaOf(socket)));
    expect(cursorAt(socket)).toContain(edit.id);
  });

  it("waits in the queue while a turn runs, and moves the head only when it starts", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    const running = sendOf(epoch, "u2");
    await accepted(socket, running);
    const edit = editOf(epoch, ids[0]!, "v1");
    expect(await accepted(socket, edit)).toMatchObject({ result: { position: 1 } });
    expect(replicaOf(socket).queue).toEqual([
      {
        turnId: edit.id,
        kind: "edit",
        messageId: edit.newMessageId,
        parts: edit.parts,
        author: "user-1",
        createdAt: expect.any(Number) as number,
      },
    ]);
    expect(await headOf(threadId)).toBe(running.messageId);
    expect(await storedTexts(threadId)).toEqual(["u1", "a1", "u2"]);
    await accepted(socket, editQueuedOf(epoch, edit.id, "v1 again"));
    expect(socket.of("snapshot")).toHaveLength(1);
    await reply(threadId, "a2");
    expect(await nextPrompt(threadId, "w1")).toEqual(["user: v1 again"]);
    await socket.next("turn", 3);
    expect(await sameTexts(threadId, socket)).toEqual(["v1 again", "w1"]);
    expect(await storedTexts(threadId)).toEqual(["u1", "a1", "u2", "a2", "v1 again", "w1"]);
  });

  it("that was cancelled in the queue leaves no trace", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    await socket.send("u2");
    const edit = editOf(epoch, ids[0]!, "v1");
    await accepted(socket, edit);
    await end("cancel", socket, epoch, edit.id);
    await reply(threadId, "a2");
    await socket.next("turn", 2);
    expect(await sameTexts(threadId, socket)).toEqual(["u1", "a1", "u2", "a2"]);
    expect(socket.of("snapshot")).toHaveLength(1);
    expect(await storedTexts(threadId)).not.toContain("v1");
  });

  it("of the message that is being answered starts when that answer has ended", async () => {
    const { threadId, socket, epoch } = await openTalk(0);
    const first = sendOf(epoch, "u1");
    await accepted(socket, first);
    await accepted(socket, editOf(epoch, first.messageId, "v1"));
    await reply(threadId, "a1");
    expect(await nextPrompt(threadId, "w1")).toEqual(["user: v1"]);
    await socket.next("turn", 2);
    expect(await sameTexts(threadId, socket)).toEqual(["v1", "w1"]);
  });

  it("of a message on an older branch goes back there", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(2);
    await accepted(socket, editOf(epoch, ids[0]!, "v1"));
    await reply(threadId, "w1");
    await socket.next("turn", 3);
    await accepted(socket, editOf(epoch, ids[2]!, "x2"));
    expect(await nextPrompt(threadId, "y2")).toEqual(["user: u1", "assistant: a1", "user: x2"]);
    await socket.next("turn", 4);
    expect(await sameTexts(threadId, socket)).toEqual(["u1", "a1", "x2", "y2"]);
  });

  it("whose turn has no output puts the outcome on the new message", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    const edit = editOf(epoch, ids[0]!, "v1");
    await accepted(socket, edit);
    await play(threadId, (run) => run.fail(new Error("no")));
    const { ended } = await socket.next("turn", 2);
    expect(ended).toMatchObject({ turnId: edit.id, messageId: edit.newMessageId, facts: { outcome: "failed" } });
    expect(ended.isLastTurn).toBeUndefined();
    expect(await sameTexts(threadId, socket)).toEqual(["v1"]);
  });

  it("survives an eviction: the new branch is there and its turn runs again", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(2);
    const edit = editOf(epoch, ids[0]!, "v1");
    await accepted(socket, edit);
    await play(threadId, () => {});
    await evict(threadId);
    const visitor = await TestSocket.open(threadId, "user-1");
    expect(replicaOf(visitor)).toMatchObject({ turn: { id: edit.id, kind: "edit", attempt: 2 }, messages: [{ id: edit.newMessageId }] });
    expect(await nextPrompt(threadId, "w1")).toEqual(["user: v1"]);
    await visitor.next("turn");
    expect(await sameTexts(threadId, socket, visitor)).toEqual(["v1", "w1"]);
  });

  it("is refused for a reply, an unknown message and ids that are taken, and changes nothing", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    const before = await dumpOf(threadId);
    const refused = async (change: object) => {
      const answer = await ask(socket, { ...editOf(epoch, ids[0]!, "v1"), ...change });
      return answer.type === "error" ? answer.code : answer.type;
    };
    const same = newId();
    expect(await refused({ messageId: ids[1]! })).toBe("bad_request");
    expect(await refused({ messageId: newId() })).toBe("not_found");
    expect(await refused({ newMessageId: ids[0]! })).toBe("id_reused");
    expect(await refused({ newMessageId: ids[1]! })).toBe("id_reused");
    expect(await refused({ id: ids[0]! })).toBe("id_reused");
    expect(await refused({ id: same, newMessageId: same })).toBe("id_reused");
    expect(await dumpOf(threadId)).toBe(before);
  });
});

describe("regenerate", () => {
  it("runs under the user message without the old reply, and moves the head only with the new one", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(2);
    const other = await TestSocket.open(threadId, "user-1");
    const away = replicaOf(other);
    const again = regenerateOf(epoch, ids[2]!);
    expect(await accepted(socket, again)).toMatchObject({ rev: 4, result: { turnId: again.id, position: 0 } });
    await caughtUp(other);
    for (const seen of [socket, other]) {
      expect(seen.of("delta").at(-1)).toEqual({
        type: "delta",
        from: 4,
        to: 4,
        turn: { id: again.id, kind: "regenerate", messageId: again.id, parent: ids[2]!, base: 0, state: "running", attempt: 1 },
      });
    }
    expect(await headOf(threadId)).toBe(ids[3]);
    expect((await freshView(threadId)).messages.map(textOf)).toEqual(["u1", "a1", "u2", "a2"]);
    const midway = await returned(threadId, away);
    expect(midway.types).toEqual(["delta"]);
    expect(viewOf(midway.replica)).toEqual(viewOf(replicaOf(socket)));
    expect(await nextPrompt(threadId, "b2")).toEqual(["user: u1", "assistant: a1", "user: u2"]);
    const { ended } = await socket.next("turn", 3);
    expect(ended).toMatchObject({ turnId: again.id, messageId: again.id, facts: { outcome: "completed" } });
    expect(await headOf(threadId)).toBe(again.id);
    expect(await sameTexts(threadId, socket, other)).toEqual(["u1", "a1", "u2", "b2"]);
    const back = await returned(threadId, away);
    expect(back.types).toEqual(["snapshot"]);
    expect(viewOf(back.replica)).toEqual(viewOf(replicaOf(socket)));
    expect(await storedTexts(threadId)).toEqual(["u1", "a1", "u2", "a2", "b2"]);
  });

  it("of an earlier message takes the place of all that is below it", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(3);
    await accepted(socket, regenerateOf(epoch, ids[0]!));
    expect(await nextPrompt(threadId, "b1")).toEqual(["user: u1"]);
    await socket.next("turn", 4);
    expect(await sameTexts(threadId, socket)).toEqual(["u1", "b1"]);
    const next = sendOf(epoch, "v2");
    await accepted(socket, next);
    expect(await nextPrompt(threadId, "w2")).toEqual(["user: u1", "assistant: b1", "user: v2"]);
  });

  it.each([
    ["failed", (threadId: string) => play(threadId, (run) => run.fail(new Error("no")))],
    ["completed", (threadId: string) => play(threadId, (run) => run.end())],
  ])("that %s without output leaves the old reply, and is the user message's last turn", async (outcome, perform) => {
    const { threadId, socket, epoch, ids } = await openTalk(2);
    const other = await TestSocket.open(threadId, "user-1");
    const away = replicaOf(other);
    const again = regenerateOf(epoch, ids[2]!);
    await accepted(socket, again);
    await perform(threadId);
    const { ended } = await socket.next("turn", 3);
    expect(ended).toMatchObject({ turnId: again.id, messageId: ids[2], isLastTurn: true, facts: { outcome } });
    expect(ended.createdAt).toBeUndefined();
    expect(await sameTexts(threadId, socket, other)).toEqual(["u1", "a1", "u2", "a2"]);
    const { messages } = await freshView(threadId);
    expect(messages[2]).toMatchObject({ lastTurn: { outcome } });
    expect(messages[2]!.facts).toBeUndefined();
    expect(messages[3]).toMatchObject({ id: ids[3], facts: { outcome: "completed" } });
    const back = await returned(threadId, away);
    expect(back.types).toEqual(["delta"]);
    expect(viewOf(back.replica)).toEqual(viewOf(replicaOf(socket)));
  });

  it("that was stopped without output leaves the old reply; with output it takes its place", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    const first = regenerateOf(epoch, ids[0]!);
    await accepted(socket, first);
    await play(threadId, () => {});
    await end("stop", socket, epoch, first.id);
    expect((await socket.next("turn", 2)).ended).toMatchObject({ isLastTurn: true, facts: { outcome: "stopped" } });
    expect(await sameTexts(threadId, socket)).toEqual(["u1", "a1"]);
    const second = regenerateOf(epoch, ids[0]!);
    await accepted(socket, second);
    await play(threadId, (run) => run.text("b1"));
    await socket.until(() => replicaOf(socket).live!.message.parts.length > 1);
    await end("stop", socket, epoch, second.id);
    expect((await socket.next("turn", 3)).ended).toMatchObject({ messageId: second.id, facts: { outcome: "stopped" } });
    expect(await sameTexts(threadId, socket)).toEqual(["u1", "b1"]);
  });

  it("answers a user message that has no reply, without another branch", async () => {
    const { threadId, socket, epoch } = await openTalk(0);
    const first = sendOf(epoch, "u1");
    await accepted(socket, first);
    await play(threadId, (run) => run.fail(new Error("no")));
    await socket.next("turn");
    const away = replicaOf(socket);
    await accepted(socket, regenerateOf(epoch, first.messageId));
    expect(await nextPrompt(threadId, "a1")).toEqual(["user: u1"]);
    await socket.next("turn", 2);
    expect(await sameTexts(threadId, socket)).toEqual(["u1", "a1"]);
    expect((await returned(threadId, away)).types).toEqual(["delta"]);
  });

  it("waits in the queue while a turn runs, and can be taken back there", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    await socket.send("u2");
    const [kept, dropped] = [regenerateOf(epoch, ids[0]!), regenerateOf(epoch, ids[0]!)];
    await accepted(socket, kept);
    await accepted(socket, dropped);
    expect(replicaOf(socket).queue.map(({ turnId, kind, messageId, parts }) => [turnId, kind, messageId, parts])).toEqual([
      [kept.id, "regenerate", ids[0], []],
      [dropped.id, "regenerate", ids[0], []],
    ]);
    await end("cancel", socket, epoch, dropped.id);
    expect(await ask(socket, editQueuedOf(epoch, kept.id, "no message of its own"))).toMatchObject({ code: "bad_request" });
    await reply(threadId, "a2");
    expect(await nextPrompt(threadId, "b1")).toEqual(["user: u1"]);
    await socket.next("turn", 3);
    expect(await sameTexts(threadId, socket)).toEqual(["u1", "b1"]);
    expect(await countsOf(threadId)).toMatchObject([{ messages: 5, turns: 0 }]);
  });

  it("of a message that the head has left goes back to its branch: a client that does not hold it asks, and gets a snapshot", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    await accepted(socket, sendOf(epoch, "u2"));
    await accepted(socket, editOf(epoch, ids[0]!, "v1"));
    await accepted(socket, regenerateOf(epoch, ids[0]!));
    await reply(threadId, "a2");
    await reply(threadId, "w1");
    expect(await nextPrompt(threadId, "b1")).toEqual(["user: u1"]);
    await socket.next("turn", 4);
    const end = socket.frames.findLastIndex(({ type }) => type === "turn");
    const held = replicaOf({ frames: socket.frames.slice(0, end) });
    expect(held.messages.map(textOf).at(0)).toBe("v1");
    const back = await returned(threadId, held);
    expect(back.types).toEqual(["snapshot"]);
    expect(back.replica.messages.map(textOf)).toEqual(["u1", "b1"]);
  });

  it("survives an eviction, early and late: repeated, or kept as interrupted in the place of the old reply", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(2);
    const again = regenerateOf(epoch, ids[0]!);
    await accepted(socket, again);
    await play(threadId, (run) => run.text("few words"));
    await socket.until(() => replicaOf(socket).live!.message.parts.length > 1);
    await evict(threadId);
    const visitor = await TestSocket.open(threadId, "user-1");
    expect(replicaOf(visitor).turn).toMatchObject({ id: again.id, kind: "regenerate", parent: ids[0], attempt: 2 });
    await play(threadId, (run) => run.text("many words ".repeat(30)));
    await visitor.until(() => textOf(replicaOf(visitor).live!.message).length > 300);
    await evict(threadId);
    await TestSocket.open(threadId, "user-1");
    expect((await visitor.next("turn")).ended).toMatchObject({ messageId: again.id, facts: { outcome: "interrupted" } });
    expect(await sameTexts(threadId, socket, visitor)).toEqual(["u1", "many words ".repeat(30)]);
  });

  it("is refused for a reply, an unknown message and an id that is taken, and changes nothing", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    const before = await dumpOf(threadId);
    expect(await ask(socket, regenerateOf(epoch, ids[1]!))).toMatchObject({ code: "bad_request" });
    expect(await ask(socket, regenerateOf(epoch, newId()))).toMatchObject({ code: "not_found" });
    expect(await ask(socket, { ...regenerateOf(epoch, ids[0]!), id: ids[0] })).toMatchObject({ code: "id_reused" });
    expect(await ask(socket, { ...regenerateOf(epoch, ids[0]!), id: ids[1] })).toMatchObject({ code: "id_reused" });
    expect(await ask(socket, { ...regenerateOf(epoch, ids[0]!), body: { tone: 7 } })).toMatchObject({ code: "bad_request" });
    expect(await dumpOf(threadId)).toBe(before);
  });
});
