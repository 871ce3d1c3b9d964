import { describe, expect, it } from "vitest";
import { deriveSnapshot, type ViewInput } from "../../../src/client/view.ts";
import { applyFrame, EMPTY_REPLICA, type Replica } from "../../../src/client/replica.ts";
import type { ChatStatus } from "../../../src/client/types.ts";
import { END_OF_TEXT, ModelThread, textChunks } from "./model-thread.ts";

const ask = (n: number) => ({ id: `turn${n}`, messageId: `message${n}`, parts: [{ type: "text" as const, text: `${n}` }] });
const error = { code: "model_error", message: "No answer.", retryable: true } as const;

function replicaOf(prepare: (thread: ModelThread) => void): Replica {
  const thread = new ModelThread();
  prepare(thread);
  return applyFrame(EMPTY_REPLICA, thread.snapshot())!;
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

  it("puts the live message under its parent, also when more stands below", () => {
    const replica = replicaOf((thread) => (thread.send(ask(1)), thread.chunks(...textChunks("Re"))));
    const below = { ...replica.messages[0]!, id: "below", parent: "message1" };
    const view = input({ ...replica, messages: [...replica.messages, below] });
    expect(ids(deriveSnapshot(undefined, view))[0]).toEqual(["message1", "turn1", "below"]);
  });

  it("is the same object for the same input", () => {
    const view = input(queued, [own("sending")]);
    const first = deriveSnapshot(undefined, view);
    expect(deriveSnapshot(first, structuredClone(view))).not.toBe(first);
    expect(deriveSnapshot(first, { ...view, replica: { ...view.replica }, unseen: view.unseen.map((each) => ({ ...each })) })).toBe(first);
  });
});
