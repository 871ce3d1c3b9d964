import { describe, expect, it } from "vitest";
import { applyFrame, cursorOf, EMPTY_REPLICA, type Replica } from "../../../src/client/replica.ts";
import type { ServerFrame } from "../../../src/protocol/frames.ts";
import type { Part } from "../../../src/protocol/messages.ts";
import { callChunks, END_OF_TEXT, ModelThread, NOTICE, textChunks } from "./model-thread.ts";

const parts: Part[] = [{ type: "text", text: "Hello" }];

/** A thread, a replica of it from a fresh load, and a way to let it have the frames that come from now on. */
function loaded(prepare: (thread: ModelThread) => void = () => {}) {
  const thread = new ModelThread();
  prepare(thread);
  let replica = must(applyFrame(EMPTY_REPLICA, thread.snapshot()));
  thread.frames.length = 0;
  return {
    thread,
    get replica() {
      return replica;
    },
    take(frame: ServerFrame): boolean {
      const next = applyFrame(replica, frame);
      replica = next ?? replica;
      return next !== null;
    },
    takeAll(): boolean {
      return thread.frames.splice(0).every((frame) => this.take(frame));
    },
    sync(): void {
      for (const frame of thread.sync(cursorOf(replica))) expect(this.take(frame)).toBe(true);
    },
  };
}

function must(replica: Replica | null): Replica {
  if (!replica) throw new Error("a sync was asked for");
  return replica;
}

const fresh = (thread: ModelThread) => must(applyFrame(EMPTY_REPLICA, thread.snapshot()));
const ask = (n: number) => ({ id: `turn${n}`, messageId: `message${n}`, parts });
function exchange(thread: ModelThread, n: number): void {
  thread.send(ask(n));
  thread.chunks(...textChunks(`Reply ${n}`), ...END_OF_TEXT);
  thread.end();
}

describe("replica: snapshot", () => {
  it("shows the whole view at once", () => {
    const { replica, thread } = loaded((model) => {
      exchange(model, 1);
      model.send(ask(2));
      model.chunks(...textChunks("Half"));
      model.send(ask(3));
    });
    expect(replica.messages.map(({ id }) => id)).toEqual(["message1", "turn1", "message2"]);
    expect(replica.queue.map(({ turnId }) => turnId)).toEqual(["turn3"]);
    expect(replica.live).toEqual(thread.live);
    expect(cursorOf(replica)).toBe(`epoch1.${thread.rev}.turn2.4`);
  });

  it("begins an empty live message for a turn without output", () => {
    const { replica } = loaded((thread) => thread.send(ask(1)));
    expect(replica.live).toMatchObject({ seq: 0, message: { id: "turn1", parts: [] } });
    expect(cursorOf(replica)).toBe("epoch1.1.turn1.0");
  });

  it("keeps the pages that were loaded above a message that both share, at the next revision", () => {
    const world = loaded((thread) => [1, 2, 3, 4].forEach((n) => exchange(thread, n)));
    world.take(world.thread.page("p", world.replica.messages[0]!.id));
    const before = world.replica.messages;
    expect(before).toHaveLength(8);
    expect(world.take(world.thread.snapshot())).toBe(true);
    expect(world.replica.messages).toEqual(world.thread.messages);
    expect(world.replica.hasEarlier).toBe(false);
    expect(world.replica.messages.every((message, i) => message === before[i])).toBe(true);
  });

  it("drops the pages above when more has changed, which may be in them", () => {
    const world = loaded((thread) => [1, 2, 3, 4].forEach((n) => exchange(thread, n)));
    world.take(world.thread.page("p", world.replica.messages[0]!.id));
    exchange(world.thread, 5);
    world.take(world.thread.snapshot());
    expect(world.replica.messages).toEqual(world.thread.messages.slice(-4));
    expect(world.replica.hasEarlier).toBe(true);
  });

  it("drops the pages above when no message is shared, and tells that there are some", () => {
    const world = loaded((thread) => exchange(thread, 1));
    [2, 3, 4].forEach((n) => exchange(world.thread, n));
    world.take(world.thread.snapshot());
    expect(world.replica.messages).toEqual(world.thread.messages.slice(-4));
    expect(world.replica.hasEarlier).toBe(true);
  });

  it("drops everything of another epoch", () => {
    const world = loaded((thread) => exchange(thread, 1));
    const shared = world.thread.snapshot();
    shared.session.epoch = "epoch2";
    shared.messages = shared.messages.slice(1);
    world.take(shared);
    expect(world.replica.messages).toEqual(shared.messages);
  });

  it("keeps the objects of messages that did not change", () => {
    const world = loaded((thread) => exchange(thread, 1));
    const before = world.replica.messages;
    world.take(world.thread.snapshot());
    expect(world.replica.messages).toEqual(before);
    expect(world.replica.messages.every((message, i) => message === before[i])).toBe(true);
  });
});

