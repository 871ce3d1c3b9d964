// The demo model: an AI SDK language model that needs no key and no network. It keeps nothing between calls.
import type { LanguageModel } from "ai";
import type { LanguageModelV4CallOptions, LanguageModelV4GenerateResult, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { ChatError } from "../errors.ts";
import { abortError, paceSteps, wordsPerDelta } from "./pace.ts";
import { planAnswer } from "./plan.ts";
import { demoFailure, planSteps } from "./steps.ts";
import { measureCall } from "./usage.ts";

/** A model in the form that `ai` 7 takes. Named through `ai`, because `@ai-sdk/provider` is not a dependency of its users. */
export type DemoModel = Extract<LanguageModel, { specificationVersion: "v4" }>;

/** Settings of {@link createDemoModel}. */
export interface DemoModelOptions {
  /**
   * Words given out in a second; `Infinity` streams without any delay.
   * @default 25
   */
  wordsPerSecond?: number;
  /**
   * Chooses among phrases. A call's own `seed` comes before it.
   * @default 0
   */
  seed?: number;
  /**
   * The model id in the response metadata.
   * @default "chatcell-demo"
   */
  modelId?: string;
}

const DEFAULT_WORDS_PER_SECOND = 25;

/**
 * A chat model for trying things out and for tests: it answers from the conversation, streams at a readable pace, reports usage
 * (a token is about four bytes), honours `abortSignal`, `toolChoice`, `maxOutputTokens`, `seed` and a JSON `responseFormat`.
 *
 * Equal prompts, tools and options give equal words, ids and usage. It reads no clock and opens no connection.
 *
 * The last user message may be a command (the full list is {@link DEMO_COMMANDS}): "say <text>", "count to N", "write N words",
 * "think about X", "use a tool", "roll a die", "weather in X", "markdown", "unicode", "my name is X", "what did I say first?",
 * "how many messages", "continue", "fail", "fail after N words", "stall", "stall after N words"; any of them, and any other
 * message, may end in "at N words per second".
 *
 * "fail" rejects the call, and "fail after N words" sends an error part and then `finish`; both errors have the code `model_error`.
 * An abort errors the stream at once with an `AbortError`. `doGenerate` gives the same answer without any delay. For `ai` 7: `ai` 6
 * refuses a model of the specification v4.
 *
 * @throws {ChatError} configuration: when an option is out of range.
 * @example
 * import { streamText } from "ai";
 * import { createDemoModel } from "chatcell/demo";
 *
 * const { textStream } = streamText({ model: createDemoModel({ wordsPerSecond: Infinity }), prompt: "count to 3" });
 */
export function createDemoModel(options: DemoModelOptions = {}): DemoModel {
  const { wordsPerSecond = DEFAULT_WORDS_PER_SECOND, seed = 0, modelId = "chatcell-demo" } = options;
  if (!(wordsPerSecond > 0))
    throw new ChatError("configuration", `wordsPerSecond is ${wordsPerSecond}; give a number above 0, or Infinity for no delay.`);
  if (!Number.isSafeInteger(seed)) throw new ChatError("configuration", `seed is ${seed}; give an integer.`);

  return {
    specificationVersion: "v4",
    provider: "chatcell",
    modelId,
    // Everything is "supported", so that the AI SDK downloads no file for a model that would not look at it.
    supportedUrls: { "*/*": [/^/u] },
    async doStream(call) {
      return { stream: openStream(call, { wordsPerSecond, seed, modelId }) };
    },
    async doGenerate(call) {
      return collect(openStream(call, { wordsPerSecond: Infinity, seed, modelId, isUnpaced: true }));
    },
  };
}

interface StreamSettings {
  wordsPerSecond: number;
  seed: number;
  modelId: string;
  /** True where a pace in the message does not count. */
  isUnpaced?: boolean;
}

function openStream(call: LanguageModelV4CallOptions, settings: StreamSettings): ReadableStream<LanguageModelV4StreamPart> {
  if (call.abortSignal?.aborted === true) throw abortError(call.abortSignal);
  const seed = call.seed ?? settings.seed;
  const plan = planAnswer(call, seed);
  if (plan.cut?.how === "fail" && plan.cut.afterWords === 0) throw demoFailure();
  const pace = settings.isUnpaced === true ? Infinity : (plan.wordsPerSecond ?? settings.wordsPerSecond);
  const steps = planSteps(plan, {
    measure: measureCall(call, seed),
    modelId: settings.modelId,
    wordsPerDelta: wordsPerDelta(pace),
    maxOutputTokens: call.maxOutputTokens,
  });
  return paceSteps(steps, pace, call.abortSignal);
}

/** The parts of a stream as one result. Rejects with the error of an error part, or with the abort. */
async function collect(stream: ReadableStream<LanguageModelV4StreamPart>): Promise<LanguageModelV4GenerateResult> {
  const result: LanguageModelV4GenerateResult = {
    content: [],
    finishReason: { unified: "other", raw: undefined },
    usage: NO_USAGE,
    warnings: [],
  };
  let text = "";
  // Not `for await`: not every browser can iterate a stream.
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const part = next.value;
    switch (part.type) {
      case "error":
        await reader.cancel();
        throw part.error;
      case "text-start":
      case "reasoning-start":
        text = "";
        break;
      case "text-delta":
      case "reasoning-delta":
        text += part.delta;
        break;
      case "text-end":
        result.content.push({ type: "text", text });
        break;
      case "reasoning-end":
        result.content.push({ type: "reasoning", text });
        break;
      case "tool-call":
        result.content.push(part);
        break;
      case "response-metadata":
        result.response = { id: part.id, modelId: part.modelId };
        break;
      case "finish":
        result.finishReason = part.finishReason;
        result.usage = part.usage;
        break;
      default:
        // Starts of the stream and the pieces of a tool input: the whole call follows them.
        break;
    }
  }
  return result;
}

const NO_USAGE: LanguageModelV4GenerateResult["usage"] = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
};
