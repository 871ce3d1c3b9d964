// One call of a tool, from its row in the ledger to its outcome there. It ends once: with what the tool gives, or before that
// with the abort of the AI SDK, of the turn or of the ledger, or at the timeout; no timer or listener outlives that.
import { ChatError } from "../errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import { UNKNOWN_OUTCOME } from "../protocol/tool-part.ts";
import type { ToolOutcome } from "../storage/tool-call-table.ts";
import type { Deps } from "./deps.ts";
import { jsonOf, type ToolCallEntry, type ToolCallStart, type ToolLedger } from "./tool-ledger.ts";

export interface ToolPorts {
  ledger: ToolLedger;
  /** The turn's. */
  signal: AbortSignal;
  /** A call that takes longer fails; `Infinity` for no bound. */
  timeoutMs: number;
  setTimer: Deps["setTimer"];
  /** The text of an error as clients and later runs read it. Must be what the stream of the AI SDK says of the same error. */
  errorText(error: unknown): string;
}

/** Longest time that one timer can be set for. */
const MAX_TIMER_MS = 2_147_483_647;

export class ToolCall {
  readonly #entry: ToolCallEntry;
  readonly #name: string;
  readonly #ports: ToolPorts;
  readonly #abort = new AbortController();
  /** Rejects when the call ends before its tool does. */
  readonly #cutOff: Promise<never>;
  #reject: (error: unknown) => void = () => {};
  /** Undo what holds the call while it is open. */
  readonly #releases: (() => void)[] = [];

  /**
   * Stores the call and opens it.
   * @throws what ended the turn already, or what `ToolLedger.begin` throws: the tool must not run
   */
  static begin(start: ToolCallStart, sdkSignal: AbortSignal | undefined, ports: ToolPorts): ToolCall {
    const signals = [ports.signal, ports.ledger.signal, ...(sdkSignal ? [sdkSignal] : [])];
    for (const signal of signals) signal.throwIfAborted();
    return new ToolCall(ports.ledger.begin(start), start.name, signals, ports);
  }

  private constructor(entry: ToolCallEntry, name: string, signals: readonly AbortSignal[], ports: ToolPorts) {
    this.#entry = entry;
    this.#name = name;
    this.#ports = ports;
    this.#cutOff = new Promise((_resolve, reject) => (this.#reject = reject));
    // Most calls are never cut off, and then nobody looks at this promise.
    this.#cutOff.catch(() => {});
    for (const signal of signals) {
      const onAbort = (): void => this.#cut(signal.reason);
      signal.addEventListener("abort", onAbort);
      this.#releases.push(() => signal.removeEventListener("abort", onAbort));
    }
    const { timeoutMs } = ports;
    if (timeoutMs <= MAX_TIMER_MS) this.#releases.push(ports.setTimer(timeoutMs, () => this.#cut(timeoutError(name, timeoutMs))));
  }

  get idempotencyKey(): string {
    return this.#entry.idempotencyKey;
  }

  /** Aborts when the call is cut off. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Runs the tool and gives on what it gives, an async iterable as one; its outcome is stored before that ends. */
  settle(run: () => unknown): AsyncIterable<unknown> | Promise<unknown> {
    let result: unknown;
    try {
      result = run();
    } catch (error) {
      throw this.#fail(error);
    }
    return isAsyncIterable(result) ? this.#relay(result) : this.#await(result);
  }

  async #await(result: unknown): Promise<unknown> {
    try {
      const output = await Promise.race([this.#cutOff, result]);
      this.#succeed(output);
      return output;
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Each value as it comes; the last one is the output. */
  async *#relay(values: AsyncIterable<unknown>): AsyncGenerator<unknown, void> {
    let iterator: AsyncIterator<unknown> | undefined;
    let isDone = false;
    let output: unknown;
    try {
      iterator = values[Symbol.asyncIterator]();
      for (;;) {
        const next = await Promise.race([this.#cutOff, iterator.next()]);
        isDone = next.done === true;
        if (isDone) break;
        output = next.value;
        this.#check(output);
        yield output;
      }
      this.#succeed(output);
    } catch (error) {
      throw this.#fail(error);
    } finally {
      // Nobody may wait for it: the `return` of a generator comes after a `next` that never does.
      if (!isDone) void closeIterator(iterator);
      // The reader left before the end: the tool may have done its work or not.
      this.#end({ type: "error", errorText: UNKNOWN_OUTCOME });
    }
  }

  #succeed(output: unknown): void {
    this.#check(output);
    // As the AI SDK writes it into its stream.
    this.#end({ type: "output", output: output === undefined ? null : output });
  }

  #fail(error: unknown): unknown {
    this.#end({ type: "error", errorText: this.#ports.errorText(error) });
    return error;
  }

  #cut(reason: unknown): void {
    try {
      this.#fail(reason);
      this.#reject(reason);
    } catch (error) {
      // The outcome could not be stored, so it must not be seen as one either.
      this.#reject(error);
    }
    this.#abort.abort(reason);
  }

  /** Only the first end of a call counts. */
  #end(outcome: ToolOutcome): void {
    for (const release of this.#releases.splice(0)) release();
    this.#ports.ledger.settle(this.#entry, outcome);
  }

  #check(output: unknown): void {
    const text = output === undefined ? "null" : jsonOf(output);
    const name = JSON.stringify(this.#name);
    if (text === undefined) {
      const message = `The tool ${name} gave a ${typeof output} that has no JSON form. Let it return a JSON value: no function, cycle or bigint.`;
      throw new ChatError("configuration", message);
    }
    if (text.length > LIMITS.maxMessageBytes) {
      throw new ChatError("too_large", `The tool ${name} gave more than ${LIMITS.maxMessageBytes} bytes. Let it return less.`);
    }
  }
}

function timeoutError(name: string, timeoutMs: number): ChatError {
  return new ChatError("interrupted", `The tool ${JSON.stringify(name)} had no result after ${timeoutMs} ms (limits.toolTimeoutMs).`);
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === "function"
  );
}

async function closeIterator(iterator: AsyncIterator<unknown> | undefined): Promise<void> {
  try {
    await iterator?.return?.();
  } catch {
    // What a tool throws after its call has ended is its own affair: the outcome is stored.
  }
}
