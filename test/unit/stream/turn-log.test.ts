import { describe, expect, it } from "vitest";
import { isChatError } from "../../../src/errors.ts";
import { LIMITS } from "../../../src/protocol/limits.ts";
import type { Chunk, LiveMessage } from "../../../src/protocol/messages.ts";
import type { LogTable } from "../../../src/storage/log-table.ts";
import { TurnLog } from "../../../src/stream/turn-log.ts";

const EMPTY: LiveMessage = { id: "the-reply", role: "assistant", parts: [] };
const BASE: LiveMessage = { ...EMPTY, parts: [{ type: "step-start" }, { type: "text", text: "So far" }], metadata: { model: "demo" } };
const TEXT: Chunk[] = [
  { type: "text-start", id: "2:t" },
  { type: "text-delta", id: "2:t", delta: " and on" },
];

/** A table that keeps what is appended to it. */
function tableOf(...chunks: Chunk[]): LogTable & { stored: Chunk[]; seqs: number[] } {
  const stored = [...chunks];
  const seqs: number[] = [];
  return {
    stored,
    seqs,
    append: (_tail: unknown, _turnId: string, from: number, items: readonly Chunk[]) => {
      seqs.push(from);
      stored.push(...items);
      return { n: 1, bytes: 1 };
    },
    tail: () => ({ n: 1, bytes: 1 }),
    readAll: () => ({ chunks: stored, isWhole: true }),
  } as unknown as LogTable & { stored: Chunk[]; seqs: number[] };
}

describe("the live message of a turn", () => {
  it("has the id of its base, whatever the turn is called", () => {
    const log = new TurnLog(tableOf(), "the-turn", EMPTY);
    log.push({ type: "text-start", id: "t" });
    log.commit(log.write()!);
    expect(log.live).toMatchObject({ seq: 1, message: { id: "the-reply" } });
  });

  it("has it also when it is read back from storage", () => {
    expect(TurnLog.restore(tableOf({ type: "start-step" }), "the-turn", EMPTY).live).toMatchObject({
      seq: 1,
      message: { id: "the-reply" },
    });
  });

  it("begins with the parts of a reply that goes on, at seq 0, and adds to them", () => {
    const table = tableOf();
    const log = new TurnLog(table, "the-turn", BASE);
    expect(log.live).toEqual({ message: BASE, seq: 0, open: { text: {}, reasoning: {}, input: {} } });
    for (const chunk of TEXT) log.push(chunk);
    log.commit(log.write()!);
    expect(log.live.message.parts).toEqual([...BASE.parts, { type: "text", text: " and on", state: "streaming" }]);
    expect(log.live.message.metadata).toEqual({ model: "demo" });
    expect(TurnLog.restore(table, "the-turn", BASE).live).toEqual(log.live);
    expect(BASE.parts).toHaveLength(2);
  });
});

describe("what is written besides the chunks of a run", () => {
  it("comes after what is pending, with the next seqs", () => {
    const table = tableOf();
    const log = new TurnLog(table, "the-turn", EMPTY);
    for (const chunk of TEXT) log.push(chunk);
    const flush = log.write([{ type: "text-end", id: "2:t" }])!;
    expect(flush).toMatchObject({ from: 1, items: [...TEXT, { type: "text-end", id: "2:t" }] });
    // Memory changes only when it is stored.
    expect(log.live.seq).toBe(0);
    log.commit(flush);
    expect(log.live.seq).toBe(3);
    expect(log.write()).toBeNull();
    expect(log.write([{ type: "start-step" }])).toMatchObject({ from: 4 });
  });

  it("is never refused, and takes of the room of what a run adds", () => {
    const log = new TurnLog(tableOf(), "the-turn", EMPTY);
    const delta: Chunk = { type: "text-delta", id: "t", delta: "x".repeat(LIMITS.maxMessageBytes - 1_000) };
    log.push({ type: "text-start", id: "t" });
    log.push(delta);
    const { room } = log;
    expect(room).toBe(LIMITS.maxMessageBytes - JSON.stringify(delta).length - JSON.stringify({ type: "text-start", id: "t" }).length);
    const end: Chunk = { type: "text-end", id: "t" };
    log.commit(log.write([end, { type: "data-x", data: "x".repeat(1_000) }])!);
    expect(log.room).toBeLessThan(0);
    try {
      log.push({ type: "start-step" });
      expect.unreachable();
    } catch (error) {
      expect(isChatError(error) && error.code).toBe("too_large");
    }
    expect(log.live.seq).toBe(4);
  });

  it("counts towards those 16 MB, and so does the base", () => {
    const half = "x".repeat(LIMITS.maxMessageBytes / 2);
    const log = new TurnLog(tableOf(), "the-turn", { ...EMPTY, parts: [{ type: "text", text: half }] });
    log.commit(log.write([{ type: "data-x", data: half.slice(1_000) }])!);
    expect(() => log.push({ type: "data-x", data: "x".repeat(1_000) })).toThrow("bytes");
  });
});
