// Calls that a crash cut off and that may run again. The AI SDK runs calls before it asks the model when a person has approved
// them, so such a call is shown to it as approved: its outcome comes first in the run, and goes to the call that is there.
import { callIdOf, isCallPart } from "./repair-call.ts";
import { isRecord, type Fields } from "./repair-fields.ts";

/** True for a call whose tool was started and has given no outcome: also one of which there is a preliminary output. */
function wasStarted({ state, preliminary, approval }: Fields): boolean {
  const isOpen = state === "input-available" || state === "approval-responded" || (state === "output-available" && preliminary === true);
  return isOpen && (approval === undefined || (isRecord(approval) && approval.approved === true));
}

function asApproved(call: Fields): Fields {
  const { output: _output, preliminary: _preliminary, resultProviderMetadata: _metadata, approval, ...rest } = call;
  return { ...rest, state: "approval-responded", approval: approval ?? { id: `rerun:${callIdOf(call)}`, approved: true } };
}

/** The parts of a reply with the named calls as approved ones, where they were started; the same array when there are none. */
export function approveReruns(parts: readonly Fields[], rerunCalls: ReadonlySet<string>): readonly Fields[] {
  if (rerunCalls.size === 0) return parts;
  const isRerun = (part: Fields): boolean =>
    isCallPart(part) && part.providerExecuted !== true && rerunCalls.has(callIdOf(part)) && wasStarted(part);
  return parts.some(isRerun) ? parts.map((part) => (isRerun(part) ? asApproved(part) : part)) : parts;
}

/** True when the prompt ends with an approval of this call: the AI SDK runs it before it asks the model. */
export function isApprovedNow(messages: unknown, callId: unknown): boolean {
  if (!Array.isArray(messages)) return false;
  const last: unknown = messages.at(-1);
  if (!isRecord(last) || last.role !== "tool") return false;
  const approved = new Set(
    contentOf(last).flatMap((part) => (part.type === "tool-approval-response" && part.approved === true ? [part.approvalId] : [])),
  );
  if (approved.size === 0) return false;
  const isRequest = (part: Fields): boolean =>
    part.type === "tool-approval-request" && part.toolCallId === callId && approved.has(part.approvalId);
  return messages.some((message: unknown) => isRecord(message) && message.role === "assistant" && contentOf(message).some(isRequest));
}

function contentOf({ content }: Fields): Fields[] {
  return Array.isArray(content) ? (content as unknown[]).filter(isRecord) : [];
}
