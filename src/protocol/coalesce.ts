// Adjacent deltas of one part become one chunk before the log numbers them, so that a seq means the same chunk everywhere.
import type { Chunk } from "./messages.ts";

/**
 * One chunk that folds to what `previous` and then `next` fold to; null when they must stay two. Only deltas merge, of one
 * text, reasoning or tool input; the later provider metadata stands. Neither argument is changed.
 */
export function mergeChunks(previous: Chunk, next: Chunk): Chunk | null {
  if (previous.type === "tool-input-delta") {
    if (next.type !== previous.type || next.toolCallId !== previous.toolCallId) return null;
    return { ...previous, ...next, inputTextDelta: previous.inputTextDelta + next.inputTextDelta };
  }
  if (previous.type !== "text-delta" && previous.type !== "reasoning-delta") return null;
  if (next.type !== previous.type || next.id !== previous.id) return null;
  const { providerMetadata } = next;
  return { ...previous, delta: previous.delta + next.delta, ...(providerMetadata && { providerMetadata }) };
}
