import { describe, expect, it } from "vitest";
import { ToolLedger } from "../../../src/session/tool-ledger.ts";
import { Database } from "../../../src/storage/database.ts";
import { ToolCallTable } from "../../../src/storage/tool-call-table.ts";
import { failAfter, InjectedFailure } from "../../support/storage-probes.ts";
import { LedgerWorld, ROLL } from "./ledger-support.ts";

describe("the ledger of a turn's tool calls", () => {
  it("has stored a call before its tool can run, and its outcome when it returns", () => {
    using world = new LedgerWorld();
    const ledger = world.ledger();
    const entry = ledger.begin(ROLL);
    expect(world.table.list()).toMatchObject([{ ...ROLL, n: 1, turnId: "turn-1", run: 1, startedAt: 1_000, outcome: null }]);
    expect(ledger.inFlight).toBe(1);
    ledger.settle(entry, { type: "output", output: 4 });
    expect(world.outcomes).toEqual([{ type: "output", output: 4 }]);
    expect(ledger.inFlight).toBe(0);
  });

  it("makes a call of its own of each start, also under one id at one time", () => {
    using world = new LedgerWorld();
    const ledger = world.ledger();
    const idempotent = { ...ROLL, isIdempotent: true };
    const entries = [ledger.begin(idempotent), ledger.begin(idempotent)];
    ledger.settle(entries[0]!, { type: "output", output: 1 });
    entries.push(ledger.begin(idempotent));
    expect(new Set(entries.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3);
    ledger.settle(entries[2]!, { type: "output", output: 3 });
    expect(world.outcomes).toEqual([{ type: "output", output: 1 }, null, { type: "output", output: 3 }]);
  });

  it("takes an idempotent call of an earlier run up again, once, under its old key", () => {
    using world = new LedgerWorld();
    const call = { ...ROLL, input: { sides: 6, times: 2 }, isIdempotent: true };
    const first = world.ledger(1).begin(call);
    const ledger = world.ledger(2);
    const again = ledger.begin({ ...call, input: { times: 2, sides: 6 } });
    expect(again).toEqual(first);
    expect(ledger.begin(call).idempotencyKey).not.toBe(first.idempotencyKey);
    ledger.settle(again, { type: "output", output: 5 });
    expect(world.outcomes).toEqual([{ type: "output", output: 5 }, null]);
  });

  it.each([
    ["is not idempotent", { isIdempotent: false }],
    ["has another input", { input: { sides: 20 } }],
    ["is of another tool", { name: "flip" }],
    ["has another id", { callId: "call_1" }],
  ])("begins a new call where the later one %s", (_name, change) => {
    using world = new LedgerWorld();
    const first = world.ledger(1).begin({ ...ROLL, isIdempotent: true });
    expect(world.ledger(2).begin({ ...ROLL, isIdempotent: true, ...change })).not.toEqual(first);
  });

  it("never returns to a call that has an outcome, or that was not idempotent when it began", () => {
    using world = new LedgerWorld();
    const earlier = world.ledger(1);
    const settled = earlier.begin({ ...ROLL, isIdempotent: true });
    earlier.settle(settled, { type: "error", errorText: "It broke." });
    earlier.begin({ ...ROLL, callId: "call_1" });
    const ledger = world.ledger(2);
    expect(ledger.begin({ ...ROLL, isIdempotent: true }).n).toBe(3);
    expect(ledger.begin({ ...ROLL, callId: "call_1", isIdempotent: true }).n).toBe(4);
  });

  it("lets nothing begin and drops what is late once it is closed", () => {
    using world = new LedgerWorld();
    const ledger = world.ledger();
    const entry = ledger.begin(ROLL);
    ledger.close();
    ledger.close();
    expect(ledger.signal.aborted).toBe(true);
    expect(ledger.inFlight).toBe(0);
    expect(() => ledger.begin(ROLL)).toThrow(expect.objectContaining({ code: "interrupted" }));
    ledger.settle(entry, { type: "output", output: "late" });
    expect(world.outcomes).toEqual([null]);
  });

  it("keeps a late result away from the next turn, whose calls count from one again", () => {
    using world = new LedgerWorld();
    const old = world.ledger(1, "turn-1");
    const entry = old.begin(ROLL);
    world.table.clear();
    world.ledger(1, "turn-2").begin(ROLL);
    old.settle(entry, { type: "output", output: "late" });
    expect(world.outcomes).toEqual([null]);
  });

  it("refuses an input that cannot be stored, and counts nothing", () => {
    using world = new LedgerWorld();
    const ledger = world.ledger();
    expect(() => ledger.begin({ ...ROLL, input: 1n })).toThrow(expect.objectContaining({ code: "configuration" }));
    expect([ledger.inFlight, world.table.list()]).toEqual([0, []]);
  });

  it("counts a call as at work no longer when its outcome could not be stored", () => {
    using world = new LedgerWorld();
    const db = new Database(failAfter(world.storage, 5));
    const ledger = new ToolLedger(
      { db, table: new ToolCallTable(db), now: () => 0, isCurrent: () => true, onLost: () => {} },
      { id: "turn-1", run: 1 },
    );
    const entry = ledger.begin(ROLL);
    expect(() => ledger.settle(entry, { type: "output", output: 4 })).toThrow(InjectedFailure);
    expect([ledger.inFlight, world.outcomes]).toEqual([0, [null]]);
  });
});
