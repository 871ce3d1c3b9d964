// What an app's stream may do to the log, the stored reply and the end of its turn.
import type { UIMessageChunk } from "ai";
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { foldChunks, emptyLive } from "../../src/protocol/fold.ts";
import { newId } from "../../src/protocol/ids.ts";
import { TestSocket } from "./support/client.ts";
import { play, stubOf } from "./support/objects.ts";
import type { Play } from "./worker.ts";

async function running(): Promise<{ threadId: string; socket: TestSocket; turnId: string }> {
  const threadId = newId();
  const socket = await TestSocket.open(threadId, "user-1", { create: true });
  const { ref: turnId } = await socket.send("Hello");
  return { threadId, socket, turnId };
}

/** Lets the object read what was written. */
const settle = async (): Promise<void> => {
  for (let tick = 0; tick < 20; tick++) await scheduler.wait(0);
};

describe("the stored reply is the fold of the chunks that clients got", () => {
  const CASES: Record<string, (run: Play) => Promise<void>> = {
    "when the app changes a value after it wrote it": async (run) => {
      const data = { percent: 1 };
      run.write({ type: "data-progress", data });
      await settle();
      data.percent = 2;
    },
    "when metadata holds dates": async (run) => {
      run.write({ type: "message-metadata", messageMetadata: { at: new Date(0) } });
      run.text("Hi");
      run.write({ type: "message-metadata", messageMetadata: { at: new Date(1_000) } });
    },
  };
  it.each(Object.entries(CASES))("%s", async (_name, perform) => {
    const { threadId, socket, turnId } = await running();
    await play(threadId, async (run) => {
      await perform(run);
      run.end();
    });
    await socket.next("turn");
    const fold = foldChunks(
      emptyLive(turnId),
      socket.of("chunks").flatMap(({ items }) => items),
    ).message;
    const fresh = await TestSocket.open(threadId, "user-1");
    const stored = (await fresh.next("snapshot")).messages.at(-1)!;
    expect({ parts: stored.parts, metadata: stored.metadata }).toEqual({ parts: fold.parts, metadata: fold.metadata });
  });
});

describe("a turn ends at once as failed, with what came before, when its stream holds", () => {
  const CASES: Record<string, UIMessageChunk> = {
    "a delta that JSON cannot hold": { type: "text-delta", id: "t", delta: "!", providerMetadata: { a: { n: 1n as unknown as number } } },
    "an object that JSON cannot hold": { type: "data-x", data: 1n },
    "an error text that no row can hold": { type: "error", errorText: "x".repeat(3_000_000) },
  };
  it.each(Object.entries(CASES))("%s", async (_name, chunk) => {
    const { threadId, socket } = await running();
    await play(threadId, (run) => {
      run.write({ type: "text-start", id: "t" });
      run.write({ type: "text-delta", id: "t", delta: "Before" });
      run.write(chunk);
    });
    const { ended } = await socket.next("turn");
    expect(ended.facts.outcome).toBe("failed");
    expect(JSON.stringify(ended.facts).length).toBeLessThan(10_000);
  });

  it("a finish reason that JSON cannot hold", async () => {
    const { threadId, socket } = await running();
    await play(threadId, (run) => {
      run.text("Before");
      run.write({ type: "finish", finishReason: 1n as never });
      run.end();
    });
    await socket.next("turn");
  });
});

it("a stream that says abort by itself does not count as completed", async () => {
  const { threadId, socket } = await running();
  await play(threadId, (run) => {
    run.text("Before");
    run.write({ type: "abort" });
    run.end();
  });
  expect((await socket.next("turn")).ended.facts.outcome).not.toBe("completed");
});

describe("flushes", () => {
  it("count bytes and not chunks: 400 short deltas in a row are one flush", async () => {
    const { threadId, socket } = await running();
    await play(threadId, async (run) => {
      run.write({ type: "text-start", id: "t" });
      run.write({ type: "text-delta", id: "t", delta: "A" });
      await settle();
      for (let n = 0; n < 400; n++) run.write({ type: "text-delta", id: "t", delta: "abcd" });
      run.end();
    });
    await socket.next("turn");
    expect(socket.of("chunks").length).toBeLessThanOrEqual(3);
  });
});

describe("a turn that is stopped", () => {
  it("between the start of a text and its first word has no reply", async () => {
    const { threadId, socket, turnId } = await running();
    await play(threadId, async (run) => {
      run.write({ type: "text-start", id: "t" });
      await settle();
    });
    await socket.ask({ type: "stop", id: newId(), epoch: socket.epoch, turnId });
    const { ended } = await socket.next("turn");
    expect(ended.messageId).not.toBe(turnId);
  });

  it("is acked, and the next in line starts, when a listener of its signal throws", async () => {
    const { threadId, socket, turnId } = await running();
    const next = await socket.send("Next");
    await play(threadId, (run) =>
      run.turn.signal.addEventListener("abort", () => {
        throw new Error("a listener of the app");
      }),
    );
    const answer = await socket.ask({ type: "stop", id: newId(), epoch: socket.epoch, turnId });
    expect(answer.type).toBe("ack");
    await runInDurableObject(stubOf(threadId), async (puppet) => expect((await puppet.nextPlay()).turn.id).toBe(next.ref));
  });
});
