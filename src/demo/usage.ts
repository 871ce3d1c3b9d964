// Token counts and the response id. Both follow from the call alone: a token is about four bytes of UTF-8.
import type { LanguageModelV4CallOptions, LanguageModelV4Usage } from "@ai-sdk/provider";
import { hashText } from "./random.ts";

const BYTES_PER_TOKEN = 4;
/** What any file counts as, whatever its size: real models do not count a file by its bytes either. */
const TOKENS_PER_FILE = 256;

/** UTF-8 bytes of `text`. */
export function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** The estimated tokens of so many UTF-8 bytes. */
export function tokensOf(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}

/** UTF-8 bytes that fit into so many tokens. */
export function bytesOf(tokens: number): number {
  return tokens * BYTES_PER_TOKEN;
}

/** The size of a call's input and a name for the call: equal calls have equal names. */
export interface CallMeasure {
  inputTokens: number;
  id: string;
}

/** Reads the whole prompt and the tools once. */
export function measureCall(call: LanguageModelV4CallOptions, seed: number): CallMeasure {
  let files = 0;
  // File bytes are left out: they would be slow to print and would drown the text.
  const withoutFiles = (_key: string, value: unknown): unknown => {
    if (ArrayBuffer.isView(value)) return value.byteLength;
    if (!isFilePart(value)) return value;
    files += 1;
    return { type: value.type, filename: value.filename, mediaType: value.mediaType };
  };
  const text = JSON.stringify([call.prompt, call.tools ?? []], withoutFiles);
  const id = [seed, seed ^ 0x5bd1e995].map((lane) => hashText(text, lane).toString(16).padStart(8, "0")).join("");
  return { inputTokens: tokensOf(utf8Bytes(text)) + files * TOKENS_PER_FILE, id };
}

function isFilePart(value: unknown): value is { type: string; filename?: unknown; mediaType: unknown } {
  if (typeof value !== "object" || value === null || !("type" in value) || !("mediaType" in value)) return false;
  return value.type === "file" || value.type === "reasoning-file";
}

/** The usage of a call that has produced so many UTF-8 bytes of text (tool input included) and of reasoning. */
export function usageOf(inputTokens: number, textBytes: number, reasoningBytes: number): LanguageModelV4Usage {
  const text = tokensOf(textBytes);
  const reasoning = tokensOf(reasoningBytes);
  return {
    inputTokens: { total: inputTokens, noCache: inputTokens, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: text + reasoning, text, reasoning },
  };
}
