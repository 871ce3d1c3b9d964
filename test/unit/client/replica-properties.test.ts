import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyFrame, cursorOf, EMPTY_REPLICA, type Replica } from "../../../src/client/replica.ts";
import type { ServerFrame } from "../../../src/protocol/frames.ts";
import { deriveSnapshot } from "../../../src/client/view.ts";
import type { Part } from "../../../src/protocol/messages.ts";
import { approvalChunks, callChunks, END_OF_TEXT, ModelThread, NOTICE, textChunks } from "./model-thread.ts";

const STEPS = [
  "send",
  "send",
  "edit",
  "edit",
  "regenerate",
  "regenerate",
  "continue",
  "continue",
  "open",
  "text",
  "text",
  "close",
  "metadata",
  "call",
  "ask",
  "wait",
  "resolve",
  "claim",
  "release",
  "attempt",
  "end",
  "end",
  "stop",
  "notice",
  "fail",
  "cancel",
  "editQueued",
  "state",
  "title",
  "clear",
  "sync",
] as const;

interface Step {
  do: (typeof STEPS)[number];
  n: number;
}

const step: fc.Arbitrary<Step> = fc.record({ do: fc.constantFrom(...STEPS), n: fc.nat(1_000_000) });
/** What the network does to each frame, in turn. */
const fate = fc.constantFrom("arrives", "arrives", "arrives", "lost", "twice", "late", "replayed");

function play(thread: ModelThread, { do: what, n }: Step): void {
  const command = { id: `turn${n}`, epoch: thread.epoch };
  const parts: Part[] = [{ type: "text", text: `${n}` }];
  /** A message of the active branch, by chance. */
  const some = thread.messages[n % (thread.messages.length || 1)]?.id ?? "none";
  const turnId = thread.turn?.id ?? "none";
  const callId = `call${n % 3}`;
  switch (what) {
    case "send":
      return void thread.handle({ ...command, type: "send", messageId: `message${n}`, parts });
    case "edit":
      return void thread.handle({ ...command, type: "edit", messageId: some, newMessageId: `message${n}`, parts });
    case "regenerate":
      return void thread.handle({ ...command, type: "regenerate", messageId: some });
    case "continue":
      return void thread.handle({ ...command, type: "continue", messageId: thread.head ?? "none" });
    case "open":
      return thread.chunks(...textChunks("Reply "));
    case "text":
      return thread.chunks(
        ...Array.from({ length: (n % 3) + 1 }, (_, i) => ({ type: "text-delta" as const, id: "t", delta: `${n + i} ` })),
      );
    case "close":
      return thread.chunks(...END_OF_TEXT);
    case "metadata":
      return thread.chunks({ type: "message-metadata", messageMetadata: { n } });
    case "call":
      return thread.chunks(...callChunks(callId));
    case "ask":
      return thread.chunks(...approvalChunks(callId, `approval${n % 3}`));
    case "wait":
      return thread.wait();
    case "resolve": {
      const answer = n % 2 ? { approvalId: `approval${n % 3}`, approved: n % 5 > 0 } : { callId, output: n };
      return void thread.handle({ ...command, id: `resolve${n}`, type: "resolve", turnId, ...answer });
    }
    case "claim":
      return void thread.handle({ ...command, id: `claim${n}`, type: "claim", turnId, callId }, `connection${n % 2}`);
    case "release":
      return thread.release(`connection${n % 2}`);
    case "attempt":
      if (thread.turn?.state === "running") thread.turn = { ...thread.turn, attempt: thread.turn.attempt + 1 };
      return thread.emit({ type: "delta", from: thread.rev, to: thread.rev, turn: thread.turn });
    case "end":
    case "stop":
      return thread.end(what === "end" ? "completed" : "stopped");
    case "notice":
      thread.chunks(NOTICE);
      return thread.end("interrupted");
    case "fail":
      return thread.end("failed", { code: "model_error", message: "No answer.", retryable: true });
    case "cancel":
      return void thread.handle({ ...command, id: `cancel${n}`, type: "cancel", turnId: thread.queue[0]?.turnId ?? "none" });
    case "editQueued":
      return void thread.handle({ ...command, id: `edit${n}`, type: "edit", turnId: thread.queue[0]?.turnId ?? "none", parts });
    case "state":
      return void thread.set({ field: "state", value: { [`field${n % 3}`]: n } });
    case "title":
      return void thread.set({ field: "title", value: n % 3 ? `${n}` : null });
    case "clear":
      return n % 9 ? undefined : thread.clear();
    case "sync":
  }
}

/** A network that loses, repeats, delays and replays frames, in front of a replica. */
class Link {
  replica: Replica = EMPTY_REPLICA;
  private late: ServerFrame[] = [];
  private readonly seen: ServerFrame[] = [];

