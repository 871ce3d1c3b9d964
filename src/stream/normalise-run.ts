// One run of `onTurn` as the turn's log may hold it (CORE.md B2, B3, B7). Several runs share one log and one message, so
// what would restart, end or replace the message is taken out here, and chunk ids are made unique to the run.
import type { Chunk } from "../protocol/messages.ts";

export interface NormaliseRunOptions {
  /** Id of the live message. It replaces whatever id the source proposes. */
  messageId: string;
  /** Number of the run in its turn, from 1. Only run 1 begins the log with `start`. */
  run: number;
  /**
   * True when the log holds chunks of an earlier run already, `start` among them.
   * @default run > 1
   */
  hasStarted?: boolean;
  /** True when the log ends in an empty step, which is this run's first then. */
  isStepOpen?: boolean;
  /** Gets each transient data chunk, in order with what `push` returns. Such a chunk is not logged and has no seq. */
  onTransient?: (chunk: Chunk) => void;
}

/** How the run ended, as far as its chunks said so. */
export interface RunEnd {
  /** A `finish` chunk came. A source that ends without one was cut off, or never sends one. */
  finished: boolean;
  /** An `abort` chunk came. */
  aborted: boolean;
  /** The AI SDK's finish reason, of the last `finish` that had one. */
  finishReason?: string;
  /** The text of the `error` chunk that ended the run: it may be shown to a person. Nothing after it is logged. */
  errorText?: string;
}

/** Outcomes of calls. Before the run has a step of its own they can only belong to calls of earlier runs. */
const OUTCOMES: ReadonlySet<string> = new Set([
  "tool-output-available",
  "tool-output-error",
  "tool-output-denied",
  "tool-approval-response",
]);

/** Makes the normaliser of one run. It is pure: it holds the state of this run only and never changes what it is given. */
export function normaliseRun(options: NormaliseRunOptions): RunNormaliser {
  return new RunNormaliser(options);
}

/** See {@link normaliseRun}. */
export class RunNormaliser {
  readonly #options: NormaliseRunOptions;
  /** Ids of the open parts, each with the number of the step that opened it. */
  readonly #open = { text: new Map<string, number>(), reasoning: new Map<string, number>() };
  #step = 0;
  #end: RunEnd = { finished: false, aborted: false };
  #hasStarted: boolean;
  #hasStep = false;
  /** Nothing that makes a part came since the last `start-step`: another one would only double it. */
  #isStepEmpty = false;
  /** A call of this step has its whole input, so it may be running. */
  #hasCall = false;

  constructor(options: NormaliseRunOptions) {
    this.#options = options;
    this.#hasStarted = options.hasStarted ?? options.run > 1;
    this.#hasStep = this.#isStepEmpty = options.isStepOpen === true;
  }

  /** How the run ended so far. */
  get end(): Readonly<RunEnd> {
    return this.#end;
  }

  /**
   * Takes the next chunk of the source (one that passed `checkChunk`) and returns what is to be logged for it, in order.
   *
   * A log begins with `start {messageId}`, a run with the outcomes of older calls and then exactly one `start-step`; both
   * are added when the source does not send them. `finish`, `abort` and `error` are kept in `end` and not returned.
   */
  push(chunk: Chunk): Chunk[] {
    if (this.#end.errorText !== undefined) return [];
    switch (chunk.type) {
      case "start":
        return this.#start(chunk);
      case "start-step":
        return this.#startStep(chunk);
      case "finish":
        this.#end = { ...this.#end, finished: true, ...(chunk.finishReason != null ? { finishReason: chunk.finishReason } : {}) };
        return this.#metadata(chunk);
      case "abort":
        this.#end = { ...this.#end, aborted: true };
        // No field of the type, but a source may send it as it does with `finish`.
        return this.#metadata("messageMetadata" in chunk ? chunk : {});
      case "error":
        this.#end = { ...this.#end, errorText: chunk.errorText };
        return [];
      case "message-metadata":
        return [...this.#begin(), chunk];
      case "reset-step":
        return this.#resetStep(chunk);
      case "finish-step":
        return this.#hasStep ? [chunk] : [];
      default:
        return this.#content(chunk);
    }
  }

  #start(chunk: Extract<Chunk, { type: "start" }>): Chunk[] {
    if (this.#hasStarted) return this.#metadata(chunk);
    this.#hasStarted = true;
    return [{ ...chunk, messageId: this.#options.messageId }];
  }

  /** The metadata of a chunk that is itself not logged. */
  #metadata(chunk: { messageMetadata?: unknown }): Chunk[] {
    if (chunk.messageMetadata == null) return [];
    return [...this.#begin(), { type: "message-metadata", messageMetadata: chunk.messageMetadata }];
  }

  #begin(): Chunk[] {
    if (this.#hasStarted) return [];
    this.#hasStarted = true;
    return [{ type: "start", messageId: this.#options.messageId }];
  }

  #startStep(chunk: Extract<Chunk, { type: "start-step" }>): Chunk[] {
    if (this.#hasStep && this.#isStepEmpty) return [];
    this.#hasStep = true;
    this.#isStepEmpty = true;
    this.#hasCall = false;
    this.#step++;
    return [...this.#begin(), chunk];
  }

  /**
   * A discard must not reach into an earlier run, which it would without a step of this one, nor take away a call that
   * may be running: then the step's text stays and its open parts are ended. A discard also forgets what earlier steps
   * left open: that is ended first.
   */
  #resetStep(chunk: Chunk): Chunk[] {
    if (!this.#hasStep) return [];
    const ends = [...this.#endsOf("text"), ...this.#endsOf("reasoning")];
    this.#open.text.clear();
    this.#open.reasoning.clear();
    if (this.#hasCall) return ends;
    this.#isStepEmpty = true;
    return [...ends, chunk];
  }

  /** Ends what is open: all of it, or when the step can be discarded only what earlier steps have opened. */
  #endsOf(kind: "text" | "reasoning"): Chunk[] {
    return [...this.#open[kind]].flatMap(([id, step]) =>
      this.#hasCall || step < this.#step ? [{ type: `${kind}-end` as const, id }] : [],
    );
  }

  #content(chunk: Chunk): Chunk[] {
    if (chunk.type.startsWith("data-") && "transient" in chunk && chunk.transient === true) {
      this.#options.onTransient?.(chunk);
      return [];
    }
    if (!this.#hasStep && OUTCOMES.has(chunk.type)) return [...this.#begin(), chunk];
    const opening = this.#hasStep ? [] : this.#startStep({ type: "start-step" });
    this.#isStepEmpty = false;
    return [...opening, this.#own(chunk)];
  }

  /** The chunk with its id made unique to this run. Ids of calls and of data parts mean the same across runs, so they stay. */
  #own(chunk: Chunk): Chunk {
    switch (chunk.type) {
      case "text-start":
      case "text-delta":
      case "text-end": {
        const id = `${this.#options.run}:${chunk.id}`;
        this.#track("text", chunk.type, id);
        return { ...chunk, id };
      }
      case "reasoning-start":
      case "reasoning-delta":
      case "reasoning-end": {
        const id = `${this.#options.run}:${chunk.id}`;
        this.#track("reasoning", chunk.type, id);
        return { ...chunk, id };
      }
      case "tool-input-available":
        this.#hasCall = true;
        return chunk;
      default:
        return chunk;
    }
  }

  #track(kind: "text" | "reasoning", type: string, id: string): void {
    if (type.endsWith("-start")) this.#open[kind].set(id, this.#step);
    else if (type.endsWith("-end")) this.#open[kind].delete(id);
  }
}
