// The fold: from the chunks of a turn to its live message, the same on the server and on each client. It makes the message
// that the AI SDK's own reader makes, except that the message keeps the id that it was given, and that a chunk which does
// not fit (an unknown type, no open part of that id) is ignored where the reader throws, since a thread always opens.
import { foldTool, putPart, stepStart, type Fields, type ToolChunk } from "./fold-tools.ts";
import type { Chunk, LiveState, Part } from "./messages.ts";

type TextKind = "text" | "reasoning";
/** The fields of the chunks of a text or reasoning part. */
interface TextChunk {
  id: string;
  delta?: string;
  citations?: unknown;
  providerMetadata?: unknown;
}
type DataChunk = Extract<Chunk, { type: `data-${string}` }>;

const UNSAFE_KEYS = /^(__proto__|constructor|prototype)$/;

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
  if (!chunks.length) return state;
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
function openOf(open: LiveState["open"]): LiveState["open"] {
  const copies = Object.entries(open).map(([kind, record]) => [kind, { __proto__: null, ...record }]);
  return Object.fromEntries(copies) as LiveState["open"];
}

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);

/** `changes` over `base`: objects merge at every depth, everything else is replaced. */
function merge(base: unknown, changes: unknown): unknown {
  if (!isObject(base) || !isObject(changes)) return changes;
  const merged = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    if (value !== undefined && !UNSAFE_KEYS.test(key)) merged[key] = merge(base[key], value);
  }
  return merged;
}

/** Folds the start, a delta or the end of a text or reasoning part. */
function foldText({ message: { parts }, open }: LiveState, kind: TextKind, step: string, chunk: TextChunk): void {
  const { id, delta, citations, providerMetadata } = chunk;
  const at = open[kind][id]!;
  const part = parts[at] as Fields | undefined;
  if (step === "start") {
    open[kind][id] = parts.length;
    putPart(parts, -1, { type: kind, id: kind === "reasoning" ? id : undefined, text: "", providerMetadata, state: "streaming" });
  } else if (part) {
    const changes = step === "delta" ? { text: (part.text as string) + delta } : { state: "done", citations };
    putPart(parts, at, { ...part, providerMetadata: providerMetadata ?? part.providerMetadata, ...changes });
    if (step === "end") delete open[kind][id];
  }
}

/** Folds a data chunk: one with the type and id of an earlier one gives that part its data, any other is a new part. */
function foldData(parts: Part[], chunk: DataChunk): void {
  const { type, id, data, transient } = chunk;
  if (transient) return;
  const at = parts.findIndex((part) => id != null && part.type === type && (part as Fields).id === id);
  putPart(parts, at, { ...(parts[at] ?? chunk), data });
}

/** Folds one chunk into `live`, whose parts array and records are ours to change; `next` is the chunk after it. */
function apply(live: LiveState, chunk: Chunk, next: Chunk | undefined): void {
  const { message } = live;
  const { parts } = message;
  const { type, messageMetadata: metadata } = chunk as Chunk & Fields;
  switch (type) {
    case "file":
    case "reasoning-file":
    case "source-url":
    case "source-document":
    case "custom":
    case "steering-message":
      // These chunks are their parts.
      return putPart(parts, -1, chunk);
    case "start-step":
      return putPart(parts, -1, { type: "step-start" });
    case "reset-step":
      parts.length = stepStart(parts);
      live.open = openOf(emptyLive("").open);
      return;
    case "start":
    case "finish":
    case "message-metadata":
      if (metadata != null) message.metadata = merge(message.metadata, metadata);
      return;
    default: {
      const [, kind, step] = /^(text|reasoning)-(start|delta|end)$/.exec(type) ?? [];
      if (step) foldText(live, kind as TextKind, step, chunk as TextChunk);
      else if (type.startsWith("tool-")) foldTool(live, chunk as ToolChunk, next);
      else if (type.startsWith("data-")) foldData(parts, chunk as DataChunk);
    }
  }
}
