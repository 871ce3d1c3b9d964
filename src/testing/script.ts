// The words of a script, and what they mean as parts of a model's stream. Pure.
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";

/** One thing that the model does. A string is a delta of text. */
export type ScriptedPart =
  | string
  /** A delta of text. */
  | { text: string }
  /** A delta of reasoning. */
  | { reasoning: string }
  /** A call of a tool; `input` is any JSON value. @default id: "call-<call>-<number in its step>", both from 1 */
  | { tool: string; input: unknown; id?: string }
  /** An error part: the stream goes on after it. */
  | { error: unknown }
  /** Before everything else: the call rejects. Later: the stream breaks. */
  | { throws: unknown }
  /** Nothing more comes until the call is aborted. */
  | { stall: true }
  /** Silence of so many ms. */
  | { delayMs: number }
  /** Why the step ends. @default "tool-calls" after a call of a tool, else "stop" */
  | { finish: LanguageModelFinish }
  /** Tokens that the step reports. @default none are reported */
  | { usage: { inputTokens?: number; outputTokens?: number } };

/** The finish reasons of the AI SDK. */
export type LanguageModelFinish = "stop" | "length" | "content-filter" | "tool-calls" | "error" | "other";

/** What the model does in one call. A string is a step with that text. */
export type ScriptedStep = string | readonly ScriptedPart[];

/** What happens next in a stream. `ms` may be `Infinity`. */
export type Play = { kind: "part"; part: LanguageModelV4StreamPart } | { kind: "wait"; ms: number } | { kind: "throw"; error: unknown };

const part = (value: LanguageModelV4StreamPart): Play => ({ kind: "part", part: value });

/** The whole stream of a step: blocks of text and reasoning are opened and closed where the script changes over. */
export function partsOf(step: ScriptedStep, { index, delayMs, modelId }: { index: number; delayMs: number; modelId: string }): Play[] {
  const plays: Play[] = [];
  let open: { type: "text" | "reasoning"; id: string } | null = null;
  let blocks = 0;
  let calls = 0;
  let finish: LanguageModelFinish | undefined;
  let usage: LanguageModelV4Usage = usageOf({});

  // Not at once: a call that rejects has no response to speak of.
  let hasBegun = false;
  const begin = (): void => {
    if (!hasBegun)
      plays.push(part({ type: "stream-start", warnings: [] }), part({ type: "response-metadata", id: `scripted-${index + 1}`, modelId }));
    hasBegun = true;
  };
  const close = (): void => {
    if (open) plays.push(part({ type: `${open.type}-end`, id: open.id }));
    open = null;
  };
  const delta = (type: "text" | "reasoning", text: string): void => {
    if (open?.type !== type) {
      close();
      open = { type, id: `${type}-${++blocks}` };
      plays.push(part({ type: `${type}-start`, id: open.id }));
    }
    if (delayMs > 0) plays.push({ kind: "wait", ms: delayMs });
    plays.push(part({ type: `${type}-delta`, id: open.id, delta: text }));
  };

  const script = typeof step === "string" ? [step] : step;
  for (const word of script) {
    if (typeof word === "string" || !("throws" in word || "delayMs" in word)) begin();
    if (typeof word === "string") delta("text", word);
    else if ("text" in word) delta("text", word.text);
    else if ("reasoning" in word) delta("reasoning", word.reasoning);
    else if ("tool" in word) {
      close();
      const id = word.id ?? `call-${index + 1}-${++calls}`;
      plays.push(...toolCall(id, word.tool, JSON.stringify(word.input)));
      finish ??= "tool-calls";
    } else if ("error" in word) plays.push(part({ type: "error", error: word.error }));
    else if ("throws" in word) plays.push({ kind: "throw", error: word.throws });
    else if ("stall" in word) plays.push({ kind: "wait", ms: Infinity });
    else if ("delayMs" in word) plays.push({ kind: "wait", ms: word.delayMs });
    else if ("finish" in word) finish = word.finish;
    else usage = usageOf(word.usage);
  }
  begin();
  close();
  const reason: LanguageModelV4FinishReason = { unified: finish ?? "stop", raw: finish };
  plays.push(part({ type: "finish", finishReason: reason, usage }));
  return plays;
}

function toolCall(id: string, toolName: string, input: string): Play[] {
  return [
    part({ type: "tool-input-start", id, toolName }),
    part({ type: "tool-input-delta", id, delta: input }),
    part({ type: "tool-input-end", id }),
    part({ type: "tool-call", toolCallId: id, toolName, input }),
  ];
}

function usageOf({ inputTokens, outputTokens }: { inputTokens?: number; outputTokens?: number }): LanguageModelV4Usage {
  return {
    inputTokens: { total: inputTokens, noCache: inputTokens, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: outputTokens, text: outputTokens, reasoning: undefined },
  };
}

/** The step as one result. @throws its error, whether it `throws` or has an error part; the abort of a step that stalls */
export async function collectParts(plays: readonly Play[], signal: AbortSignal | undefined): Promise<LanguageModelV4GenerateResult> {
  const content: LanguageModelV4Content[] = [];
  const result: LanguageModelV4GenerateResult = {
    content,
    finishReason: { unified: "other", raw: undefined },
    usage: usageOf({}),
    warnings: [],
  };
  for (const play of plays) {
    signal?.throwIfAborted();
    if (play.kind === "throw") throw play.error;
    if (play.kind === "wait") {
      if (play.ms === Infinity) await aborted(signal);
      continue;
    }
    const { part } = play;
    if (part.type === "error") throw part.error;
    if (part.type === "text-start") content.push({ type: "text", text: "" });
    else if (part.type === "reasoning-start") content.push({ type: "reasoning", text: "" });
    else if (part.type === "text-delta" || part.type === "reasoning-delta") (content.at(-1) as { text: string }).text += part.delta;
    else if (part.type === "tool-call") content.push(part);
    else if (part.type === "response-metadata") result.response = { id: part.id!, modelId: part.modelId! };
    else if (part.type === "finish") Object.assign(result, { finishReason: part.finishReason, usage: part.usage });
  }
  return result;
}

/** Never resolves; rejects at the abort. */
function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
