import { describe, expect, it } from "vitest";
import { deriveSnapshot, type ViewInput } from "../../../src/client/view.ts";
import { applyFrame, EMPTY_REPLICA, type Replica } from "../../../src/client/replica.ts";
import type { ChatStatus } from "../../../src/client/types.ts";
import { callChunks, END_OF_TEXT, ModelThread, NOTICE, textChunks } from "./model-thread.ts";

const ask = (n: number) => ({ id: `turn${n}`, messageId: `message${n}`, parts: [{ type: "text" as const, text: `${n}` }] });
const error = { code: "model_error", message: "No answer.", retryable: true } as const;

function replicaOf(prepare: (thread: ModelThread) => void): Replica {
  const thread = new ModelThread();
  prepare(thread);
  return applyFrame(EMPTY_REPLICA, thread.snapshot())!;
}

function exchange(thread: ModelThread, n: number): void {
  thread.send(ask(n));
  thread.chunks(...textChunks("Reply"), ...END_OF_TEXT);
  thread.end();
}

const own = (delivery: "sending" | "sent" | "failed", n = 9): ViewInput["unseen"][number] => ({
  request: { type: "send", ...ask(n) },
  createdAt: 1,
  delivery,
});

const ended = (outcome: "completed" | "stopped" | "failed" | "interrupted", withOutput = true) =>
  replicaOf((thread) => {
    thread.send(ask(1));
    if (withOutput) thread.chunks(...textChunks("Reply"), ...END_OF_TEXT);
    thread.end(outcome, outcome === "failed" || outcome === "interrupted" ? error : undefined);
  });
const submitted = replicaOf((thread) => thread.send(ask(1)));
const queued = replicaOf((thread) => {
  thread.send(ask(1));
  thread.send(ask(2));
});

const input = (replica: Replica, unseen: ViewInput["unseen"] = [], kind: "live" | "stopped" = "live"): ViewInput => ({
  threadId: "thread",
  replica,
  pace: (messages) => messages,
  unseen,
  connection: kind === "live" ? { kind, attempt: 0, since: 0 } : { kind, reason: error },
});

describe("status", () => {
  it.each<[string, ViewInput, ChatStatus, boolean]>([
    ["an unknown thread", input(EMPTY_REPLICA), "ready", false],
    ["an empty thread", input(replicaOf(() => {})), "ready", false],
    ["a turn without output", input(submitted), "submitted", false],
    [
      "a turn that has begun and shown nothing",
      input(replicaOf((thread) => (thread.send(ask(1)), thread.chunks({ type: "start" })))),
      "submitted",
      false,
    ],
    ["a turn with output", input(replicaOf((thread) => (thread.send(ask(1)), thread.chunks(...textChunks("Re"))))), "streaming", false],
    [
      "a turn that waits for a person",
      input(replicaOf((thread) => (thread.send(ask(1)), thread.chunks(...callChunks("call1")), thread.wait()))),
      "waiting",
      false,
    ],
    ["a completed turn", input(ended("completed")), "ready", false],
    ["a stopped turn", input(ended("stopped")), "ready", false],
    ["a failed turn with output", input(ended("failed")), "error", true],
    ["a failed turn without output", input(ended("failed", false)), "error", true],
    ["an interrupted turn", input(ended("interrupted")), "error", true],
    ["a message on its way", input(ended("completed"), [own("sending")]), "submitted", false],
    ["a message on its way after a failure", input(ended("failed"), [own("sending")]), "submitted", false],
    ["an acked message that is not here yet", input(EMPTY_REPLICA, [own("sent")]), "submitted", false],
    ["a message that failed", input(ended("completed"), [own("failed")]), "ready", false],
    ["a queue between two turns", input({ ...queued, turn: null, live: null }), "submitted", false],
    [
      "a queue of a paused thread",
      input({ ...queued, turn: null, live: null, session: { ...queued.session!, status: "paused" } }),
      "ready",
      false,
    ],
    ["a connection that has stopped", input(submitted, [], "stopped"), "error", true],
  ])("of %s", (_, view, status, hasError) => {
    const snapshot = deriveSnapshot(undefined, view);
    expect(snapshot.status).toBe(status);
    expect(snapshot.error).toEqual(hasError ? error : null);
  });
});

