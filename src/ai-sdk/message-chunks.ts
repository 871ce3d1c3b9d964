// From one state of a message to a later one, as the chunks that take the AI SDK's reader there. So a stream can be joined late,
// can miss what lies between two states, and still makes the message that the server has. Pure but for what it remembers of
// the reader. Parts are never handed out: the reader keeps chunks as parts, and changes them.
import type { Chunk, Part } from "../protocol/messages.ts";
import { stepStart, type Fields } from "../protocol/fold-tools.ts";
import { isCall } from "../protocol/tool-part.ts";

/** What is told of a message. */
export interface Told {
  id: string;
  parts: readonly Part[];
  metadata?: unknown;
}

/** The fields of a tool part. */
type Call = Fields & { state: string; input?: unknown; rawInput?: string; approval?: Fields };
type TextPart = { type: "text" | "reasoning"; text: string; id?: string; state?: string } & Fields;

export interface Teller {
  /** The chunks after which the reader has `message`. Null when none can take it there. */
  tell: (message: Told) => Chunk[] | null;
  /** True when what was told had to be taken back, which a reader of ai 6 does not do. */
  hasDiscarded: () => boolean;
}

const isSame = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);

/** Tells a message to a reader that holds `held` of it, or nothing yet. */
export function createTeller(held: Partial<Told> = {}): Teller {
  const parts = [...(held.parts ?? [])];
  /** Indexes of the texts, and ids of the calls with unfinished input, that this reader can go on with. */
  const open = new Set<unknown>();
  let { metadata } = held;
  let hasStarted = false;
  let hasDiscarded = false;

  const tell = (message: Told): Chunk[] | null => {
    const chunks: Chunk[] = [];
    const news = !isSame(metadata, message.metadata) && { messageMetadata: (metadata = message.metadata) };
    if (!hasStarted) chunks.push({ type: "start", messageId: message.id, ...news });
    else if (news) chunks.push({ type: "message-metadata", ...news });
    hasStarted = true;

    for (let at = 0; at < Math.max(parts.length, message.parts.length); at++) {
      const part = message.parts[at];
      const step = stepStart(parts);
      const more = part && (isSame(parts[at], part) ? [] : chunksOf(parts[at], part, at, at >= step, open));
      if (more) {
        chunks.push(...more);
        parts[at] = part;
      } else {
        // A discard reaches back to the beginning of the last step, and so does the server's.
        if (at < step) return null;
        chunks.push({ type: "reset-step" });
        hasDiscarded = true;
        parts.length = step;
        open.clear();
        at = step - 1;
      }
    }
    return chunks;
  };

  return { tell, hasDiscarded: () => hasDiscarded };
}

/** From `old`, at index `at`, to `part`. Null when no chunks lead there. @param isInStep whether it is in the reader's last step */
function chunksOf(old: Part | undefined, part: Part, at: number, isInStep: boolean, open: Set<unknown>): Chunk[] | null {
  const { type } = part;
  const isOfCall = isCall(part);
  const key = isOfCall ? "toolCallId" : "id";
  if (old && (old.type !== type || (old as Fields)[key] !== (part as Fields)[key])) return null;
  if (type === "step-start") return [{ type: "start-step" }];
  if (type === "text" || type === "reasoning") return textChunks(old as TextPart | undefined, part, at, open);
  if (isOfCall) return callChunks(old as Call | undefined, part as Call, isInStep, open);
  // Data with an id takes the place of what had it. Every other such chunk is its part, which no later one changes: what a reader
  // holds of an earlier step, with keys in another order or with fewer of them, stays as it is.
  if (old && !(type.startsWith("data-") && "id" in part)) return isInStep ? null : [];
  return [{ ...part }];
}

