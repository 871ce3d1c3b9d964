import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyFrame, cursorOf, EMPTY_REPLICA, type Replica } from "../../../src/client/replica.ts";
import type { ServerFrame } from "../../../src/protocol/frames.ts";
import { END_OF_TEXT, ModelThread, textChunks } from "./model-thread.ts";

type Step = { do: "send" | "open" | "text" | "close" | "end" | "fail" | "cancel" | "clear" | "sync"; n: number };

const step = fc.record({
  do: fc.constantFrom<Step["do"][]>("send", "send", "open", "text", "text", "close", "end", "fail", "cancel", "clear", "sync"),
  n: fc.nat(1_000_000),
});
/** What the network does to each frame, in turn. */
const fate = fc.constantFrom("arrives", "arrives", "arrives", "lost", "twice", "late", "replayed");

function play(thread: ModelThread, { do: what, n }: Step): void {
  switch (what) {
    case "send":
      return void thread.send({ id: `turn${n}`, messageId: `message${n}`, parts: [{ type: "text", text: `${n}` }] });
    case "open":
      return thread.chunks(...textChunks("Reply "));
    case "text":
      return thread.chunks(
        ...Array.from({ length: (n % 3) + 1 }, (_, i) => ({ type: "text-delta" as const, id: "t", delta: `${n + i} ` })),
      );
    case "close":
      return thread.chunks(...END_OF_TEXT);
    case "end":
      return thread.end(n % 2 ? "completed" : "stopped");
    case "fail":
      return thread.end("failed", { code: "model_error", message: "No answer.", retryable: true });
    case "cancel": {
      const turnId = thread.queue[0]?.turnId;
      return turnId ? void thread.handle({ type: "cancel", id: `cancel${n}`, epoch: thread.epoch, turnId }) : undefined;
    }
    case "clear":
      return n % 5 ? undefined : thread.clear();
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
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(fate, { minLength: 1, maxLength: 30 }), (steps, fates) => {
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
        // It may hold more of the same history above the last page.
        expect(messages).toEqual(thread.messages.slice(-messages.length || thread.messages.length));
        expect(messages.length).toBeGreaterThanOrEqual(page.length);
        expect(hasEarlier).toBe(messages.length < thread.messages.length);
        expect(hasMore).toBe(page.length < thread.messages.length);
      }),
      { numRuns: 400 },
    );
  });

  it("needs no sync at all when nothing is lost", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const thread = new ModelThread(6);
        let replica = applyFrame(EMPTY_REPLICA, thread.snapshot())!;
        for (const each of steps) {
          play(thread, each);
          for (const frame of thread.frames.splice(0)) {
            const next = applyFrame(replica, frame);
            expect(next).not.toBeNull();
            replica = next!;
          }
          expect(replica.messages).toEqual(thread.messages);
          expect(replica.live).toEqual(thread.live);
          expect(replica.queue).toEqual(thread.queue);
        }
      }),
      { numRuns: 200 },
    );
  });
});
