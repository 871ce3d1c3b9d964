import { describe, expect, it, vi } from "vitest";
import { idempotencyKeyOf, idempotent, wrapTools } from "../../../src/session/tools.ts";
import { LedgerWorld } from "./ledger-support.ts";

type Execute = (input: unknown, options: Record<string, unknown>) => unknown;
const OPTIONS = { toolCallId: "call_0", messages: [] };
const INPUT = { sides: 6 };

/** The wrapped `execute` of one tool. */
function wrapped(world: LedgerWorld, execute: Execute, tool: object = {}, ledger = world.ledger()): Execute {
  return wrapTools({ roll: { ...tool, execute } }, world.ports(ledger)).roll.execute;
}

const output = (value: unknown): object => ({ type: "output", output: value });

/** Every value of an iterable, and what it throws. */
async function readAll(values: unknown): Promise<unknown[]> {
  const read: unknown[] = [];
  try {
    for await (const value of values as AsyncIterable<unknown>) read.push(value);
  } catch (error) {
    read.push(error);
  }
  return read;
}

describe("a wrapped tool", () => {
  it("runs after its call is stored, and gives its output after that is stored", async () => {
    using world = new LedgerWorld();
    let during: unknown;
    const execute = wrapped(world, async () => {
      during = world.outcomes;
      return { value: 4 };
    });
    expect(await execute(INPUT, OPTIONS)).toEqual({ value: 4 });
    expect(during).toEqual([null]);
    expect(world.table.list()).toMatchObject([
      { callId: "call_0", name: "roll", input: INPUT, isDynamic: false, isIdempotent: false, outcome: output({ value: 4 }) },
    ]);
  });

  it("passes on what the AI SDK gives it, with a key and with the tool as `this`", async () => {
    using world = new LedgerWorld();
    const original = {
      type: "dynamic",
      sides: 6,
      execute(this: unknown, input: unknown, options: Record<string, unknown>) {
        return [this === original, input, options.toolCallId, options.context, idempotencyKeyOf(options)];
      },
    };
    const tools = wrapTools({ roll: original }, world.ports(world.ledger()));
    const result: unknown = tools.roll.execute(INPUT, { ...OPTIONS, context: "c" });
    expect(await result).toEqual([true, INPUT, "call_0", "c", "turn-1:1"]);
    expect(world.table.list()[0]!.isDynamic).toBe(true);
  });

  it("is the same object without `execute`, else a copy that keeps everything else", () => {
    class Base {
      readonly description = "d";
      toModelOutput(): string {
        return `${this.description}!`;
      }
      execute(): string {
        return this.description;
      }
    }
    using world = new LedgerWorld();
    const original = new Base();
    const tools = { client: { inputSchema: {} }, roll: original };
    const result = wrapTools(tools, world.ports(world.ledger()));
    expect(result.client).toBe(tools.client);
    expect(result.roll).not.toBe(original);
    expect(result.roll).toBeInstanceOf(Base);
    expect([result.roll.toModelOutput(), Object.keys(result.roll)]).toEqual(["d!", ["description", "execute"]]);
    expect(original.execute).toBe(Base.prototype.execute);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("It broke.");
      },
    ],
    [
      "rejects",
      async () => {
        throw new Error("It broke.");
      },
    ],
  ])("stores the text of what it %s, and gives the raw error on", async (_name, fails) => {
    using world = new LedgerWorld();
    const execute = wrapped(world, fails);
    await expect((async () => execute(INPUT, OPTIONS))()).rejects.toThrow(/^It broke\.$/);
    expect(world.outcomes).toEqual([{ type: "error", errorText: "shown: It broke." }]);
  });

  it("stores no output as null, as the AI SDK writes it", async () => {
    using world = new LedgerWorld();
    expect(await wrapped(world, () => undefined)(INPUT, OPTIONS)).toBeUndefined();
    expect(world.outcomes).toEqual([output(null)]);
  });

  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  it.each([
    ["a function", () => {}],
    ["a symbol", Symbol("s")],
    ["a bigint", { value: 1n }],
    ["a cycle", cycle],
    [
      "an object that throws",
      {
        toJSON() {
          throw new Error("No.");
        },
      },
    ],
  ])("fails with a typed error where it gives %s", async (_name, value) => {
    using world = new LedgerWorld();
    await expect(wrapped(world, async () => value)(INPUT, OPTIONS)).rejects.toMatchObject({ code: "configuration" });
    expect(world.outcomes).toMatchObject([{ type: "error", errorText: expect.stringContaining("JSON") as unknown }]);
    const relayed = await readAll(
      wrapped(world, async function* () {
        yield value;
      })(INPUT, OPTIONS),
    );
    expect(relayed).toMatchObject([{ code: "configuration" }]);
  });

  it("fails with a typed error where it gives more than a message can hold", async () => {
    using world = new LedgerWorld();
    await expect(wrapped(world, () => "x".repeat(16_777_216))(INPUT, OPTIONS)).rejects.toMatchObject({ code: "too_large" });
  });

  it("does not run without a call id, after the ledger was closed, or after the turn was stopped", async () => {
    using world = new LedgerWorld();
    const ledger = world.ledger();
    const run = vi.fn();
    const execute = wrapped(world, run, {}, ledger);
    expect(() => execute(INPUT, {})).toThrow(expect.objectContaining({ code: "configuration" }));
    expect(() => execute(INPUT, { ...OPTIONS, abortSignal: AbortSignal.abort() })).toThrow(expect.objectContaining({ name: "AbortError" }));
    ledger.close();
    expect(() => execute(INPUT, OPTIONS)).toThrow(expect.objectContaining({ code: "interrupted" }));
    world.stop.abort();
    expect(() => wrapped(world, run)(INPUT, OPTIONS)).toThrow(expect.objectContaining({ name: "AbortError" }));
    expect(run).not.toHaveBeenCalled();
    expect(world.table.list()).toEqual([]);
  });
});

