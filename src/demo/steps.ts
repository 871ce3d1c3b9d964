// A plan as stream parts, in the order and with the ids that the AI SDK asks for. Knows nothing of time.
import type { LanguageModelV4FinishReason, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { ChatError } from "../errors.ts";
import type { Plan } from "./plan.ts";
import { bytesOf, usageOf, utf8Bytes, type CallMeasure } from "./usage.ts";

/** One part of the stream and the number of words that it takes the time of; or silence from here on. */
export type Step = { part: LanguageModelV4StreamPart; words: number } | "stall";

export interface StepOptions {
  measure: CallMeasure;
  modelId: string;
  /** Words of one delta. */
  wordsPerDelta: number;
  /** Ends the answer with the reason `length` when it would be longer. */
  maxOutputTokens?: number | undefined;
}

/** The error of "fail". */
export function demoFailure(): ChatError {
  return new ChatError("model_error", "The demo model failed because the message asked it to. Send another message to go on.");
}

/** What has been given out so far, and what may still be. */
interface Tally {
  readonly wordsPerDelta: number;
  bytesLeft: number;
  text: number;
  reasoning: number;
}

/** The parts of one answer. Text ids are unique within the answer; the concatenated deltas are exactly the planned text. */
export function* planSteps(plan: Plan, options: StepOptions): Generator<Step, void> {
  const { measure, modelId, wordsPerDelta } = options;
  const tally: Tally = { wordsPerDelta, bytesLeft: bytesOf(options.maxOutputTokens ?? Infinity), text: 0, reasoning: 0 };
  yield { part: { type: "stream-start", warnings: [] }, words: 0 };
  yield { part: { type: "response-metadata", id: `demo-${measure.id}`, modelId }, words: 0 };
  const ending = yield* content(plan, tally, `call-${measure.id}`);
  if (ending === "stall") {
    yield "stall";
    return;
  }
  const usage = usageOf(measure.inputTokens, tally.text, tally.reasoning);
  yield { part: { type: "finish", finishReason: { unified: ending, raw: ending }, usage }, words: 0 };
}

type Ending = LanguageModelV4FinishReason["unified"] | "stall";

function* content(plan: Plan, tally: Tally, callId: string): Generator<Step, Ending> {
  if (plan.reasoning !== "" && !(yield* block("reasoning", pieces(plan.reasoning), tally))) return "length";
  const words = pieces(plan.text);
  if (plan.cut !== undefined) {
    // The block stays open, as it does when a real provider breaks off.
    yield* openBlock("text", words.slice(0, plan.cut.afterWords), tally);
    if (plan.cut.how === "stall") return "stall";
    yield { part: { type: "error", error: demoFailure() }, words: 0 };
    return "error";
  }
  if (words.length > 0 && !(yield* block("text", words, tally))) return "length";
  if (plan.toolCall === undefined) return "stop";
  yield* toolCallSteps(plan.toolCall, callId, tally);
  return "tool-calls";
}

/** White space and the word after it. A long word is cut, by code points, so that text without spaces streams too. */
function pieces(text: string): string[] {
  return text.match(/\s*\S{1,16}|\s+/gu) ?? [];
}

/** Start and deltas of a block; true when all of it fitted. A block without words has no start. */
function* openBlock(type: "text" | "reasoning", words: readonly string[], tally: Tally): Generator<Step, boolean> {
  const id = `${type}-1`;
  if (words.length > 0) yield { part: { type: `${type}-start`, id }, words: 0 };
  for (let index = 0; index < words.length; index += tally.wordsPerDelta) {
    const group = words.slice(index, index + tally.wordsPerDelta);
    const delta = group.join("");
    const bytes = utf8Bytes(delta);
    if (bytes > tally.bytesLeft) return false;
    tally.bytesLeft -= bytes;
    tally[type] += bytes;
    yield { part: { type: `${type}-delta`, id, delta }, words: group.length };
  }
  return true;
}

function* block(type: "text" | "reasoning", words: readonly string[], tally: Tally): Generator<Step, boolean> {
  const isWhole = yield* openBlock(type, words, tally);
  yield { part: { type: `${type}-end`, id: `${type}-1` }, words: 0 };
  return isWhole;
}

function* toolCallSteps({ toolName, input }: NonNullable<Plan["toolCall"]>, id: string, tally: Tally): Generator<Step, void> {
  yield { part: { type: "tool-input-start", id, toolName }, words: 1 };
  for (const delta of pieces(input)) yield { part: { type: "tool-input-delta", id, delta }, words: 1 };
  yield { part: { type: "tool-input-end", id }, words: 0 };
  tally.text += utf8Bytes(input);
  yield { part: { type: "tool-call", toolCallId: id, toolName, input }, words: 0 };
}
