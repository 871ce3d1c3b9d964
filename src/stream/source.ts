// What `onTurn` may return, and the one way in: every form becomes the same sequence of chunks. Forms are told apart by
// shape, never by `instanceof`: several copies of `ai` in one tree are normal.
import { ChatError, isChatError } from "../errors.ts";
import type { Chunk, Usage } from "../protocol/messages.ts";
import { checkChunk } from "./chunk-check.ts";
import { ChunkReader, feedOfIterable, feedOfStream, type Feed, type Intake } from "./chunk-reader.ts";
import { SseDecoder } from "./sse.ts";
import { TextIntake, textChunks } from "./text-intake.ts";

/** The text that clients see in place of an error of the model or of a tool. */
export const GENERIC_ERROR_TEXT = "Something went wrong while answering.";

/** The options of `toUIMessageStream` that we set; `ai` 6 and 7 both know them. */
export interface StreamResultOptions {
  onError?: (error: unknown) => string;
  messageMetadata?: (options: { part: { type: string } }) => undefined;
}

/** The result of `streamText` or of an agent's `stream`, of any version of `ai` that has this method. */
export interface StreamResult {
  toUIMessageStream(options?: StreamResultOptions): AsyncIterable<unknown>;
}

/**
 * What `onTurn` may return: a result of the AI SDK, a stream or iterable of UI message chunks, a `Response` with an AI
 * SDK event stream or with plain text, the reply's text, or nothing.
 */
export type TurnResult = StreamResult | Response | ReadableStream<Chunk> | AsyncIterable<Chunk> | string | void | undefined;

/** What a reader tells its owner beside the chunks. None of these may throw. */
export interface ReadHooks {
  /** A raw error, for the log and never for clients: of the run (its chunk or throw follows), or of a tool (the run goes on). */
  onError(error: unknown, origin: "run" | "tool"): void;
  /**
   * Token counts of the run so far, after each step and at its end; the last call wins. Only for a `StreamResult`: the
   * other forms do not carry them.
   */
  onUsage?(usage: Usage): void;
  /**
   * What people are shown of an error of the model or of a tool.
   * @default {@link GENERIC_ERROR_TEXT}
   */
  errorText?(error: unknown): string;
}

/**
 * Reads what `onTurn` returned, as one sequence of checked chunks. Never throws itself: each failure comes from `next`,
 * as a `ChatError` (`configuration` for a form that we do not know, `model_error` for everything else).
 *
 * The result belongs to the reader from here on: it is closed exactly once, at its end, at a failure or by `cancel`.
 * Cancelling does not abort a model call of the AI SDK, which keeps a second branch of its stream: abort its signal too.
 */
export function readResult(result: TurnResult, hooks: ReadHooks): ChunkReader {
  try {
    return open(result, hooks);
  } catch (error) {
    return ChunkReader.failed(openFailure(error, hooks));
  }
}

function open(result: unknown, hooks: ReadHooks): ChunkReader {
  const onError = (error: unknown): void => hooks.onError(error, "run");
  if (result === undefined || result === null) return ChunkReader.of([]);
  if (typeof result === "string") return ChunkReader.of(textChunks(result));
  if (isStreamResult(result)) return ChunkReader.over(feedOf(streamOf(result, hooks)), CHECKED, onError);
  if (isStream(result) || isAsyncIterable(result)) return ChunkReader.over(feedOf(result), CHECKED, onError);
  if (isResponse(result)) return openResponse(result, onError);
  throw new ChatError(
    "configuration",
    "onTurn returned a value that is no turn result. Return the result of streamText or of an agent's stream(), a stream of UI message chunks, a Response with an event stream, or a string.",
  );
}

/** Values that are chunks already. It keeps no state. */
const CHECKED: Intake = {
  push: (value, out) => void out.push(checkChunk(value)),
  end: () => {},
  done: false,
};

function feedOf(source: unknown): Feed {
  // The stream's own reader, where there is one: a generator's `return` waits behind a read that stalls.
  if (isStream(source)) return feedOfStream(source);
  if (isAsyncIterable(source)) return feedOfIterable(source);
  throw new ChatError("model_error", "toUIMessageStream() returned something that is no stream.");
}