describe("a wrapped tool that gives preliminary results", () => {
  it("stays an async iterable, whose last value is stored before it ends", async () => {
    using world = new LedgerWorld();
    const seen: unknown[] = [];
    const values = wrapped(world, async function* () {
      yield 1;
      yield 2;
    })(INPUT, OPTIONS) as AsyncIterable<unknown>;
    for await (const value of values) seen.push([value, ...world.outcomes]);
    expect(seen).toEqual([
      [1, null],
      [2, null],
    ]);
    expect(world.outcomes).toEqual([output(2)]);
    expect(world.timers.size).toBe(0);
  });

  it("stores what it throws, and null when it gives nothing", async () => {
    using world = new LedgerWorld();
    const error = new Error("It broke.");
    const failing = wrapped(world, async function* () {
      yield 1;
      throw error;
    });
    expect(await readAll(failing(INPUT, OPTIONS))).toEqual([1, error]);
    expect(await readAll(wrapped(world, async function* () {})(INPUT, OPTIONS))).toEqual([]);
    expect(world.outcomes).toEqual([{ type: "error", errorText: "shown: It broke." }, output(null)]);
  });

  it("is closed, its outcome unknown, when its reader leaves", async () => {
    using world = new LedgerWorld();
    let isClosed = false;
    const ledger = world.ledger();
    const values = wrapped(
      world,
      async function* () {
        try {
          yield 1;
          yield 2;
        } finally {
          isClosed = true;
        }
      },
      {},
      ledger,
    )(INPUT, OPTIONS) as AsyncIterable<unknown>;
    for await (const _value of values) break;
    expect([isClosed, ledger.inFlight, world.timers.size]).toEqual([true, 0, 0]);
    expect(world.outcomes).toEqual([{ type: "error", errorText: "Interrupted, outcome unknown." }]);
  });

  it("ends at the timeout, though it never gives a value and nobody reads on", async () => {
    using world = new LedgerWorld();
    const ledger = world.ledger();
    const stalled = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}), return: () => Promise.reject(new Error("late")) }),
    };
    const values = wrapped(world, () => stalled, {}, ledger)(INPUT, OPTIONS);
    world.fire();
    expect([ledger.inFlight, world.outcomes[0]!.type]).toEqual([0, "error"]);
    expect(await readAll(values)).toMatchObject([{ code: "interrupted" }]);
  });
});

