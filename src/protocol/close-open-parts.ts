// What a turn appends before its end: nothing of a settled message streams, and every call in it has an outcome. The
// chunks are ordinary ones, which the AI SDK's reader takes too, so the end of a message is in its log like the rest.
import { stepStart } from "./fold-tools.ts";
import type { Chunk, LiveState } from "./messages.ts";
import { isCall, isShadowed, toolNameOf, type ToolPart } from "./tool-part.ts";

/** The chunks that end the open parts of one kind, each with its place in the message. */
function endsOf(open: Record<string, number>, type: "text-end" | "reasoning-end"): { at: number; chunk: Chunk }[] {
  return Object.entries(open).map(([id, at]) => ({ at, chunk: { type, id } }));
}

/** The chunk that gives a call without an outcome one, with `errorText` as its error; undefined for a call that has one. */
export function outcomeOf(part: ToolPart, isInCurrentStep: boolean, errorText: string): Chunk | undefined {
  const { toolCallId } = part;
  switch (part.state) {
    case "input-streaming": {
      // Announced anew, since the cut input must be settled as well; outside the current step that would be a second call.
      if (!isInCurrentStep) return { type: "tool-output-error", toolCallId, errorText };
      const isDynamic = part.type === "dynamic-tool";
      const input: unknown = part.input ?? (part.inputEncoding === "text" ? "" : {});
      return { type: "tool-input-error", toolCallId, toolName: toolNameOf(part), input, errorText, ...(isDynamic && { dynamic: true }) };
    }
    case "approval-responded":
      // A refusal is the outcome of its call, only not stated yet.
      return part.approval.approved ? { type: "tool-output-error", toolCallId, errorText } : { type: "tool-output-denied", toolCallId };
    case "output-available":
      return part.preliminary ? { type: "tool-output-error", toolCallId, errorText } : undefined;
    case "input-available":
    case "approval-requested":
      return { type: "tool-output-error", toolCallId, errorText };
    default:
      return undefined;
  }
}

/**
 * The chunks after which no part of the live message is open: first the ends of text and reasoning, then an outcome for
 * each call without one, each group in the order of the message. A call gets `reason` as its error, a text for people and
 * the model; one that a person refused is denied, one whose output was preliminary loses it, since it may not be the
 * outcome. Calls that the provider runs are included. A call whose id a later one has again is left as it is: an outcome
 * would go to that one. Empty when nothing is open.
 * @param isKept calls that stay open: others will settle them
 */
export function closingChunks(state: LiveState, reason: string, isKept: (call: ToolPart) => boolean = () => false): Chunk[] {
  const { message, open } = state;
  const ends = [...endsOf(open.text, "text-end"), ...endsOf(open.reasoning, "reasoning-end")].sort((a, b) => a.at - b.at);
  const step = stepStart(message.parts);
  const outcomes = message.parts.flatMap((part, at) => {
    if (!isCall(part) || isKept(part) || isShadowed(message.parts, at)) return [];
    return outcomeOf(part, at >= step, reason) ?? [];
  });
  return [...ends.map(({ chunk }) => chunk), ...outcomes];
}