function streamOf(result: StreamResult, hooks: ReadHooks): unknown {
  const usage = new UsageCount(hooks);
  let partType = "";
  return result.toUIMessageStream({
    // The AI SDK calls this with every part, before it makes the part's chunk. Returning nothing keeps metadata out of the stream.
    messageMetadata: ({ part }) => {
      partType = part.type;
      usage.take(part);
      return undefined;
    },
    onError: (error) => {
      const isTool = partType === "tool-error" || partType === "tool-call";
      hooks.onError(error, isTool ? "tool" : "run");
      return hooks.errorText?.(error) ?? GENERIC_ERROR_TEXT;
    },
  });
}

/** Adds up the steps, so that a run that is stopped has a count too; the total at the end replaces the sum. */
class UsageCount {
  #sum: Usage = {};
  readonly #hooks: ReadHooks;

  constructor(hooks: ReadHooks) {
    this.#hooks = hooks;
  }

  take(part: { type: string; usage?: unknown; totalUsage?: unknown }): void {
    const counted =
      part.type === "finish-step" ? add(this.#sum, usageOf(part.usage)) : part.type === "finish" ? usageOf(part.totalUsage) : {};
    if (Object.keys(counted).length === 0) return;
    this.#sum = counted;
    this.#hooks.onUsage?.({ ...counted });
  }
}

const USAGE_FIELDS = ["inputTokens", "outputTokens", "totalTokens"] as const;

function usageOf(value: unknown): Usage {
  const usage: Usage = {};
  if (typeof value !== "object" || value === null) return usage;
  const counts: Partial<Record<string, unknown>> = value;
  for (const field of USAGE_FIELDS) {
    const count = counts[field];
    if (typeof count === "number" && Number.isFinite(count) && count >= 0) usage[field] = count;
  }
  return usage;
}

function add(sum: Usage, more: Usage): Usage {
  const total: Usage = { ...sum };
  for (const field of USAGE_FIELDS) {
    if (more[field] !== undefined) total[field] = (total[field] ?? 0) + more[field];
  }
  return total;
}

function openResponse(response: Response, onError: (error: unknown) => void): ChunkReader {
  const type = (response.headers.get("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
  const intake = !response.ok ? null : type === "text/event-stream" ? new SseDecoder() : type === "text/plain" ? new TextIntake() : null;
  if (intake !== null) return response.body === null ? ended(intake) : ChunkReader.over(feedOfStream(response.body), intake, onError);
  // Nobody will read the body. It may be locked or broken; the error below says all that matters.
  response.body?.cancel().catch(() => {});
  const shown = /^[a-z0-9.+-]{1,60}\/[a-z0-9.+-]{1,60}$/.test(type) ? type : "no usable content type";
  throw new ChatError(
    "model_error",
    `onTurn returned a Response with status ${response.status} and ${shown}. It must be ok and text/event-stream or text/plain.`,
  );
}

function ended(intake: Intake): ChunkReader {
  const chunks: Chunk[] = [];
  intake.end(chunks);
  return ChunkReader.of(chunks);
}

function openFailure(error: unknown, hooks: ReadHooks): unknown {
  if (isChatError(error)) return error;
  hooks.onError(error, "run");
  return new ChatError("model_error", "What onTurn returned could not be read. Return it unread: not locked, and not consumed before.", {
    cause: error,
  });
}

/** True for a result of the AI SDK, which runs tools itself. */
export function isStreamResult(value: unknown): value is StreamResult {
  return hasMethod(value, "toUIMessageStream");
}

function isStream(value: unknown): value is ReadableStream<unknown> {
  return hasMethod(value, "getReader");
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return hasMethod(value, Symbol.asyncIterator);
}

function isResponse(value: unknown): value is Response {
  if (typeof value !== "object" || value === null) return false;
  return "headers" in value && hasMethod(value.headers, "get") && "status" in value && typeof value.status === "number" && "body" in value;
}

function hasMethod(value: unknown, name: PropertyKey): boolean {
  return typeof value === "object" && value !== null && typeof (value as Partial<Record<PropertyKey, unknown>>)[name] === "function";
}
