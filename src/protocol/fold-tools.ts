// The fold of the chunks of a tool call. Each chunk finds its call where the AI SDK finds it: announced in the current
// step, gone on with wherever it is. A part is replaced, never changed.
import type { Chunk, LiveState, Part } from "./messages.ts";
import { parsePartialJson } from "./partial-json.ts";
import { stubOf } from "./stubs.ts";
import { isCall } from "./tool-part.ts";

/** A part or chunk by its field names. */
export type Fields = Record<string, unknown>;

/** A chunk of a tool call. */
export type ToolChunk = Extract<Chunk, { type: `tool-${string}` }>;

/** A chunk that announces a call, by name. */
type Announcement = Extract<ToolChunk, { toolName: string }>;
type Outcome = Extract<ToolChunk, { type: "tool-output-available" | "tool-output-error" }>;

/** The fields of a tool part. */
type Call = Fields & { toolCallId?: string; approval?: Fields };

/** `fields` as a part, without those that are undefined: they would not survive JSON. */
export function toPart(fields: object): Part {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Part;
}

/** Puts a part in the place of the one at `at`; behind the last one for -1. */
export function putPart(parts: Part[], at: number, fields: object): void {
  parts[at < 0 ? parts.length : at] = toPart(fields);
}

/** Index of the current step's first part; 0 when the message has no steps. */
export function stepStart(parts: readonly Part[]): number {
  return parts.findLastIndex((part) => part.type === "step-start") + 1;
}

const isDynamic = (part: Part | Call): boolean => part.type === "dynamic-tool";

function isAnnouncement(chunk: ToolChunk): chunk is Announcement {
  return /^tool-input-(start|available|error)$/.test(chunk.type);
}

/** Index of the call that a chunk is about, -1 for none. A chunk that announces looks for its own kind, in this step only. */
function indexOfCall(parts: readonly Part[], chunk: ToolChunk): number {
  if (chunk.type === "tool-approval-response") {
    return parts.findIndex((part) => isCall(part) && part.approval?.id === chunk.approvalId);
  }
  const announces = isAnnouncement(chunk);
  const start = announces ? stepStart(parts) : 0;
  return parts.findLastIndex(
    (part, index) =>
      index >= start &&
      isCall(part) &&
      part.toolCallId === chunk.toolCallId &&
      // The tool of a call with bad input can be unknown, and so marked dynamic only then.
      (!announces || chunk.type === "tool-input-error" || isDynamic(part) === !!chunk.dynamic),
  );
}

/** What a new input or outcome takes from a call. */
const STALE = { inputEncoding: undefined, rawInput: undefined, output: undefined, preliminary: undefined, errorText: undefined };

/** The call in `state`, as `chunk` states it; of an older input or outcome nothing stays. */
function restate(old: Call | undefined, chunk: Announcement | Outcome, state: string): Fields {
  const { type, toolName, dynamic, providerMetadata, ...given } = chunk as Fields;
  const isDynamicCall = old ? isDynamic(old) : dynamic;
  const kind = isDynamicCall ? { type: "dynamic-tool", toolName } : { type: `tool-${toolName as string}` };
  const metadata = state.startsWith("output") ? "resultProviderMetadata" : "callProviderMetadata";
  const call = {
    ...old,
    ...STALE,
    ...(isAnnouncement(chunk) && { ...kind, input: undefined }),
    ...toPart({ ...given, [metadata]: providerMetadata }),
    state,
  } as Fields;
  // As the AI SDK has it: bad input brings no title, and only a call of a known tool keeps the raw input that failed.
  if (type === "tool-input-error") call.title = old?.title;
  if (type === "tool-output-error" && !isDynamicCall) call.rawInput = old?.rawInput;
  return call;
}

/** What `chunk` makes of the call `old`; undefined when it makes nothing of it. */
function nextCall(open: LiveState["open"], old: Call | undefined, chunk: ToolChunk, next: Chunk | undefined): Fields | undefined {
  if (!old && !isAnnouncement(chunk)) return undefined;
  switch (chunk.type) {
    case "tool-input-start":
      open.input[chunk.toolCallId] = "";
      return restate(old, chunk, "input-streaming");
    case "tool-input-error":
      return restate(old, chunk, "output-error");
    case "tool-input-available":
    case "tool-output-available":
    case "tool-output-error":
      return restate(old, chunk, chunk.type.slice(5));
    case "tool-output-denied":
      return { ...old, state: "output-denied" };
    case "tool-input-delta": {
      const { toolCallId, inputTextDelta } = chunk;
      if (open.input[toolCallId] === undefined) return undefined;
      const rawInput = (open.input[toolCallId] += inputTextDelta);
      // Of many deltas only the last is parsed: to parse each would take the square of the input's length.
      if (next?.type === chunk.type && next.toolCallId === toolCallId) return undefined;
      return { ...old, rawInput, input: old?.inputEncoding === "text" ? rawInput : parsePartialJson(rawInput) };
    }
    case "tool-approval-request": {
      const { type: _type, toolCallId: _call, approvalId: id, approvalDescriptor, reason: requestReason, isAutomatic, ...rest } = chunk;
      const descriptor = approvalDescriptor ?? undefined;
      const approval = toPart({ id, descriptor, requestReason, isAutomatic: isAutomatic || undefined, ...rest });
      return { ...old, state: "approval-requested", approval };
    }
    case "tool-approval-response": {
      // Who answered and when are ours: the AI SDK's reader passes them over.
      const { type: _type, approvalId: _id, providerExecuted, providerMetadata: callProviderMetadata, ...answer } = chunk;
      const approval = { ...old?.approval, ...answer };
      return { ...old, ...toPart({ providerExecuted, callProviderMetadata }), state: "approval-responded", approval };
    }
    default:
      return undefined;
  }
}

/** Folds one chunk of a tool call into `live`; `next` is the chunk after it, when it is at hand. */
export function foldTool({ message: { parts }, open }: LiveState, chunk: ToolChunk, next: Chunk | undefined): void {
  const at = indexOfCall(parts, chunk);
  const old = parts[at] as Call | undefined;
  const call = nextCall(open, old, chunk, next);
  if (!call) return;
  if (call.state !== "input-streaming") {
    // Input that comes after its end is ignored: it would take back a call that went on.
    delete open.input[call.toolCallId as string];
    // No chunk has stated this input, only deltas have, and those travel whole: too large, it goes on the server as well.
    if (chunk.type === "tool-input-delta" || (old?.state === "input-streaming" && !isAnnouncement(chunk))) {
      call.input = stubOf(call.input);
      call.rawInput = stubOf(call.rawInput);
    }
  }
  putPart(parts, at, call);
}