describe("replica: delta", () => {
  it("applies the one that follows", () => {
    const world = loaded();
    world.thread.send(ask(1));
    expect(world.takeAll()).toBe(true);
    expect(world.replica).toEqual(fresh(world.thread));
  });

  it("asks for a sync when revisions are missing before it, and changes nothing", () => {
    const world = loaded((thread) => exchange(thread, 1));
    exchange(world.thread, 2);
    const before = world.replica;
    const late = world.thread.frames.at(-1)!;
    expect(applyFrame(before, late)).toBeNull();
    expect(world.replica).toBe(before);
  });

  it("ignores an old one", () => {
    const world = loaded();
    world.thread.send(ask(1));
    const [delta] = world.thread.frames;
    world.takeAll();
    const before = world.replica;
    expect(world.take(delta!)).toBe(true);
    expect(world.replica).toBe(before);
  });

  it("asks for a sync when it overlaps and goes further", () => {
    const world = loaded((thread) => exchange(thread, 1));
    const { rev } = world.thread;
    expect(world.take({ type: "delta", from: rev - 1, to: rev + 1, turn: null })).toBe(false);
  });

  it("asks for a sync before the first snapshot", () => {
    expect(applyFrame(EMPTY_REPLICA, { type: "delta", from: 0, to: 1, turn: null })).toBeNull();
    expect(applyFrame(EMPTY_REPLICA, { type: "delta", from: 0, to: 0, turn: null })).toBeNull();
  });

  it("drops a live message whose turn is not the server's", () => {
    const world = loaded((thread) => {
      thread.send(ask(1));
      thread.chunks(...textChunks("Half"));
    });
    world.thread.chunks(...END_OF_TEXT);
    world.thread.end();
    world.thread.frames.length = 0;
    world.sync();
    expect(world.replica).toEqual(fresh(world.thread));
    expect(world.replica.live).toBeNull();
  });

  it("takes the live state of a turn that began while it was away", () => {
    const world = loaded();
    exchange(world.thread, 1);
    world.thread.send(ask(2));
    world.thread.chunks(...textChunks("Half"));
    world.sync();
    expect(world.replica).toEqual(fresh(world.thread));
  });

  it("changes a held message in place and ignores a change above what is held", () => {
    const world = loaded((thread) => [1, 2, 3].forEach((n) => exchange(thread, n)));
    const [, , held] = world.replica.messages;
    const { rev } = world.thread;
    const changed = { ...held!, metadata: { edited: true } };
    const above = { ...world.thread.messages[0]!, metadata: { edited: true } };
    expect(world.take({ type: "delta", from: rev, to: rev + 2, messages: [above, changed], turn: null })).toBe(true);
    expect(world.replica.messages.map(({ id }) => id)).toEqual(world.thread.messages.slice(-4).map(({ id }) => id));
    expect(world.replica.messages[2]).toEqual(changed);
  });

  it("leaves alone what it does not name", () => {
    const world = loaded((thread) => exchange(thread, 1));
    const before = world.replica;
    const { rev } = world.thread;
    world.take({ type: "delta", from: rev, to: rev + 1, session: { title: "Title" }, turn: null });
    expect(world.replica.session).toMatchObject({ title: "Title", status: "active", rev: rev + 1 });
    expect(world.replica.messages).toBe(before.messages);
    expect(world.replica.queue).toBe(before.queue);
  });
});

