// The calls of a live message that wait for a person or a client, and the chunks that answer them. Pure. The message is the
// one truth of what was put up: nothing can be answered that is not in it, and its input is never the client's to say.
import { lastStepParts } from "../history/repair-parts.ts";
import { isCall, toolNameOf, type ToolPart } from "../protocol/tool-part.ts";
import type { Chunk, LiveState, Part } from "../protocol/messages.ts";
import type { OpenCalls } from "../turn/machine.ts";

/** True for the name of a tool that runs in a client (`static clientTools`). */
export type IsClientTool = (toolName: string) => boolean;

/** What is stored of an answer, in the approval of its part. */
interface StoredApproval {
  id: string;
  approved?: boolean;
  /** Epoch ms after which it is denied; absent for none. */
  expiresAt?: number;
}

function approvalOf(part: ToolPart): StoredApproval | undefined {
  return part.approval;
}

function callsOf({ message }: LiveState): ToolPart[] {
  return message.parts.filter(isCall);
}

/** True for a call that a person has not answered yet. One that the app decides on waits for nobody, also when its answer was lost. */
export function isAwaitingApproval(part: ToolPart): boolean {
  return part.state === "approval-requested" && part.approval.isAutomatic !== true;
}

/** True for a call whose output a client has not given yet: also one that a person has just allowed. */
export function isAwaitingClient(part: ToolPart, isClientTool: IsClientTool): boolean {
  const isOpen = part.state === "input-available" || (part.state === "approval-responded" && part.approval.approved);
  return isOpen && part.providerExecuted !== true && isClientTool(toolNameOf(part));
}

/** True for a call that a person has answered: only in the last step can a run take it up. */
export function isAnswered(part: ToolPart): boolean {
  return part.state === "approval-responded";
}

/** What the calls of a message need before the turn can go on. `hasAnswers`: some came that no run has taken up. */
export function openCallsOf(live: LiveState, isClientTool: IsClientTool, hasAnswers: boolean): OpenCalls {
  if (callsOf(live).some((part) => isAwaitingApproval(part) || isAwaitingClient(part, isClientTool))) return "awaited";
  return hasAnswers ? "answered" : "none";
}

/** The call that an approval was asked for; undefined when it was not. */
export function findApproval(parts: readonly Part[], approvalId: string): ToolPart | undefined {
  return parts.filter(isCall).find((part) => approvalOf(part)?.id === approvalId);
}

/** The last call with an id: providers use ids again. */
export function findCall(parts: readonly Part[], callId: string): ToolPart | undefined {
  return parts.filter(isCall).findLast(({ toolCallId }) => toolCallId === callId);
}

/** An answer to a request for approval: who gave it, and when (epoch ms), stand in the part. */
export function approvalChunk(
  approvalId: string,
  answer: { approved: boolean; reason?: string | undefined; by: string; at: number },
): Chunk {
  const { reason, ...rest } = answer;
  return { type: "tool-approval-response", approvalId, ...rest, ...(reason !== undefined ? { reason } : {}) };
}

/** The answers to all that is open when a new message comes instead of them. */
export function supersedingChunks(live: LiveState, isClientTool: IsClientTool, by: string, at: number): Chunk[] {
  return callsOf(live).flatMap((part): Chunk[] => {
    const { toolCallId } = part;
    if (isAwaitingApproval(part)) {
      const approvalId = approvalOf(part)!.id;
      return [approvalChunk(approvalId, { approved: false, reason: SUPERSEDED, by, at }), { type: "tool-output-denied", toolCallId }];
    }
    return isAwaitingClient(part, isClientTool) ? [{ type: "tool-output-error", toolCallId, errorText: SUPERSEDED }] : [];
  });
}

const SUPERSEDED = "superseded";

/** Answers to the approvals that have expired by `now`. */
export function expiryChunks(live: LiveState, now: number): Chunk[] {
  return callsOf(live).flatMap((part) => {
    const approval = isAwaitingApproval(part) ? approvalOf(part) : undefined;
    if (!approval || !isTime(approval.expiresAt) || approval.expiresAt > now) return [];
    return approvalChunk(approval.id, { approved: false, reason: "expired", by: "system:expiry", at: now });
  });
}

/** A request for approval with its time limit, an automatic answer with its time; every other chunk as it is. */
export function withAnswerTime(chunk: Chunk, now: number, expiresMs: number | null): Chunk {
  if (chunk.type === "tool-approval-response") return { ...chunk, at: now } as Chunk;
  if (chunk.type !== "tool-approval-request" || chunk.isAutomatic === true || expiresMs === null) return chunk;
  return { expiresAt: Math.round(now + expiresMs), ...chunk } as Chunk;
}

/** When the first open approval expires, epoch ms; null when none does. */
export function firstExpiry(live: LiveState): number | null {
  const times = callsOf(live).flatMap((part) => (isAwaitingApproval(part) ? (approvalOf(part)?.expiresAt ?? []) : []));
  const valid = times.filter(isTime);
  return valid.length > 0 ? Math.min(...valid) : null;
}

/** An app may write chunks of its own: only a number is a time. */
function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value);
}

/** The calls of the last step as the model is shown it: only these can be taken up by the next run. */
export function lastStepCalls({ message: { parts } }: LiveState): ToolPart[] {
  return lastStepParts(parts).filter(isCall);
}
