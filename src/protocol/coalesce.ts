// Adjacent deltas of one part become one chunk before the log numbers them, so that a seq means the same chunk everywhere. The
// same goes for what takes the place of the chunk before it.
import type { Chunk } from "./messages.ts";

/**
 * One chunk that folds to what `previous` and then `next` fold to; null when they must stay two. Merged are deltas of one text,
 * reasoning or tool input (the later provider metadata stands), outputs of one call after a preliminary one, and data of one id.
 * Neither argument is changed.
 */
export function mergeChunks(previous: Chunk, next: Chunk): Chunk | null {
  if (previous.type === "tool-input-delta") {
    if (next.type !== previous.type || next.toolCallId !== previous.toolCallId) return null;
    return { ...previous, ...next, inputTextDelta: previous.inputTextDelta + next.inputTextDelta };
  }
  if (previous.type === "tool-output-available") {
    if (previous.preliminary !== true || next.type !== previous.type || next.toolCallId !== previous.toolCallId) return null;
    const { preliminary: _replaced, ...rest } = previous;
    return { ...rest, ...next };
  }
  if (isData(previous) && isData(next)) {
    const isSame = previous.type === next.type && previous.id != null && previous.id === next.id;
    return isSame && !previous.transient && !next.transient ? { ...previous, data: next.data } : null;
  }
  if (previous.type !== "text-delta" && previous.type !== "reasoning-delta") return null;
  if (next.type !== previous.type || next.id !== previous.id) return null;
  const { providerMetadata } = next;
  return { ...previous, delta: previous.delta + next.delta, ...(providerMetadata && { providerMetadata }) };
}

function isData(chunk: Chunk): chunk is Extract<Chunk, { type: `data-${string}` }> {
  return chunk.type.startsWith("data-");
}