  take(frame: ServerFrame): void {
    this.replica = applyFrame(this.replica, structuredClone(frame)) ?? this.replica;
  }

  carry(frame: ServerFrame, fate: string, n: number): void {
    this.seen.push(frame);
    if (fate === "late") this.late.push(frame);
    if (fate === "lost" || fate === "late") return;
    this.take(frame);
    if (fate === "twice") this.take(frame);
    if (fate === "replayed") this.take(this.seen[n % this.seen.length]!);
    if (n % 3 === 0) for (const old of this.late.splice(0)) this.take(old);
  }
}

const settled = (replica: Replica): Replica => ({ ...replica, principal: null, role: null });

describe("replica, over a bad network", () => {
  it("equals a fresh load after a last sync, whatever was lost, repeated or reordered", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), fc.array(fate, { minLength: 1, maxLength: 30 }), (steps, fates) => {
        const thread = new ModelThread(6);
        const link = new Link();
        let count = 0;
        for (const frame of thread.sync("")) link.take(frame);
        for (const each of steps) {
          if (each.do === "sync") for (const frame of thread.sync(cursorOf(link.replica))) link.take(frame);
          else play(thread, each);
          for (const frame of thread.frames.splice(0)) link.carry(frame, fates[count++ % fates.length]!, each.n);
        }
        for (const frame of thread.sync(cursorOf(link.replica))) link.take(frame);

        const fresh = applyFrame(EMPTY_REPLICA, thread.snapshot())!;
        const { messages, hasEarlier, ...rest } = settled(link.replica);
        const { messages: page, hasEarlier: hasMore, ...expected } = settled(fresh);
        expect(rest).toEqual(expected);
        expect(JSON.stringify(rest.live)).toBe(JSON.stringify(expected.live));
        // Field for field, and in the same order. It may hold more of the same history above the last page.
        const history = thread.messages.slice(-messages.length || thread.messages.length);
        expect(messages.map((message) => JSON.stringify(message))).toEqual(history.map((message) => JSON.stringify(message)));
        // Or less: what takes the place of a reply further up leaves what is above it.
        const isCut = steps.some(({ do: what }) => what === "edit" || what === "regenerate");
        expect(messages.length).toBeGreaterThanOrEqual(isCut ? Math.min(1, page.length) : page.length);
        expect(hasEarlier).toBe(messages.length < thread.messages.length);
        expect(hasMore).toBe(page.length < thread.messages.length);
      }),
      { numRuns: 400 },
    );
  });

  it("needs no sync at all when nothing is lost", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const thread = new ModelThread(6);
        let replica = applyFrame(EMPTY_REPLICA, thread.snapshot())!;
        for (const each of steps) {
          play(thread, each);
          for (const frame of thread.frames.splice(0)) {
            const isOfOtherBranch = frame.type === "turn" && !replica.messages.some(({ id }) => id === replica.turn?.parent);
            const next = applyFrame(replica, frame);
            // Only the end of a turn in a branch that was never shown.
            if (!isOfOtherBranch) expect(next).not.toBeNull();
            replica = next ?? applyFrame(replica, thread.snapshot())!;
          }
          // A branch that was never shown comes with its last page.
          const history = thread.messages.slice(replica.hasEarlier ? -replica.messages.length : 0);
          expect(replica.messages.map((message) => JSON.stringify(message))).toEqual(history.map((message) => JSON.stringify(message)));
          expect(replica.live).toEqual(thread.live);
          expect(replica.turn).toEqual(thread.turn);
          expect(replica.queue).toEqual(thread.queue);
          expect(replica.session).toEqual(thread.session);
        }
      }),
      { numRuns: 400 },
    );
  });

  it("shows the live message under its parent and nothing of what it replaces, each message once", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const thread = new ModelThread(100);
        for (const each of steps) {
          play(thread, each);
          const replica = applyFrame(EMPTY_REPLICA, thread.snapshot())!;
          const connection = { kind: "live", attempt: 0, since: 0 } as const;
          const { messages, status, turn } = deriveSnapshot(undefined, {
            threadId: "thread",
            replica,
            connection,
            pace: (each) => each,
            unseen: [],
          });
          const isOfOtherBranch = turn && thread.messages.every(({ id }) => id !== turn.parent);
          if (isOfOtherBranch) continue;
          messages.forEach(({ parent }, i) => expect(parent).toBe(messages[i - 1]?.id ?? null));
          expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length);
          expect(turn).toEqual(thread.turn);
          const shown = messages.at(-1)?.id;
          if (!turn) expect(shown ?? null).toBe(thread.head);
          else expect([turn.messageId, turn.parent]).toContain(shown);
          if (turn)
            expect(status).toBe(
              turn.state === "waiting" ? "waiting" : thread.live!.message.parts.length > turn.base ? "streaming" : "submitted",
            );
        }
      }),
      { numRuns: 300 },
    );
  });
});
