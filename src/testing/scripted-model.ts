// A language model whose every part a test writes. It reads no clock but for the delays that the script asks for.
import type { LanguageModelV4CallOptions, LanguageModelV4GenerateResult, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import type { LanguageModel } from "ai";
import { ChatError } from "../errors.ts";
import { collectParts, partsOf, type Play, type ScriptedStep } from "./script.ts";

/** A model in the form that `ai` 7 takes. Named through `ai`, because `@ai-sdk/provider` is not a dependency of its users. */
type ModelV4 = Extract<LanguageModel, { specificationVersion: "v4" }>;

/** What `streamText` asked the model: `prompt`, `tools` and the settings of the call. */
export type ScriptedCall = Parameters<ModelV4["doStream"]>[0];

/** See {@link scriptedModel}. */
export type ScriptedModel = ModelV4 & {
  /** Every call so far, oldest first, as it came. */
  readonly calls: readonly ScriptedCall[];
};

/** The steps in the order of the calls, or a function that writes the step of each call. `index` counts from 0. */
export type Script = readonly ScriptedStep[] | ((call: ScriptedCall, index: number) => ScriptedStep);

/** Settings of {@link scriptedModel}. */
export interface ScriptedModelOptions {
  /** Time before each delta, in ms; a `delayMs` in the script comes on top. @default 0 */
  delayMs?: number;
  /** @default "scripted" */
  modelId?: string;
}

/**
 * A model for tests: each call plays the next step of the script. A step is a text, or a list of parts: text, `{ text }`,
 * `{ reasoning }`, `{ tool, input }`, `{ error }`, `{ throws }`, `{ stall: true }`, `{ delayMs }`, `{ finish }`, `{ usage }`.
 * Honours `abortSignal`; `doGenerate` plays the same step without delays. For `ai` 7, as the demo model.
 *
 * A call past the end of the script rejects with a {@link ChatError} `configuration`.
 *
 * @example
 * import { streamText } from "ai";
 * import { scriptedModel } from "chatcell/testing";
 *
 * const model = scriptedModel([["Let me see. ", { tool: "roll", input: { sides: 6 } }], [{ delayMs: 20 }, "You rolled ", "4."]]);
 * const result = streamText({ model, prompt: "Roll a die" });
 */
export function scriptedModel(script: Script, { delayMs = 0, modelId = "scripted" }: ScriptedModelOptions = {}): ScriptedModel {
  const calls: ScriptedCall[] = [];
  const next = (call: ScriptedCall): Play[] => {
    const index = calls.push(call) - 1;
    const step = typeof script === "function" ? script(call, index) : script[index];
    if (step === undefined) {
      throw new ChatError("configuration", `The script has ${script.length} step(s), and this is call ${index + 1}.`);
    }
    return partsOf(step, { index, delayMs, modelId });
  };
  return {
    specificationVersion: "v4",
    provider: "chatcell-testing",
    modelId,
    // Everything is "supported", so that the AI SDK downloads no file for a model that would not look at it.
    supportedUrls: { "*/*": [/^/u] },
    calls,
    async doStream(call: LanguageModelV4CallOptions) {
      const plays = next(call);
      await rejectEarly(plays, call.abortSignal);
      return { stream: playStream(plays, call.abortSignal) };
    },
    async doGenerate(call: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
      return collectParts(next(call), call.abortSignal);
    },
  };
}

/** Where the script throws before its first part, the call itself fails. @throws that error, or the abort */
async function rejectEarly(plays: readonly Play[], signal = new AbortController().signal): Promise<void> {
  const at = plays.findIndex((play) => play.kind !== "wait");
  const first = plays[at];
  if (first?.kind === "throw") for (const play of plays.slice(0, at)) if (play.kind === "wait") await wait(play.ms, signal);
  signal.throwIfAborted();
  if (first?.kind === "throw") throw first.error;
}

function playStream(plays: Play[], signal: AbortSignal | undefined): ReadableStream<LanguageModelV4StreamPart> {
  const ending = new AbortController();
  const over = ending.signal;
  const rest = plays.values();
  return new ReadableStream<LanguageModelV4StreamPart>({
    start(controller) {
      const onAbort = (): void => {
        ending.abort();
        controller.error(signal!.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true, signal: over });
    },
    async pull(controller) {
      for (const play of rest) {
        if (play.kind === "wait") await wait(play.ms, over);
        if (over.aborted) return;
        if (play.kind === "throw") throw play.error;
        if (play.kind === "part") return controller.enqueue(play.part);
      }
      ending.abort();
      controller.close();
    },
    cancel() {
      ending.abort();
    },
  });
}

/** Longest time that one timer can be set for. */
const TIMER_MS = 2_147_483_647;

/** Resolves after `ms`, which may be `Infinity`, or at the abort. */
async function wait(ms: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = ms; leftMs > 0 && !signal.aborted; leftMs -= TIMER_MS) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, Math.min(leftMs, TIMER_MS));
      signal.addEventListener("abort", done, { once: true });
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
    });
  }
}
