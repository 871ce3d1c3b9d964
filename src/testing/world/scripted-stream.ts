// A `streamText` without the AI SDK, on virtual time: the loop of model calls and tools, as far as a session can tell it from the
// real one. Like that it runs ahead of its reader, runs tools once the model has said all (version 7) or at once (version 6),
// runs what a person has approved before it asks the model, and ends where a person or a client has to answer.
// test/simulation/scripted-stream.test.ts holds it against both versions.
import type { ModelMessage } from "ai";
import type { Chunk } from "../../protocol/messages.ts";
import type { Incarnation } from "./virtual-incarnation.ts";

/** What a model says. Deltas of one kind in a row are one part. `waitMs` may be `Infinity`: nothing more comes until the abort. */
export type ModelPart =
  | { waitMs: number }
  | { text: string }
  | { reasoning: string }
  | { call: string; id: string; input: Record<string, unknown> }
  /** The call of the model breaks off. */
  | { breaks: Error };

/** Who decides on a call: nobody has to, a person, or the app. */
export type Approval = "none" | "user" | "approved" | "denied";

/** A tool as the session wraps it; a client's has no `execute`. */
export interface StreamTool {
  type?: "dynamic";
  execute?: (input: never, options: { toolCallId: string; messages: readonly ModelMessage[]; abortSignal: AbortSignal }) => unknown;
}

export interface StreamTextOptions {
  messages: readonly ModelMessage[];
  /** What the model says in each of its calls; the stream ends after the last one at the latest. */
  steps: readonly (readonly ModelPart[])[];
  tools: Record<string, StreamTool>;
  approvalOf: (input: Record<string, unknown>) => Approval;
  newId: () => string;
  signal: AbortSignal;
  life: Pick<Incarnation, "sleep" | "begin">;
  /** Runs each tool as soon as its call is there, as version 6 does. */
  isEager?: boolean;
  /** Goes on after the signal has aborted, as a model does that knows no signal. */
  isDeaf?: boolean;
  /** Hears of each chunk just before the reader gets it. */
  onChunk?: (chunk: Chunk) => void;
}

/** The part of a `streamText` result that a session reads. */
export interface ScriptedResult {
  toUIMessageStream(options?: { onError?: (error: unknown) => string }): AsyncIterable<Chunk>;
}

interface Call {
  toolCallId: string;
  toolName: string;
  input: Record<string, unknown>;
}

/** Starts at once: what it produces waits for its reader. */
export function scriptedStream(options: StreamTextOptions): ScriptedResult {
  let errorText = (error: unknown): string => String(error);
  const queue = new ChunkQueue(options.onChunk);
  const loop = new Loop(options, queue, (error) => errorText(error));
  void loop.run();
  return {
    toUIMessageStream({ onError } = {}) {
      if (onError) errorText = onError;
      return queue;
    },
  };
}

class Loop {
  readonly #options: StreamTextOptions;
  readonly #queue: ChunkQueue;
  readonly #errorText: (error: unknown) => string;
  #open: { kind: "text" | "reasoning"; id: string } | null = null;
  #parts = 0;

  constructor(options: StreamTextOptions, queue: ChunkQueue, errorText: (error: unknown) => string) {
    this.#options = options;
    this.#queue = queue;
    this.#errorText = errorText;
  }

  async run(): Promise<void> {
    const end = this.#options.life.begin();
    try {
      // The stream is there before anything comes of it, so that its reader can say how errors are told.
      await Promise.resolve();
      this.#queue.push({ type: "start" });
      await this.#answered();
      await this.#steps();
    } catch (error) {
      if (this.#isOver) this.#queue.push({ type: "abort" });
      else this.#queue.push({ type: "error", errorText: this.#errorText(error) });
    } finally {
      this.#queue.close();
      end();
    }
  }

  get #isOver(): boolean {
    return this.#options.signal.aborted && !this.#options.isDeaf;
  }

