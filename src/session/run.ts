// One call of `onTurn` and what it produces: reads the result, normalises it, and hands each chunk to the turn's log with
// the flush policy. Knows nothing of queues, commands or how a turn ends: it reports its end once.
import type { Chunk, Usage } from "../protocol/messages.ts";
import { FLUSH_BYTES, flushDelayMs, isBoundary, isVisible, type FlushOptions } from "../stream/flush-policy.ts";
import { normaliseRun, type RunNormaliser } from "../stream/normalise-run.ts";
import { readResult, type TurnResult } from "../stream/source.ts";
import type { TurnLog } from "../stream/turn-log.ts";
import type { TurnEvent } from "../turn/machine.ts";
import type { Deps } from "./deps.ts";
import { isStepOpen } from "./recovery.ts";
import { turnFailure } from "./turn-failure.ts";

export interface RunPorts {
  /** Stores what is pending and sends it. Throws when storage does. */
  flush(): void;
  isWatched(): boolean;
  sendTransient(chunk: Chunk): void;
  /** Called once, unless the run was ended from outside first. */
  onEnd(event: TurnEvent): void;
  /** For the log of the server; never for clients. */
  report: (error: unknown) => void;
}

export class Run {
  readonly log: TurnLog;
  usage: Usage | undefined;
  readonly #abort = new AbortController();
  readonly #normaliser: RunNormaliser;
  readonly #ports: RunPorts;
  readonly #deps: Deps;
  readonly #flushOptions: FlushOptions;
  #lastChunkAt: number;
  /** Ids of the calls whose tool may be running. */
  readonly #openCalls = new Set<string>();
  #flushes = 0;
  #cancelTimer: (() => void) | null = null;
  #closeSource: () => void = () => {};
  #hasEnded = false;

  constructor(log: TurnLog, turn: { id: string; run: number }, ports: RunPorts, deps: Deps, flushOptions: FlushOptions) {
    this.log = log;
    this.#ports = ports;
    this.#deps = deps;
    this.#flushOptions = flushOptions;
    this.#lastChunkAt = deps.now();
    this.#normaliser = normaliseRun({
      messageId: turn.id,
      run: turn.run,
      hasStarted: log.live.seq > 0,
      isStepOpen: isStepOpen(log.live),
      onTransient: (chunk) => ports.sendTransient(chunk),
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** How long it has produced nothing, in ms. While a tool call is open its tool may be at work: that is no silence. */
  silentMs(now: number): number {
    return this.#openCalls.size > 0 ? 0 : now - this.#lastChunkAt;
  }

  /** Runs to the end of the result. Never rejects. */
  async consume(call: () => TurnResult | Promise<TurnResult>): Promise<void> {
    if (this.#hasEnded) return;
    try {
      const reader = readResult(await call(), {
        onError: (error) => this.#ports.report(error),
        onUsage: (usage) => (this.usage = usage),
      });
      if (this.#hasEnded) return reader.cancel();
      this.#closeSource = () => reader.cancel();
      for await (const chunk of reader) {
        if (this.#hasEnded) return;
        this.take(chunk);
        if (this.#normaliser.end.errorText !== undefined) break;
      }
      this.#finish();
    } catch (error) {
      this.#end({ type: "fail", error: turnFailure(error) }, error);
    }
  }

  /** Takes one chunk of the result, or one that the app writes. Nothing happens once the run has ended. */
  take(chunk: Chunk): void {
    if (this.#hasEnded) return;
    this.#lastChunkAt = this.#deps.now();
    if (chunk.type === "tool-input-available") this.#openCalls.add(chunk.toolCallId);
    else if (isOutcome(chunk)) this.#openCalls.delete(chunk.toolCallId);
    for (const logged of this.#normaliser.push(chunk)) {
      this.log.push(logged);
      this.#flushOrWait(logged);
    }
  }

  /** Ends the run from outside: nothing it still produces counts. Aborting the signal is a step of its own. */
  detach(): void {
    this.#hasEnded = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#closeSource();
  }

  abort(): void {
    this.#abort.abort();
  }

  #flushOrWait(chunk: Chunk): void {
    const isFirst = this.#flushes === 0;
    if (isFirst && !isVisible(chunk)) return;
    if (isFirst || isBoundary(chunk) || this.log.pendingBytes >= FLUSH_BYTES) return this.#flush();
    this.#cancelTimer ??= this.#deps.setTimer(flushDelayMs(this.#flushes, this.#ports.isWatched(), this.#flushOptions), () =>
      this.#flushDue(),
    );
  }

  #flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#flushes++;
    this.#ports.flush();
  }

  #flushDue(): void {
    this.#cancelTimer = null;
    if (this.#hasEnded) return;
    try {
      this.#flush();
    } catch (error) {
      this.#end({ type: "fail", error: turnFailure(error) }, error);
    }
  }

  #finish(): void {
    const { errorText, finishReason, aborted } = this.#normaliser.end;
    if (errorText !== undefined) this.#end({ type: "fail", error: { code: "model_error", message: shorten(errorText), retryable: true } });
    else if (aborted) this.#end({ type: "fail", error: { code: "interrupted", message: "The answer was cut off.", retryable: true } });
    else this.#end({ type: "finish", ...(typeof finishReason === "string" ? { finishReason: shorten(finishReason) } : {}) });
  }

  #end(event: TurnEvent, cause?: unknown): void {
    if (this.#hasEnded) return;
    if (cause !== undefined) this.#ports.report(cause);
    this.#ports.onEnd(event);
  }
}

/** Longest text from a source that enters the facts of a turn, in UTF-16 units. */
const MAX_FACT_LENGTH = 2_000;

function shorten(text: string): string {
  return text.length > MAX_FACT_LENGTH ? `${text.slice(0, MAX_FACT_LENGTH)}…` : text;
}

/** True for the outcome of a call. After a preliminary one its tool is still at work. */
function isOutcome(chunk: Chunk): chunk is Extract<Chunk, { type: `tool-output-${string}` }> {
  return chunk.type.startsWith("tool-output-") && !("preliminary" in chunk && chunk.preliminary === true);
}