describe("status of another try", () => {
  const stoppedReply = (thread: ModelThread) => {
    thread.send(ask(1));
    thread.chunks(...textChunks("Half"), NOTICE);
    thread.end("stopped");
  };
  const again = (type: "regenerate" | "continue", finish: (thread: ModelThread) => void) =>
    deriveSnapshot(
      undefined,
      input(
        replicaOf((thread) => {
          stoppedReply(thread);
          thread.ask({ type, id: "turn2", messageId: type === "continue" ? "turn1" : "message1" });
          finish(thread);
        }),
      ),
    );
  const fail = (thread: ModelThread) => thread.end("failed", error);
  const more = (thread: ModelThread) => thread.chunks(...textChunks(" more"));

  it.each(["regenerate", "continue"] as const)("of `%s` is submitted, streaming, then that of its end", (type) => {
    expect(again(type, () => {})).toMatchObject({ status: "submitted", error: null });
    expect(again(type, more)).toMatchObject({ status: "streaming", error: null });
    expect(again(type, (thread) => (more(thread), thread.end()))).toMatchObject({ status: "ready", error: null });
    expect(again(type, fail)).toMatchObject({ status: "error", error });
    expect(again(type, (thread) => (fail(thread), thread.send(ask(3)), more(thread), thread.end()))).toMatchObject({ status: "ready" });
  });

  it.each(["regenerate", "continue"] as const)("of `%s` that succeeds after one that failed is ready", (type) => {
    const { status } = again("regenerate", (thread) => {
      fail(thread);
      thread.ask({ type, id: "turn3", messageId: type === "continue" ? "turn1" : "message1" });
      more(thread);
      thread.end();
    });
    expect(status).toBe("ready");
  });

  it("shows no old reply for a regenerate without output, and of a continue the text without its notice", () => {
    expect(again("regenerate", () => {}).messages.map(({ id }) => id)).toEqual(["message1"]);
    const { messages } = again("continue", () => {});
    expect(messages[1]).toMatchObject({ id: "turn1", parts: [{ type: "step-start" }, { type: "text", text: "Half" }] });
    expect(messages[1]!.parts).toHaveLength(2);
  });
});

describe("app state and title", () => {
  const set = (field: "state" | "title", value: Record<string, unknown> | string | null): ViewInput["unseen"][number] => ({
    request: { type: "set", id: "set1", field, value },
    createdAt: 1,
    delivery: "sending",
  });
  const replica = replicaOf((thread) => {
    thread.set({ field: "state", value: { plan: true, count: 1 } });
    thread.set({ field: "title", value: "Old" });
  });

  it("are the server's, with what is on its way on top, in order", () => {
    expect(deriveSnapshot(undefined, input(replica))).toMatchObject({ state: { plan: true, count: 1 }, thread: { title: "Old" } });
    const unseen = [set("state", { count: 2 }), set("title", "New"), set("state", { count: 3, more: 1 })];
    const { state, thread, status } = deriveSnapshot(undefined, input(replica, unseen));
    expect({ state, title: thread.title, status }).toEqual({ state: { plan: true, count: 3, more: 1 }, title: "New", status: "ready" });
    expect(deriveSnapshot(undefined, input(replica, [set("title", null)])).thread.title).toBeNull();
  });

  it("are the same objects while nothing changes", () => {
    const first = deriveSnapshot(undefined, input(replica, [set("state", { count: 2 }), set("state", { more: 1 })]));
    const second = deriveSnapshot(first, input({ ...replica }, [set("state", { count: 2 }), set("state", { more: 1 })]));
    expect(second.state).toBe(first.state);
  });
});