describe("a wrapped tool that takes too long", () => {
  it("fails at the timeout with its signal aborted; what it gives later is dropped", async () => {
    using world = new LedgerWorld();
    const ledger = world.ledger();
    const late = Promise.withResolvers<string>();
    let signal: AbortSignal | undefined;
    const result = wrapped(
      world,
      (_input, options) => {
        signal = options.abortSignal as AbortSignal;
        return late.promise;
      },
      {},
      ledger,
    )(INPUT, OPTIONS) as Promise<unknown>;
    expect([...world.timers.values()]).toEqual([5_000]);
    expect(ledger.inFlight).toBe(1);
    world.fire();
    await expect(result).rejects.toMatchObject({ code: "interrupted", message: expect.stringContaining("5000 ms") as unknown });
    expect(signal!.aborted).toBe(true);
    late.resolve("late");
    await late.promise;
    expect(world.outcomes).toMatchObject([{ type: "error", errorText: expect.stringContaining("5000 ms") as unknown }]);
    expect(ledger.inFlight).toBe(0);
  });

  it.each(["the turn", "the AI SDK", "the ledger"])("ends with %s, and leaves no timer and no listener", async (who) => {
    using world = new LedgerWorld();
    const ledger = world.ledger();
    const sdk = new AbortController();
    const removed = [vi.spyOn(world.stop.signal, "removeEventListener"), vi.spyOn(sdk.signal, "removeEventListener")];
    let signal: AbortSignal | undefined;
    const result = wrapped(
      world,
      (_input, options) => {
        signal = options.abortSignal as AbortSignal;
        return new Promise(() => {});
      },
      {},
      ledger,
    )(INPUT, { ...OPTIONS, abortSignal: sdk.signal }) as Promise<unknown>;
    const reason = new Error("over");
    if (who === "the turn") world.stop.abort(reason);
    else if (who === "the AI SDK") sdk.abort(reason);
    else ledger.close();
    await expect(result).rejects.toBe(who === "the ledger" ? ledger.signal.reason : reason);
    expect([signal!.aborted, world.timers.size, ledger.inFlight]).toEqual([true, 0, 0]);
    for (const spy of removed) expect(spy).toHaveBeenCalledOnce();
    expect(world.outcomes).toEqual([who === "the ledger" ? null : { type: "error", errorText: "shown: over" }]);
  });

  it("has no timer without a bound, and none after it has ended", async () => {
    using world = new LedgerWorld();
    const execute = wrapTools({ roll: { execute: () => world.timers.size } }, world.ports(world.ledger(), Infinity)).roll
      .execute as Execute;
    expect(await execute(INPUT, OPTIONS)).toBe(0);
    expect(await wrapped(world, () => world.timers.size)(INPUT, OPTIONS)).toBe(1);
    expect(world.timers.size).toBe(0);
  });
});

describe("an idempotent tool", () => {
  it("has the same key when its call is run again, another one in every other call", async () => {
    using world = new LedgerWorld();
    const keys: string[] = [];
    const tool = idempotent({ execute: (_input: unknown, options: object) => void keys.push(idempotencyKeyOf(options)) });
    const lost = wrapTools(
      { roll: { ...tool, execute: (_input: unknown, options: object) => (tool.execute({}, options), new Promise(() => {})) } },
      world.ports(world.ledger(1)),
    );
    void lost.roll.execute(INPUT, OPTIONS);
    const again = wrapTools({ roll: tool }, world.ports(world.ledger(2))).roll.execute as Execute;
    await again(INPUT, OPTIONS);
    await again(INPUT, OPTIONS);
    expect(keys).toEqual(["turn-1:1", "turn-1:1", "turn-1:2"]);
    expect(world.outcomes).toEqual([output(null), output(null)]);
  });

  it("keeps its own answer to who must approve it", () => {
    using world = new LedgerWorld();
    const ports = world.ports(world.ledger());
    const asks = (needsApproval: unknown): unknown => {
      const tool = idempotent({ needsApproval, limit: 3, execute: () => 1 });
      return (wrapTools({ tool }, ports).tool.needsApproval as Execute)({ n: 5 }, OPTIONS);
    };
    expect([asks(undefined), asks(false), asks(true)]).toEqual([false, false, true]);
    expect(
      asks(function (this: { limit: number }, { n }: { n: number }) {
        return n > this.limit;
      }),
    ).toBe(true);
  });

  it("has no key outside turn.tools", () => {
    expect(() => idempotencyKeyOf(OPTIONS)).toThrow(expect.objectContaining({ code: "configuration" }));
  });
});