describe("replica: chunks", () => {
  const live = () =>
    loaded((thread) => {
      thread.send(ask(1));
      thread.chunks(...textChunks("a", "b"));
    });

  it("folds what follows", () => {
    const world = live();
    world.thread.chunks({ type: "text-delta", id: "t", delta: "c" });
    expect(world.takeAll()).toBe(true);
    expect(world.replica.live).toEqual(world.thread.live);
  });

  it.each([
    ["all held", 1, 5, true],
    ["all held, up to the last", 5, 5, true],
    ["overlapping by one", 5, 7, true],
    ["overlapping by all but one", 1, 6, true],
    ["next", 6, 7, true],
    ["one missing", 7, 7, false],
    ["many missing", 60, 61, false],
  ])("takes chunks that are %s (%i to %i) exactly once: %s", (_, from, to, follows) => {
    const world = live();
    const before = world.replica;
    world.thread.chunks({ type: "text-delta", id: "t", delta: "c" }, { type: "text-delta", id: "t", delta: "d" });
    const items = world.thread.log.slice(from - 1, to);
    expect(world.take({ type: "chunks", turnId: "turn1", from, items })).toBe(follows);
    const text = { 5: "ab", 6: "abc", 7: "abcd" }[follows ? Math.max(to, 5) : 5]!;
    expect(world.replica.live!.message.parts.at(-1)).toMatchObject({ text });
    if (text === "ab") expect(world.replica).toBe(before);
  });

  it("ignores those of another turn, and all of them without one", () => {
    const world = live();
    const before = world.replica;
    expect(world.take({ type: "chunks", turnId: "turn9", from: 60, items: textChunks("x") })).toBe(true);
    expect(world.replica).toBe(before);
    expect(applyFrame(EMPTY_REPLICA, { type: "chunks", turnId: "turn9", from: 60, items: [] })).toBe(EMPTY_REPLICA);
  });
});

