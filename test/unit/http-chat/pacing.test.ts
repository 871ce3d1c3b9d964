// What a page without our client gets of text that comes in flushes: an even flow, and the end soon after the end.
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { streamTurn } from "../../../src/ai-sdk/turn-stream.ts";
import { createSnapshotStore } from "../../../src/client/snapshot-store.ts";
import type { ChatClient, ChatSnapshot } from "../../../src/client/types.ts";
import { paceView } from "../../../src/http-chat/paced-view.ts";
import { sseResponse } from "../../../src/http-chat/sse-response.ts";
import type { Chunk } from "../../../src/protocol/messages.ts";

const TURN = "the-turn";
const FLUSH = "What is written in half a second is read in half a second. ".repeat(3);
const BASE = { connection: { kind: "live", attempt: 0, since: 0 }, queue: [], messages: [], turn: null };

beforeEach(() => void vi.useFakeTimers({ now: 1_790_000_000_000 }));
afterEach(() => void vi.useRealTimers());

/** A client that shows what the test says. */
class Source {
  #snapshot = BASE as unknown as ChatSnapshot;
  readonly #store = createSnapshotStore(() => this.#snapshot, queueMicrotask);

  readonly client = { getSnapshot: this.#store.get, subscribe: this.#store.subscribe, on: () => () => {} } as unknown as ChatClient;

  show(text: string, isOver = false): void {
    const part = { type: "text", id: "1", text, state: isOver ? "done" : "streaming" };
    const facts = { outcome: "completed", finishReason: "stop" };
    const message = { id: TURN, role: "assistant", parts: [part], ...(isOver ? { createdAt: 1, facts } : {}) };
    const turn = { id: TURN, messageId: TURN, parent: null, base: 0, state: "running" };
    this.#snapshot = { ...BASE, messages: [message], turn: isOver ? null : turn } as unknown as ChatSnapshot;
    this.#store.changed();
  }

  /** Before the first chunk. */
  begin(): void {
    this.#snapshot = { ...BASE, turn: { id: TURN, messageId: TURN, parent: null, base: 0, state: "running" } } as unknown as ChatSnapshot;
    this.#store.changed();
  }
}

/** Reads the stream of the turn, and notes when each delta came. */
function follow(client: ChatClient) {
  const seen: { at: number; text: string }[] = [];
  const types: string[] = [];
  const stream = streamTurn({ client: paceView(client, TURN), turnId: TURN, onStart: () => {}, onEnd: () => {} });
  const done = (async () => {
    for await (const chunk of stream as unknown as AsyncIterable<Chunk & { delta?: string }>) {
      types.push(chunk.type);
      if (chunk.type === "text-delta") seen.push({ at: Date.now(), text: chunk.delta });
    }
  })();
  return { seen, types, done, text: () => seen.map(({ text }) => text).join("") };
}

it("lets each flush out evenly until the next one", async () => {
  const source = new Source();
  source.begin();
  const { seen, done, text, types } = follow(source.client);
  await vi.advanceTimersByTimeAsync(100);
  for (let flush = 1; flush <= 3; flush++) {
    source.show(FLUSH.repeat(flush));
    const begin = Date.now();
    await vi.advanceTimersByTimeAsync(500);
    const pieces = seen.filter(({ at }) => at >= begin && at < begin + 500);
    expect(pieces.length).toBeGreaterThanOrEqual(10);
    for (const piece of pieces) expect(piece.text.length).toBeLessThan(FLUSH.length / 5);
  }
  source.show(FLUSH.repeat(4), true);
  const end = Date.now();
  await vi.advanceTimersByTimeAsync(250);
  await done;
  expect(Date.now() - end).toBeLessThanOrEqual(250);
  expect(text()).toBe(FLUSH.repeat(4));
  expect(types.at(-1)).toBe("finish");
  expect(vi.getTimerCount()).toBe(0);
});

it("gives what was there before at once, and what has ended as well", async () => {
  const source = new Source();
  source.show(FLUSH);
  const { text } = follow(source.client);
  await vi.advanceTimersByTimeAsync(0);
  expect(text()).toBe(FLUSH);
  source.show(FLUSH, true);
  const late = follow(source.client);
  await vi.advanceTimersByTimeAsync(0);
  await late.done;
  expect(late.text()).toBe(FLUSH);
});

it("says a word where nothing comes for some time, and stops when the reader leaves", async () => {
  const onEnd = vi.fn();
  const source = new Source();
  source.begin();
  const chunks = streamTurn({ client: paceView(source.client, TURN), turnId: TURN, onStart: () => {}, onEnd });
  const reader = sseResponse(chunks, 7, {}).body!.getReader();
  const first = reader.read();
  await vi.advanceTimersByTimeAsync(15_000);
  expect(new TextDecoder().decode((await first).value)).toMatch(/^: /);
  source.show(FLUSH);
  await vi.advanceTimersByTimeAsync(100);
  expect(new TextDecoder().decode((await reader.read()).value)).toBe(`data: {"type":"start","messageId":"${TURN}"}\n\n`);
  await reader.cancel();
  expect(onEnd).toHaveBeenCalledOnce();
  expect(vi.getTimerCount()).toBe(0);
});

it("tells a page of ai 6 nothing that it would take for an error", async () => {
  const chunks = [
    { type: "start" },
    { type: "reset-step" },
    { type: "tool-approval-response" },
    { type: "finish", finishReason: "interrupted" },
  ];
  const stream = () =>
    new ReadableStream<Chunk>({
      start: (controller) => {
        for (const chunk of chunks) controller.enqueue(chunk as Chunk);
        controller.close();
      },
    });
  const lines = async (release: 6 | 7) => (await sseResponse(stream(), release, {}).text()).split("\n\n");
  expect(await lines(6)).toEqual(['data: {"type":"start"}', 'data: {"type":"finish","finishReason":"other"}', "data: [DONE]", ""]);
  expect(await lines(7)).toHaveLength(6);
});