function textChunks(old: TextPart | undefined, part: TextPart, at: number, open: Set<unknown>): Chunk[] | null {
  const { type, id = `${at}`, text, state, providerMetadata, citations } = part;
  const { text: had = "" } = old ?? {};
  if (old && !open.has(at)) return text === had ? [] : null;
  if (!text.startsWith(had)) return null;
  const chunks: Fields[] = [];
  if (!old) chunks.push({ type: `${type}-start`, id, providerMetadata });
  // Also when something else of it changed.
  if (text !== had || (old && state === "streaming"))
    chunks.push({ type: `${type}-delta`, id, delta: text.slice(had.length), providerMetadata });
  open.add(at);
  if (state !== "streaming") {
    chunks.push({ type: `${type}-end`, id, providerMetadata, citations });
    open.delete(at);
  }
  return chunks as Chunk[];
}

/**
 * A call in its order: input, request for approval, answer to it, outcome. A call with an outcome is announced by input that
 * streams: `onToolCall` of `useChat` hears of input that is complete, and would run it again.
 */
function callChunks(old: Call | undefined, part: Call, isInStep: boolean, open: Set<unknown>): Chunk[] | null {
  const { type, toolCallId, state, input, rawInput, callProviderMetadata, resultProviderMetadata } = part;
  const dynamic = type === "dynamic-tool" || undefined;
  // Each chunk takes its fields of the part, and readers pass over the others.
  const call = { toolName: (type as string).slice("tool-".length), ...part, dynamic, providerMetadata: callProviderMetadata };
  const outcome = { ...call, providerMetadata: resultProviderMetadata };
  const chunks: Fields[] = [];
  const start = () => chunks.push({ ...call, type: "tool-input-start" });
  const delta = (inputTextDelta?: string) => inputTextDelta && chunks.push({ type: "tool-input-delta", toolCallId, inputTextDelta });

  if (state === "input-streaming") {
    let had = open.has(toolCallId) ? (old?.rawInput ?? "") : undefined;
    if (had === undefined || !rawInput?.startsWith(had)) {
      if (old && !isInStep) return null;
      start();
      open.add(toolCallId);
      had = "";
    }
    delta(rawInput?.slice(had.length));
    return chunks as Chunk[];
  }

  const isOver = state.startsWith("output");
  const isBack = state === "input-available" && old?.state !== state;
  const isKnown = old && old.state !== "input-streaming" && !isBack && isSame(old.input, input);
  // A call of an earlier step cannot be announced again: it has its outcome with the input that there was.
  const isAnnounced = !isKnown && (isInStep || !old);
  if (isAnnounced) {
    if (!isOver) chunks.push({ ...call, type: "tool-input-available" });
    else {
      start();
      delta(rawInput ?? JSON.stringify(input));
    }
  } else if (!isKnown && !isOver) return null;
  open.delete(toolCallId);

  const result = { ...outcome, type: "tool-output-available" };
  const isDenied = state === "output-denied";
  // What streamed is forgotten with an outcome, and a refusal is none.
  if (isDenied && (isAnnounced || !isSame(old?.output, part.output))) chunks.push(result);
  chunks.push(...approvalChunks(old, part));
  if (isDenied) chunks.push({ type: "tool-output-denied", toolCallId });
  else if (state === "output-available") chunks.push(result);
  else if (isOver) chunks.push({ ...outcome, type: isAnnounced && rawInput === undefined ? "tool-input-error" : "tool-output-error" });
  return chunks as Chunk[];
}

/** The request for approval of `part` and the answer to it, as far as `old` lacks them. */
function approvalChunks(old: Call | undefined, { toolCallId, state, providerExecuted, callProviderMetadata, approval }: Call): Fields[] {
  if (!approval) return [];
  const { id: approvalId, approved, reason, by, at, descriptor, requestReason, ...rest } = approval;
  // Of a call whose input streams nothing else was told.
  const isTold = old?.approval?.id === approvalId && old?.state !== "input-streaming";
  const isAsked = isTold && (state !== "approval-requested" || old?.state === state);
  const known = isAsked ? old?.approval : undefined;
  const request = { ...rest, type: "tool-approval-request", toolCallId, approvalId, approvalDescriptor: descriptor, reason: requestReason };
  const answer = { approvalId, approved, reason, by, at, providerExecuted, providerMetadata: callProviderMetadata };
  const response = { ...answer, type: "tool-approval-response" };
  return [...(known ? [] : [request]), ...(approved === undefined || known?.approved === approved ? [] : [response])];
}
