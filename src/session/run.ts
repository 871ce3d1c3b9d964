// One call of `onTurn` and what it produces: reads the result, normalises it, and hands each chunk to the turn's log with
// the flush policy. Knows nothing of queues, commands or how a turn ends: it reports its end once.
import { ChatError } from "../errors.ts";
import type { Chunk, Usage } from "../protocol/messages.ts";
import { FLUSH_BYTES, flushDelayMs, isBoundary, isPreliminary, isVisible, type FlushOptions } from "../stream/flush-policy.ts";
import { normaliseRun, type RunNormaliser } from "../stream/normalise-run.ts";
import { isStreamResult, readResult, type TurnResult } from "../stream/source.ts";
import type { TurnLog } from "../stream/turn-log.ts";
import type { TurnEvent } from "../turn/machine.ts";
import type { Deps } from "./deps.ts";
import { findApproval, isAwaitingApproval, withAnswerTime, type IsClientTool } from "./open-calls.ts";
import { isStepOpen } from "./recovery.ts";
import type { ToolOptions } from "./runner.ts";
import type { ToolLedger } from "./tool-ledger.ts";
import { shorten, turnFailure } from "./turn-failure.ts";

/** How a run ended by itself: the caller knows what its calls still need. */
export type RunEnd = { type: "finish"; finishReason?: string } | Extract<TurnEvent, { type: "fail" }>;

export interface RunPorts {
  /** Stores what is pending and sends it. Throws when storage does. */
  flush(): void;
  isWatched(): boolean;
  sendTransient(chunk: Chunk): void;
  /** Called once, unless the run was ended from outside first. */
  onEnd(end: RunEnd): void;
  /** What clients are shown of an error of the model, of a tool or of `onTurn`. */
  errorText(error: unknown): string;
  /** For the log of the server; never for clients. */
  report: (error: unknown) => void;
}

/** What a run works on. */
export interface RunTarget {
  turnId: string;
  /** Id of the live message. */
  messageId: string;
  /** Number of the run in its turn, from 1. */
  number: number;
  log: TurnLog;
  ledger: ToolLedger;
}

export interface RunOptions {
  deps: Deps;
  flush: FlushOptions;
  tools: ToolOptions;
  isClientTool: IsClientTool;
}

export class Run {
  readonly turnId: string;
  /** Number of the run in its turn. */
  readonly number: number;
  readonly log: TurnLog;
  readonly ledger: ToolLedger;
  usage: Usage | undefined;
  readonly #abort = new AbortController();
  readonly #normaliser: RunNormaliser;
  readonly #ports: RunPorts;
  readonly #options: RunOptions;
  #lastChunkAt: number;
  /** Ids of the calls whose tool may be running. */
  readonly #openCalls = new Set<string>();
  #flushes = 0;
  #cancelTimer: (() => void) | null = null;
  #closeSource: () => void = () => {};
  #hasEnded = false;
  /** The result is one of the AI SDK, which runs tools itself. */
  #isModelRun = false;

  constructor({ turnId, messageId, number, log, ledger }: RunTarget, ports: RunPorts, options: RunOptions) {
    this.turnId = turnId;
    this.number = number;
    this.log = log;
    this.ledger = ledger;
    this.#ports = ports;
    this.#options = options;
    this.#lastChunkAt = options.deps.now();
    this.#normaliser = normaliseRun({
      messageId,
      run: number,
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
    return this.#openCalls.size > 0 || this.ledger.inFlight > 0 ? 0 : now - this.#lastChunkAt;
  }