describe("placing", () => {
  const ids = ({ messages, queue }: ReturnType<typeof deriveSnapshot>) => [
    messages.map(({ id }) => id),
    queue.map(({ messageId }) => messageId),
  ];

  it("puts the first of our messages last when nothing runs, and the others in the queue", () => {
    const view = input(ended("completed"), [own("sending", 7), own("sending", 8), own("sent", 9)]);
    expect(ids(deriveSnapshot(undefined, view))).toEqual([
      ["message1", "turn1", "message7"],
      ["message8", "message9"],
    ]);
  });

  it("puts all of them behind the server's queue while a turn runs", () => {
    expect(ids(deriveSnapshot(undefined, input(queued, [own("sending")])))).toEqual([["message1"], ["message2", "message9"]]);
  });

  it("puts those that failed at the end, where they hold up nobody", () => {
    const view = input(ended("completed"), [own("failed", 7), own("sending", 8)]);
    expect(ids(deriveSnapshot(undefined, view))).toEqual([["message1", "turn1", "message7", "message8"], []]);
  });

  it("puts the live message under its parent, in the place of what stands below", () => {
    const replica = replicaOf((thread) => (thread.send(ask(1)), thread.chunks(...textChunks("Re"))));
    const below = { ...replica.messages[0]!, id: "below", parent: "message1" };
    const view = input({ ...replica, messages: [...replica.messages, below] });
    expect(ids(deriveSnapshot(undefined, view))[0]).toEqual(["message1", "turn1"]);
  });

  it("puts a live message whose parent is not held at the end, and hides nothing for it", () => {
    const replica = replicaOf((thread) => {
      for (const n of [1, 2, 3]) exchange(thread, n);
      thread.ask({ type: "regenerate", id: "turn9", messageId: "message1" });
    });
    const silent = deriveSnapshot(undefined, input(replica));
    expect(ids(silent)[0]).toEqual(["message2", "turn2", "message3", "turn3"]);
    const live = { ...replica.live!, message: { ...replica.live!.message, parts: [{ type: "text" as const, text: "Re" }] } };
    expect(ids(deriveSnapshot(undefined, input({ ...replica, live })))[0]).toEqual(["message2", "turn2", "message3", "turn3", "turn9"]);
  });

  it("hides at once what an own edit or regenerate will replace, but not for one that failed", () => {
    const replica = replicaOf((thread) => [1, 2].forEach((n) => exchange(thread, n)));
    const edit = { type: "edit", id: "turn9", messageId: "message2", newMessageId: "message9", parts: ask(9).parts } as const;
    const regenerate = { type: "regenerate", id: "turn9", messageId: "message1" } as const;
    const of = (request: ViewInput["unseen"][number]["request"], delivery: "sending" | "failed" = "sending") =>
      deriveSnapshot(undefined, input(replica, [{ request, createdAt: 1, delivery }]));
    expect(ids(of(edit))).toEqual([["message1", "turn1", "message9"], []]);
    expect(ids(of(edit, "failed"))).toEqual([["message1", "turn1", "message2", "turn2", "message9"], []]);
    expect(ids(of(regenerate))).toEqual([["message1"], []]);
    expect(of(regenerate).status).toBe("submitted");
    expect(ids(of({ type: "continue", id: "turn9", messageId: "turn2" }))).toEqual([["message1", "turn1", "message2", "turn2"], []]);
  });

  it("keeps a failed message that stands below what an edit replaces", () => {
    const edit = { type: "edit", id: "turn9", messageId: "message1", newMessageId: "message9", parts: ask(9).parts } as const;
    const view = input(ended("completed"), [own("failed", 7), { request: edit, createdAt: 1, delivery: "sending" }]);
    expect(ids(deriveSnapshot(undefined, view))).toEqual([["message7", "message9"], []]);
  });

  it("puts what waits for its turn in the queue, also what has no message", () => {
    const regenerate = { type: "regenerate", id: "turn9", messageId: "message1" } as const;
    const { queue } = deriveSnapshot(undefined, input(submitted, [{ request: regenerate, createdAt: 1, delivery: "sending" }]));
    expect(queue).toMatchObject([{ turnId: "turn9", kind: "regenerate", messageId: "message1", parts: [], delivery: "sending" }]);
  });

  it("puts our message below a reply that waits for a person: it takes its place", () => {
    const waiting = replicaOf((thread) => (thread.send(ask(1)), thread.chunks(...callChunks("call1")), thread.wait()));
    expect(ids(deriveSnapshot(undefined, input(waiting, [own("sending")])))).toEqual([["message1", "turn1", "message9"], []]);
  });

  it("is the same object for the same input", () => {
    const view = input(queued, [own("sending")]);
    const first = deriveSnapshot(undefined, view);
    expect(deriveSnapshot(first, { ...view, ...structuredClone({ ...view, pace: undefined }), pace: view.pace })).not.toBe(first);
    expect(deriveSnapshot(first, { ...view, replica: { ...view.replica }, unseen: view.unseen.map((each) => ({ ...each })) })).toBe(first);
  });
});