describe("replica: end of a turn", () => {
  it("settles its own fold as what a fresh load gives, key for key", () => {
    const world = loaded((thread) => thread.send(ask(1)));
    world.thread.chunks({ type: "start", messageMetadata: { model: "m" } }, ...textChunks("Reply").slice(1), ...END_OF_TEXT);
    world.thread.end();
    expect(world.takeAll()).toBe(true);
    expect(world.replica).toEqual(fresh(world.thread));
    const reply = world.replica.messages.at(-1)!;
    expect(Object.keys(reply)).toEqual(Object.keys(fresh(world.thread).messages.at(-1)!));
    expect(reply).toMatchObject({ id: "turn1", parent: "message1", metadata: { model: "m" }, facts: { outcome: "completed" } });
  });

  it("gives the settled message the parts that were live, not a copy", () => {
    const world = loaded((thread) => {
      thread.send(ask(1));
      thread.chunks(...textChunks("Reply"), ...END_OF_TEXT);
    });
    const { parts: before } = world.replica.live!.message;
    world.thread.end();
    world.takeAll();
    expect(world.replica.messages.at(-1)!.parts).toBe(before);
  });

  it("puts the facts of a turn without output to its user message", () => {
    const world = loaded((thread) => thread.send(ask(1)));
    world.thread.end("failed", { code: "model_error", message: "No answer.", retryable: true });
    expect(world.takeAll()).toBe(true);
    expect(world.replica).toEqual(fresh(world.thread));
    expect(world.replica.messages).toHaveLength(1);
    expect(world.replica.messages[0]!.facts!.outcome).toBe("failed");
  });

  it.each(["missing", "too many"])("asks for a sync when its chunks are %s", (kind) => {
    const world = loaded((thread) => {
      thread.send(ask(1));
      thread.chunks(...textChunks("Half"));
    });
    world.thread.chunks(...END_OF_TEXT);
    world.thread.end();
    const end = structuredClone(world.thread.frames.at(-1)!);
    if (end.type !== "turn") throw new Error("not the end");
    if (kind === "too many") end.ended.seq = 2;
    const before = world.replica;
    expect(world.take(end)).toBe(false);
    expect(world.replica).toBe(before);
    world.sync();
    expect(world.replica).toEqual(fresh(world.thread));
  });

  it("asks for a sync when the reply is of a turn that it does not know", () => {
    const world = loaded((thread) => exchange(thread, 1));
    const { rev } = world.thread;
    const facts = { outcome: "completed", startedAt: 1, endedAt: 2, attempts: 1 } as const;
    const ended = { turnId: "turn9", messageId: "turn9", seq: 3, createdAt: 1, facts };
    expect(world.take({ type: "turn", from: rev, to: rev + 1, ended, turn: null })).toBe(false);
  });

  it("ignores a repeat", () => {
    const world = loaded((thread) => thread.send(ask(1)));
    world.thread.chunks(...textChunks("Reply"), ...END_OF_TEXT);
    world.thread.end();
    const end = world.thread.frames.at(-1)!;
    world.takeAll();
    const before = world.replica;
    expect(world.take(end)).toBe(true);
    expect(world.replica).toBe(before);
  });

  it("goes on with the next turn of the queue", () => {
    const world = loaded((thread) => {
      thread.send(ask(1));
      thread.send(ask(2));
    });
    world.thread.chunks(...textChunks("One"), ...END_OF_TEXT);
    world.thread.end();
    expect(world.takeAll()).toBe(true);
    expect(world.replica).toEqual(fresh(world.thread));
    expect(world.replica.turn!.id).toBe("turn2");
  });
});

describe("replica: other turns than a first answer", () => {
  const stopped = (thread: ModelThread, n: number) => {
    thread.send(ask(n));
    thread.chunks(...textChunks("Half"), { type: "text-end", id: "t" }, NOTICE);
    thread.end("stopped");
  };

  it("goes on in a reply from its parts before the notice, and its metadata", () => {
    const world = loaded((thread) => {
      thread.send(ask(1));
      thread.chunks({ type: "start", messageMetadata: { model: "m" } }, ...textChunks("Half").slice(1), NOTICE);
      thread.end("stopped");
    });
    world.thread.ask({ type: "continue", id: "turn2", messageId: "turn1" });
    expect(world.takeAll()).toBe(true);
    expect(world.replica.live).toEqual(world.thread.live);
    expect(world.replica.live!.message).toMatchObject({
      id: "turn1",
      metadata: { model: "m" },
      parts: [{ type: "step-start" }, { type: "text" }],
    });
    expect(cursorOf(world.replica)).toBe("epoch1.2.turn2.0");
    world.thread.chunks(...textChunks(" and half"), ...END_OF_TEXT);
    world.thread.end();
    expect(world.takeAll()).toBe(true);
    expect(JSON.stringify(world.replica)).toBe(JSON.stringify(fresh(world.thread)));
  });

  it("asks for everything when the reply that goes on is not held, but not before something comes of it", () => {
    const world = loaded((thread) => stopped(thread, 1));
    world.thread.ask({ type: "continue", id: "turn2", messageId: "turn1" });
    const [delta] = world.thread.frames.splice(0);
    const without = { ...world.replica, messages: world.replica.messages.slice(0, 1) };
    const begun = must(applyFrame(without, delta!));
    expect(begun.turn).toEqual(world.thread.turn);
    world.thread.chunks(...textChunks(" and half"));
    expect(applyFrame(begun, world.thread.frames[0]!)).toBeNull();
    const [answer, ...more] = world.thread.sync(cursorOf(begun));
    expect(answer!.type).toBe("snapshot");
    expect(more).toEqual([]);
    expect(must(applyFrame(begun, answer!))).toEqual(fresh(world.thread));
  });

  it("asks for a sync at the end of a turn in a branch that it does not hold", () => {
    const world = loaded((thread) => [1, 2, 3].forEach((n) => exchange(thread, n)));
    world.thread.ask({ type: "regenerate", id: "turn9", messageId: "message1" });
    world.thread.chunks(...textChunks("Another"), ...END_OF_TEXT);
    world.thread.end();
    expect(world.takeAll()).toBe(false);
    world.sync();
    expect(world.replica).toEqual(fresh(world.thread));
  });

  it("asks for nothing when the message that bears the facts is not held", () => {
    const world = loaded((thread) => [1, 2, 3].forEach((n) => exchange(thread, n)));
    world.thread.ask({ type: "regenerate", id: "turn9", messageId: "message1" });
    world.thread.end("failed");
    expect(world.takeAll()).toBe(true);
    expect(world.replica).toEqual(fresh(world.thread));
  });

  it("moves to the branch of an edit and keeps the pages above it", () => {
    const world = loaded((thread) => [1, 2, 3, 4].forEach((n) => exchange(thread, n)));
    world.take(world.thread.page("p", world.replica.messages[0]!.id));
    world.thread.ask({ type: "edit", id: "turn9", messageId: "message3", newMessageId: "message9", parts });
    expect(world.takeAll()).toBe(true);
    expect(world.replica.messages).toEqual(world.thread.messages);
    expect(world.replica.messages).toHaveLength(5);
    expect(world.replica.hasEarlier).toBe(false);
  });

  it("changes only the turn with a delta from and to its own revision, and keeps the live copy", () => {
    const world = loaded((thread) => (thread.send(ask(1)), thread.chunks(...callChunks("call1"))));
    const before = world.replica;
    world.thread.wait();
    expect(world.takeAll()).toBe(true);
    expect(world.replica.turn).toMatchObject({ state: "waiting" });
    expect({ ...world.replica, turn: before.turn }).toEqual(before);
    expect(world.replica.live).toBe(before.live);
  });
});