  /** The calls that a person has answered: those that were approved run before the model is asked. */
  async #answered(): Promise<void> {
    const { approved, denied } = answersOf(this.#options.messages);
    for (const { toolCallId } of denied) this.#queue.push({ type: "tool-output-denied", toolCallId });
    await Promise.all(approved.map((call) => this.#execute(call)));
  }

  async #steps(): Promise<void> {
    const { steps } = this.#options;
    for (const [index, step] of steps.entries()) {
      this.#queue.push({ type: "start-step" });
      const settled = await this.#step(step);
      this.#queue.push({ type: "finish-step" });
      if (settled.calls > 0 && settled.outcomes === settled.calls && index < steps.length - 1) continue;
      this.#queue.push({ type: "finish", finishReason: settled.calls > 0 ? "tool-calls" : "stop" });
      return;
    }
  }

  /** One call of the model with its tools. */
  async #step(parts: readonly ModelPart[]): Promise<{ calls: number; outcomes: number }> {
    const { isEager } = this.#options;
    const toRun: Call[] = [];
    const running: Promise<void>[] = [];
    const settled = { calls: 0, outcomes: 0 };
    const start = (call: Call): void => {
      settled.outcomes++;
      running.push(this.#execute(call));
    };
    for (const part of parts) {
      if ("call" in part) {
        settled.calls++;
        const call = { toolCallId: part.id, toolName: part.call, input: part.input };
        const next = this.#call(call);
        if (next === "denied") settled.outcomes++;
        else if (next === "runs" && isEager) start(call);
        else if (next === "runs") toRun.push(call);
      } else await this.#say(part);
      if (this.#isOver) throw new Error("aborted");
    }
    this.#endPart();
    toRun.forEach(start);
    await Promise.all(running);
    if (this.#isOver) throw new Error("aborted");
    return settled;
  }

  async #say(part: Exclude<ModelPart, { call: string }>): Promise<void> {
    const { life, signal, isDeaf } = this.#options;
    if ("waitMs" in part) return life.sleep(part.waitMs, isDeaf && part.waitMs < Infinity ? undefined : signal);
    if ("breaks" in part) throw part.breaks;
    const kind = "text" in part ? "text" : "reasoning";
    if (this.#open?.kind !== kind) {
      this.#endPart();
      this.#open = { kind, id: String(this.#parts++) };
      this.#queue.push({ type: `${kind}-start`, id: this.#open.id });
    }
    this.#queue.push({ type: `${kind}-delta`, id: this.#open.id, delta: "text" in part ? part.text : part.reasoning });
  }

  #endPart(): void {
    if (this.#open) this.#queue.push({ type: `${this.#open.kind}-end`, id: this.#open.id });
    this.#open = null;
  }

  /** Announces a call, and says what becomes of it. */
  #call(call: Call): "runs" | "denied" | "waits" {
    const { tools, approvalOf, newId } = this.#options;
    const { toolCallId, toolName, input } = call;
    const tool = tools[toolName];
    const kind = tool?.type === "dynamic" ? { dynamic: true } : {};
    this.#endPart();
    this.#queue.push({ type: "tool-input-start", toolCallId, toolName, ...kind });
    for (const inputTextDelta of JSON.stringify(input).match(/.{1,24}/gs) ?? []) {
      this.#queue.push({ type: "tool-input-delta", toolCallId, inputTextDelta });
    }
    this.#queue.push({ type: "tool-input-available", toolCallId, toolName, input, ...kind });
    const approval = approvalOf(input);
    const approvalId = approval === "none" ? "" : newId();
    const isAutomatic = approval === "user" ? {} : { isAutomatic: true };
    if (approval !== "none") this.#queue.push({ type: "tool-approval-request", approvalId, toolCallId, ...isAutomatic });
    if (approval === "user") return "waits";
    if (approval !== "none") this.#queue.push({ type: "tool-approval-response", approvalId, approved: approval === "approved" });
    if (approval === "denied") this.#queue.push({ type: "tool-output-denied", toolCallId });
    return approval === "denied" ? "denied" : tool?.execute ? "runs" : "waits";
  }

  async #execute({ toolCallId, toolName, input }: Call): Promise<void> {
    const { tools, messages, signal } = this.#options;
    const tool = tools[toolName];
    const kind = tool?.type === "dynamic" ? { dynamic: true } : {};
    // The real one starts it in another task than the chunk of its call.
    await Promise.resolve();
    try {
      let output = tool?.execute?.(input as never, { toolCallId, messages, abortSignal: signal });
      if (isAsyncIterable(output)) {
        let last: unknown;
        for await (const value of output) {
          last = value;
          this.#queue.push({ type: "tool-output-available", toolCallId, output: value, preliminary: true, ...kind });
        }
        output = last;
      }
      const value = await output;
      if (this.#isOver) return;
      this.#queue.push({ type: "tool-output-available", toolCallId, output: value === undefined ? null : value, ...kind });
    } catch (error) {
      if (this.#isOver) return;
      this.#queue.push({ type: "tool-output-error", toolCallId, errorText: this.#errorText(error), ...kind });
    }
  }
}

/** What is there is given at once, in order; the reader waits for the rest. Never full. */
class ChunkQueue implements AsyncIterable<Chunk> {
  readonly #chunks: Chunk[] = [];
  readonly #onChunk: ((chunk: Chunk) => void) | undefined;
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(onChunk: ((chunk: Chunk) => void) | undefined) {
    this.#onChunk = onChunk;
  }

  push(chunk: Chunk): void {
    if (!this.#isClosed) this.#chunks.push(chunk);
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#onChunk?.(chunk);
        yield chunk;
      } else if (this.#isClosed) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

interface ContentPart {
  type: string;
  toolCallId?: string;
  toolName?: string;
  input?: unknown;
  approvalId?: string;
  approved?: boolean;
}

/** The calls that the last message answers and that have no result, in the order in which they were made. */
function answersOf(messages: readonly ModelMessage[]): { approved: Call[]; denied: Call[] } {
  const last = messages.at(-1);
  if (last?.role !== "tool") return { approved: [], denied: [] };
  const content = messages.flatMap((message): ContentPart[] =>
    message.role === "assistant" && typeof message.content !== "string" ? (message.content as ContentPart[]) : [],
  );
  const responses = (last.content as ContentPart[]).filter(({ type }) => type === "tool-approval-response");
  const results = new Set((last.content as ContentPart[]).flatMap(({ type, toolCallId }) => (type === "tool-result" ? [toolCallId] : [])));
  const callsOf = (approved: boolean): Call[] => {
    const requested = new Set(responses.filter((part) => part.approved === approved).map(({ approvalId }) => approvalId));
    const ids = new Set(
      content.flatMap(({ type, approvalId, toolCallId }) =>
        type === "tool-approval-request" && requested.has(approvalId) ? [toolCallId] : [],
      ),
    );
    return content.flatMap((part) =>
      part.type === "tool-call" && ids.has(part.toolCallId) && !(approved && results.has(part.toolCallId)) ? [part as Call] : [],
    );
  };
  return { approved: callsOf(true), denied: callsOf(false) };
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