  /** Runs to the end of the result. Never rejects. */
  async consume(call: () => TurnResult | Promise<TurnResult>): Promise<void> {
    if (this.#hasEnded) return;
    try {
      const result = await call();
      this.#isModelRun = isStreamResult(result);
      const reader = readResult(result, {
        onError: (error) => this.#ports.report(error),
        onUsage: (usage) => (this.usage = usage),
        errorText: (error) => this.#ports.errorText(error),
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
      this.fail(error);
    }
  }

  /** Ends the run with an error, unless it has ended: its turn has failed. */
  fail(error: unknown): void {
    const { isStrict } = this.#options.tools;
    this.#end({ type: "fail", error: turnFailure(error, (cause) => this.#ports.errorText(cause), isStrict) }, error);
  }

  /** Takes one chunk of the result, or one that the app writes. Nothing happens once the run has ended. */
  take(chunk: Chunk): void {
    if (this.#hasEnded) return;
    const { deps, tools, isClientTool } = this.#options;
    this.#lastChunkAt = deps.now();
    // A call that waits for a person or a client is not at work here.
    if (chunk.type === "tool-input-available" && !isClientTool(chunk.toolName)) this.#openCalls.add(chunk.toolCallId);
    else if (isOutcome(chunk) || chunk.type === "tool-approval-request") this.#openCalls.delete(chunk.toolCallId);
    if (tools.isStrict && this.#isModelRun) this.#requireLedger(chunk);
    if (chunk.type === "tool-approval-request") this.#requireNewApproval(chunk);
    for (const logged of this.#normaliser.push(withAnswerTime(chunk, deps.now(), tools.approvalExpiresMs))) {
      this.log.push(logged);
      this.#flushOrWait(logged);
    }
  }

  /** @throws {ChatError} `model_error` for an id that another question had: its answer would be taken for the answer to this one */
  #requireNewApproval({ approvalId, toolCallId }: Extract<Chunk, { type: "tool-approval-request" }>): void {
    const known = findApproval(this.log.produced.message.parts, approvalId);
    if (!known || (known.toolCallId === toolCallId && isAwaitingApproval(known))) return;
    throw new ChatError("model_error", "The model asked for an approval under an id that it has used in this reply already.");
  }

  /** @throws {ChatError} `configuration` for the output of a tool that was run around the ledger: a crash could run it twice */
  #requireLedger(chunk: Chunk): void {
    if (chunk.type !== "tool-output-available" || chunk.providerExecuted === true || this.ledger.hasBegun(chunk.toolCallId)) return;
    throw new ChatError(
      "configuration",
      "A tool was run that did not come from turn.tools(…), so a crash could run it twice. Write `tools: turn.tools({ … })`.",
    );
  }

  /** Ends the run from outside: nothing it still produces counts. Aborting the signal is a step of its own. */
  detach(): void {
    this.#hasEnded = true;
    this.ledger.close();
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
    // What only shows how far a tool is can wait for its time, however large it is: the next one takes its place.
    const isMuch = this.log.pendingBytes >= FLUSH_BYTES && !isPreliminary(chunk);
    if (isFirst || isBoundary(chunk) || isMuch) return this.#flush();
    this.#cancelTimer ??= this.#options.deps.setTimer(flushDelayMs(this.#flushes, this.#ports.isWatched(), this.#options.flush), () =>
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
      this.fail(error);
    }
  }

  #finish(): void {
    const { errorText, finishReason, aborted } = this.#normaliser.end;
    if (errorText !== undefined) this.#end({ type: "fail", error: { code: "model_error", message: shorten(errorText), retryable: true } });
    else if (aborted) this.#end({ type: "fail", error: { code: "interrupted", message: "The answer was cut off.", retryable: true } });
    else this.#end({ type: "finish", ...(typeof finishReason === "string" ? { finishReason: shorten(finishReason) } : {}) });
  }

  #end(end: RunEnd, cause?: unknown): void {
    if (this.#hasEnded) return;
    if (cause !== undefined) this.#ports.report(cause);
    this.#ports.onEnd(end);
  }
}

/** True for the outcome of a call. After a preliminary one its tool is still at work. */
function isOutcome(chunk: Chunk): chunk is Extract<Chunk, { type: `tool-output-${string}` }> {
  return chunk.type.startsWith("tool-output-") && !("preliminary" in chunk && chunk.preliminary === true);
}
