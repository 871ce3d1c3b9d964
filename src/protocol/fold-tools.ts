// The fold of the chunks of a tool call. Each chunk finds its call where the AI SDK finds it: announced in the current
// step, gone on with wherever it is. A part is replaced, never changed.
import type { Chunk, LiveState, Part } from "./messages.ts";
import { parsePartialJson } from "./partial-json.ts";

/** A part or chunk by its field names. */
export type Fields = Record<string, unknown>;

/** A chunk of a tool call. */
export type ToolChunk = Extract<Chunk, { type: `tool-${string}` }>;

/** A chunk that announces a call, by name. */
type Announcement = Extract<ToolChunk, { toolName: string }>;
type Outcome = Extract<ToolChunk, { type: "tool-output-available" | "tool-output-error" }>;

/** The fields of a tool part. */
type Call = Fields & { toolCallId?: string; approval?: Fields };

/** Whether a chunk belongs to a tool call. */
export function isToolChunk(chunk: Chunk): chunk is ToolChunk {
  return chunk.type.startsWith("tool-");
}

/** `fields` as a part, without those that are undefined: they would not survive JSON. */
export function toPart(fields: Fields): Part {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Part;
}

/** Index of the current step's first part; 0 when the message has no steps. */
export function stepStart(parts: readonly Part[]): number {
  return parts.findLastIndex((part) => part.type === "step-start") + 1;
}

const isDynamic = (part: Part | Call): boolean => part.type === "dynamic-tool";

/** Whether a part is a tool call. */
export function isCall(part: Part): boolean {
  return isDynamic(part) || part.type.startsWith("tool-");
}

function isAnnouncement(chunk: ToolChunk): chunk is Announcement {
  return /^tool-input-(start|available|error)$/.test(chunk.type);
}

/** Index of the call that a chunk is about, -1 for none. A chunk that announces looks for its own kind, in this step only. */
function indexOfCall(parts: readonly Part[], chunk: ToolChunk): number {
  if (chunk.type === "tool-approval-response") {
    return parts.findIndex((part) => isCall(part) && (part as Call).approval?.id === chunk.approvalId);
  }
  const announces = isAnnouncement(chunk);
  const step = stepStart(parts);
  const isIt = (part: Part, index: number): boolean =>
    index >= step &&
    isCall(part) &&
    (part as Call).toolCallId === chunk.toolCallId &&
    // The tool of a call with bad input can be unknown, and so marked dynamic only then.
    (!announces || chunk.type === "tool-input-error" || isDynamic(part) === !!chunk.dynamic);
  const at = parts.findIndex(isIt);
  return at < 0 && !announces ? parts.findLastIndex((part) => isIt(part, step)) : at;
}

/** The call as `chunk` states it; of an older input or outcome nothing stays. */
function restate(old: Call | undefined, chunk: Announcement | Outcome): Fields {
  const { type, providerMetadata, ...rest } = chunk;
  const { toolName, dynamic, ...given } = rest as Fields & { toolName?: string };
  const state = type === "tool-input-start" ? "input-streaming" : type === "tool-input-error" ? "output-error" : type.slice(5);
  const metadata = `${state.startsWith("output") ? "result" : "call"}ProviderMetadata`;
  const isDynamicCall = old ? isDynamic(old) : dynamic;
  return {
    ...old,
    ...(isAnnouncement(chunk) && {
      type: isDynamicCall ? "dynamic-tool" : `tool-${chunk.toolName}`,
      toolName: isDynamicCall ? toolName : undefined,
      input: undefined,
    }),
    inputEncoding: undefined,
    rawInput: type === "tool-output-error" && !isDynamicCall ? old?.rawInput : undefined,
    output: undefined,
    preliminary: undefined,
    errorText: undefined,
    ...toPart(given),
    // The AI SDK drops the title that comes with bad input.
    title: (type === "tool-input-error" ? undefined : given.title) ?? old?.title,
    state,
    [metadata]: providerMetadata ?? old?.[metadata],
  };
}

/** What `chunk` makes of the call `old`; undefined when it makes nothing of it. */
function nextCall(open: LiveState["open"], old: Call | undefined, chunk: ToolChunk, next: Chunk | undefined): Fields | undefined {
  if (!old && !isAnnouncement(chunk)) return undefined;
  switch (chunk.type) {
    case "tool-input-start":
      open.input[chunk.toolCallId] = "";
      return restate(old, chunk);
    case "tool-input-available":
    case "tool-input-error":
    case "tool-output-available":
    case "tool-output-error":
      return restate(old, chunk);
    case "tool-input-delta": {
      const { toolCallId, inputTextDelta } = chunk;
      if (open.input[toolCallId] === undefined) return undefined;
      const rawInput = (open.input[toolCallId] += inputTextDelta);
      // Of many deltas only the last is parsed: to parse each would take the square of the input's length.
      if (next?.type === chunk.type && next.toolCallId === toolCallId) return undefined;
      return { ...old, rawInput, input: old?.inputEncoding === "text" ? rawInput : parsePartialJson(rawInput) };
    }
    case "tool-approval-request": {
      const { approvalId: id, reason: requestReason, inputSchemaInput, signature } = chunk;
      const descriptor = chunk.approvalDescriptor ?? undefined;
      const isAutomatic = chunk.isAutomatic || undefined;
      const approval = toPart({ id, descriptor, inputSchemaInput, requestReason, isAutomatic, signature });
      return { ...old, state: "approval-requested", approval };
    }
    case "tool-approval-response": {
      const { approved, reason = old?.approval?.reason, providerExecuted, providerMetadata } = chunk;
      return {
        ...old,
        state: "approval-responded",
        approval: toPart({ ...old?.approval, approved, reason }),
        providerExecuted: providerExecuted ?? old?.providerExecuted,
        callProviderMetadata: providerMetadata ?? old?.callProviderMetadata,
      };
    }
    case "tool-output-denied":
      return { ...old, state: "output-denied" };
    default:
      return undefined;
  }
}

/** Folds one chunk of a tool call into `live`; `next` is the chunk after it, when it is at hand. */
export function foldTool({ message: { parts }, open }: LiveState, chunk: ToolChunk, next: Chunk | undefined): void {
  const at = indexOfCall(parts, chunk);
  const call = nextCall(open, parts[at], chunk, next);
  if (!call) return;
  parts[at < 0 ? parts.length : at] = toPart(call);
  // Input that comes after its end is ignored: it would take back a call that went on.
  if (call.state !== "input-streaming") delete open.input[call.toolCallId as string];
}
