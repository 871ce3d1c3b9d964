import { describe, expect, it } from "vitest";
import type { LogTable } from "../../../src/storage/log-table.ts";
import { TurnLog } from "../../../src/stream/turn-log.ts";

/** A turn as storage has it: its `messageId` is the user message. */
const TURN = { id: "the-turn", messageId: "the-question" };

const table = {
  append: () => ({ n: 1, bytes: 1 }),
  tail: () => ({ n: 1, bytes: 1 }),
  readAll: () => ({ chunks: [{ type: "start-step" }], isWhole: true }),
} as unknown as LogTable;

describe("the live message of a turn", () => {
  it("has the id of the turn, as its reply will have, and not that of the user message", () => {
    const log = new TurnLog(table, TURN);
    log.push({ type: "text-start", id: "t" });
    log.commit(log.write()!);
    expect(log.live).toMatchObject({ seq: 1, message: { id: "the-turn" } });
  });

  it("has it also when it is read back from storage", () => {
    expect(TurnLog.restore(table, TURN).live).toMatchObject({ seq: 1, message: { id: "the-turn" } });
  });
});