describe("replica: pages", () => {
  it("puts a page above what is held", () => {
    const world = loaded((thread) => [1, 2, 3].forEach((n) => exchange(thread, n)));
    expect(world.replica.hasEarlier).toBe(true);
    world.take(world.thread.page("p", world.replica.messages[0]!.id));
    expect(world.replica.messages).toEqual(world.thread.messages);
    expect(world.replica.hasEarlier).toBe(false);
  });

  it("ignores a page that does not end right above, and one that comes twice", () => {
    const world = loaded((thread) => [1, 2, 3].forEach((n) => exchange(thread, n)));
    const page = world.thread.page("p", world.replica.messages[0]!.id);
    const before = world.replica;
    world.take({ ...page, messages: world.thread.messages.slice(0, 1) } as ServerFrame);
    world.take({ ...page, messages: [] } as ServerFrame);
    expect(world.replica).toBe(before);
    world.take(page);
    const after = world.replica;
    world.take(page);
    expect(world.replica).toBe(after);
  });
});

describe("replica: other frames", () => {
  it("notes who the server takes us for", () => {
    const frame: ServerFrame = {
      type: "welcome",
      connection: "c",
      principal: { id: "me" },
      role: "viewer",
      limits: {} as never,
      serverTime: 1,
    };
    expect(applyFrame(EMPTY_REPLICA, frame)).toMatchObject({ principal: { id: "me" }, role: "viewer" });
  });

  it.each<ServerFrame>([
    { type: "ack", ref: "x", rev: 9 },
    { type: "event", event: "x" },
    { type: "error", code: "internal", message: "x", retryable: true },
  ])("is unchanged by $type", (frame) => {
    expect(applyFrame(EMPTY_REPLICA, frame)).toBe(EMPTY_REPLICA);
  });

  it("has no cursor before the first snapshot", () => {
    expect(cursorOf(EMPTY_REPLICA)).toBe("");
  });
});
