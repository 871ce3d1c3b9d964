// The fold: from the chunks of a turn to its live message, the same on the server and on each client. It makes the message
// that the AI SDK's own reader makes, except that the message keeps the id that it was given, and that a chunk which does
// not fit (an unknown type, no open part of that id) is ignored where the reader throws, since a thread always opens.
import { foldTool, isToolChunk, stepStart, toPart, type Fields } from "./fold-tools.ts";
import type { Chunk, LiveState, Part } from "./messages.ts";

type TextKind = "text" | "reasoning";
type TextChunk = Extract<Chunk, { type: `${TextKind}-${"start" | "delta" | "end"}` }>;
type DataChunk = Extract<Chunk, { type: `data-${string}` }>;

/** The live state of a turn before its first chunk. `messageId` is the id of its live message, and of the stored reply. */
export function emptyLive(messageId: string): LiveState {
  return { message: { id: messageId, role: "assistant", parts: [] }, seq: 0, open: { text: {}, reasoning: {}, input: {} } };
}

/** `state` after one more chunk; see {@link foldChunks}. */
export function fold(state: LiveState, chunk: Chunk): LiveState {
  return foldChunks(state, [chunk]);
}

/**
 * `state` after `chunks`, in their order; each takes one `seq`, also one that is ignored. Chunks are JSON values. `state`
 * and `chunks` are never changed, and what the chunks leave alone is shared: a part that did not change is the same object,
 * and with no chunks the state is. Costs what the chunks cost, plus one shallow copy of the list of parts. Never throws.
 */
export function foldChunks(state: LiveState, chunks: readonly Chunk[]): LiveState {
  if (chunks.length === 0) return state;
  const { message, seq, open } = state;
  const live = { message: { ...message, parts: [...message.parts] }, seq: seq + chunks.length, open: openOf(open) };
  chunks.forEach((chunk, index) => {
    try {
      apply(live, chunk, chunks[index + 1]);
    } catch {
      // A TypeError: no chunk at all, or fields of other types than its own (a log of another version, a broken producer).
      // It is ignored like a chunk of an unknown type.
    }
  });
  return live;
}

/** A copy of `open` whose records take any key: without a prototype, `__proto__` is a key like every other. */
function openOf({ text, reasoning, input }: LiveState["open"]): LiveState["open"] {
  const copy = (record: object): object => ({ __proto__: null, ...record });
  return { text: copy(text), reasoning: copy(reasoning), input: copy(input) } as LiveState["open"];
}

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const isMergeable = (value: unknown): value is Fields => isObject(value) && !Array.isArray(value);

/** `base` with `changes` over it: objects merge at every depth, everything else is replaced. */
function merge(base: Fields, changes: Fields): Fields {
  const merged = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined || key === "__proto__" || key === "constructor" || key === "prototype") continue;
    const old = Object.hasOwn(base, key) ? base[key] : undefined;
    merged[key] = isMergeable(old) && isMergeable(value) ? merge(old, value) : value;
  }
  return merged;
}

/** Folds a chunk of a text or reasoning part. */
function foldText({ message: { parts }, open }: LiveState, kind: TextKind, chunk: TextChunk): void {
  const { id, providerMetadata } = chunk;
  if (chunk.type === "text-start" || chunk.type === "reasoning-start") {
    open[kind][id] = parts.length;
    parts.push(toPart({ type: kind, id: kind === "reasoning" ? id : undefined, text: "", providerMetadata, state: "streaming" }));
    return;
  }
  const at = open[kind][id];
  const part = at === undefined ? undefined : (parts[at] as Fields | undefined);
  if (!part) return;
  const changed = { ...part, providerMetadata: providerMetadata ?? part.providerMetadata };
  if (chunk.type === "text-delta" || chunk.type === "reasoning-delta") {
    parts[at!] = toPart({ ...changed, text: (part.text as string) + chunk.delta });
  } else {
    parts[at!] = toPart({ ...changed, state: "done", citations: chunk.type === "text-end" ? chunk.citations : undefined });
    delete open[kind][id];
  }
}

/** Folds a data chunk: one with the type and id of an earlier one gives that part its data, any other is a new part. */
function foldData(parts: Part[], chunk: DataChunk): void {
  if (chunk.transient) return;
  const { type, id, data } = chunk;
  const at = parts.findIndex((part) => id != null && part.type === type && (part as Fields).id === id);
  if (at < 0) parts.push(toPart({ ...chunk }));
  else parts[at] = toPart({ ...parts[at], data });
}

/** Folds one chunk into `live`, whose parts array and records are ours to change; `next` is the chunk after it. */
function apply(live: LiveState, chunk: Chunk, next: Chunk | undefined): void {
  const { message } = live;
  const { parts } = message;
  switch (chunk.type) {
    case "text-start":
    case "text-delta":
    case "text-end":
      return foldText(live, "text", chunk);
    case "reasoning-start":
    case "reasoning-delta":
    case "reasoning-end":
      return foldText(live, "reasoning", chunk);
    case "file":
    case "reasoning-file":
    case "source-url":
    case "source-document":
    case "custom":
    case "steering-message":
      // These chunks are their parts.
      parts.push(toPart({ ...chunk }));
      return;
    case "start-step":
      parts.push({ type: "step-start" });
      return;
    case "reset-step":
      parts.length = stepStart(parts);
      live.open = openOf(emptyLive("").open);
      return;
    case "start":
    case "finish":
    case "message-metadata": {
      const { messageMetadata: metadata } = chunk;
      if (metadata != null) message.metadata = isObject(message.metadata) ? merge(message.metadata, metadata as Fields) : metadata;
      return;
    }
    default:
      if (isToolChunk(chunk)) foldTool(live, chunk, next);
      else if (chunk.type.startsWith("data-")) foldData(parts, chunk as DataChunk);
  }
}
