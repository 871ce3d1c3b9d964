// A stored tool call as the model may be shown it: with an outcome, an input that is an object, and a name and id that every
// provider takes. Nothing here needs the definition of the tool, which the app may have renamed, changed or removed since.
import { toolNameOf, type ToolPart, UNKNOWN_OUTCOME } from "../protocol/tool-part.ts";
import type { CallIds } from "./call-ids.ts";
import { isBlank, isRecord, withoutBadMetadata, type Fields } from "./repair-fields.ts";

/** What the model reads as the outcome of a call that has none. */
const OUTCOME = {
  unknown: UNKNOWN_OUTCOME,
  unapproved: "Not executed: it was never approved.",
  refused: "Not executed: it was refused.",
  failed: "The tool failed without a message.",
  empty: "(no output)",
};

const MAX_NAME_LENGTH = 64;

/** What the calls of one prompt share. */
export interface CallScope {
  ids: CallIds;
  /** Ids of the approvals seen so far. */
  approvals: Set<string>;
}

/** Whether a part is a tool call. */
export function isCallPart(part: Fields): boolean {
  return part.type === "dynamic-tool" || (typeof part.type === "string" && part.type.startsWith("tool-"));
}

const isCallId = (id: unknown): id is string => typeof id === "string" && id !== "";
const isApproval = (approval: unknown): approval is Fields & { id: string } =>
  isRecord(approval) && isCallId(approval.id) && typeof approval.approved === "boolean";

/**
 * Whether a call has been answered by a person and not run yet: `streamText` runs it before it asks the model, when it is in
 * the last step of the prompt.
 */
export function isAnswered(part: Fields): boolean {
  const isClear = part.providerExecuted === undefined || typeof part.providerExecuted === "boolean";
  return isClear && isCallPart(part) && part.state === "approval-responded" && isApproval(part.approval) && isCallId(part.toolCallId);
}

/** The ids of an answered call. */
export const callIdOf = (part: Fields): string => part.toolCallId as string;
export const approvalIdOf = (part: Fields): string => (part.approval as Fields).id as string;

/** The name of the tool of a call. */
export const nameOf = (call: Fields): string => toolNameOf(call as unknown as ToolPart);

/** The call with `text` as its outcome. Nothing of an approval or of a preliminary output stays. */
function settle(call: Fields, text: string): Fields {
  const { output: _output, preliminary: _preliminary, approval: _approval, resultProviderMetadata: _metadata, ...rest } = call;
  return { ...rest, state: "output-error", errorText: text };
}

/** The call with an output that says something, even if it is that there was none. */
function withText(call: Fields): Fields {
  return isBlank(call.output) ? { ...call, output: OUTCOME.empty } : call;
}

/** The call with an outcome; undefined when it cannot be shown, since its input never completed. */
function withOutcome(call: Fields): Fields | undefined {
  const { state, approval } = call;
  switch (state) {
    case "output-available":
      if (call.preliminary === true) return settle(call, OUTCOME.unknown);
      return withText(call);
    case "output-error":
      return isBlank(call.errorText) ? { ...call, errorText: OUTCOME.failed } : call;
    case "output-denied":
      return call;
    case "approval-responded":
      if (!isRecord(approval) || typeof approval.approved !== "boolean") return settle(call, OUTCOME.unapproved);
      if (approval.approved) return settle(call, OUTCOME.unknown);
      return isApproval(approval) ? call : settle(call, OUTCOME.refused);
    case "approval-requested":
      return settle(call, OUTCOME.unapproved);
    case "input-streaming":
      return undefined;
    default:
      // Also a state of a later version: what is known is that the call was made.
      return state === "input-available" || call.input !== undefined ? settle(call, OUTCOME.unknown) : undefined;
  }
}

/** A settled call with its approval in order, or without it: the outcome says enough. Of one id, only the first stays. */
function withApproval(call: Fields, { approvals }: CallScope): Fields {
  const { approval, ...rest } = call;
  if (approval === undefined) return call;
  if (!isRecord(approval) || !isCallId(approval.id) || approvals.has(approval.id)) {
    // A refusal that is not stated as an outcome has only its approval to say so.
    return call.state === "approval-responded" ? settle(rest, OUTCOME.refused) : rest;
  }
  approvals.add(approval.id);
  return withAnswer(call, approval);
}

/** The call with an answer that is yes, no or none, and a reason that says something or is none. */
function withAnswer(call: Fields, { approved, reason, ...others }: Fields): Fields {
  const isAnswer = typeof approved === "boolean";
  const isReason = typeof reason === "string" && !isBlank(reason);
  if ((approved === undefined || isAnswer) && (reason === undefined || isReason)) return call;
  return { ...call, approval: { ...others, ...(isAnswer && { approved }), ...(isReason && { reason }) } };
}

/** A call that is about to run (or to be refused): its outcome must find it under its own id, name and input. */
export function repairPending(call: Fields): Fields {
  return withoutBadMetadata(withAnswer(call, call.approval as Fields), "callProviderMetadata", "resultProviderMetadata");
}

/** Tells whether an error text is what a provider said of a call of its own: they give a JSON object. */
function isProviderError(errorText: unknown): boolean {
  return typeof errorText === "string" && isRecord(tryParse(errorText));
}

/**
 * A call that the provider ran. Its outcome goes back in the provider's own form, which nobody else can write: without one
 * from the provider itself the call is left out, since a call without its result is refused.
 */
function repairProviderCall(call: Fields): Fields | undefined {
  const { approval: _approval, ...rest } = call;
  const isSettled =
    call.state === "output-available" ? call.preliminary !== true : call.state === "output-error" && isProviderError(call.errorText);
  if (!isSettled) return undefined;
  return withText(call.approval === undefined ? call : rest);
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Not JSON: the caller takes the text as it is.
    return undefined;
  }
}

/** The input as an object, the only form that every provider takes. */
function objectInput(input: unknown): Fields {
  if (isRecord(input)) return input;
  if (input === undefined || input === null) return {};
  const parsed = typeof input === "string" ? tryParse(input) : undefined;
  return isRecord(parsed) ? parsed : { input };
}

function withInput(call: Fields): Fields {
  const { rawInput, ...rest } = call;
  // The AI SDK takes the raw input of a failed call that has no other, and warns on the console for each raw input it meets.
  const isRawUsed = call.state === "output-error" && rawInput !== undefined;
  const input = objectInput(call.input ?? (isRawUsed ? rawInput : undefined));
  return input === call.input && !isRawUsed ? call : { ...(isRawUsed ? rest : call), input };
}

function withName(call: Fields): Fields {
  const isDynamic = call.type === "dynamic-tool";
  const name: unknown = nameOf(call);
  const usable = (typeof name === "string" && name.replace(/[^\w-]/g, "_").slice(0, MAX_NAME_LENGTH)) || "unknown_tool";
  if (usable === name) return call;
  return isDynamic ? { ...call, toolName: usable } : { ...call, type: `tool-${usable}` };
}

/** Metadata without the name of the item that the provider keeps of the call: that item has the old call id. */
function withoutItemIds(metadata: unknown): unknown {
  if (!isRecord(metadata)) return metadata;
  const namespaces = Object.entries(metadata).map(([provider, options]) => {
    const { itemId: _itemId, ...rest } = options as Fields;
    return [provider, rest];
  });
  return Object.fromEntries(namespaces) as Fields;
}

function withId(call: Fields, { ids }: CallScope): Fields {
  const toolCallId = ids.claim(call.toolCallId);
  if (toolCallId === call.toolCallId) return call;
  const changed: Fields = { ...call, toolCallId };
  for (const key of ["callProviderMetadata", "resultProviderMetadata"]) {
    if (changed[key] !== undefined) changed[key] = withoutItemIds(changed[key]);
  }
  return changed;
}

/** The call as the model may be shown it; the same object when nothing is wrong, undefined when it must be left out. */
export function repairCall(call: Fields, scope: CallScope): Fields | undefined {
  const isProviderCall = call.providerExecuted === true;
  const settled = isProviderCall ? repairProviderCall(call) : withOutcome(call);
  if (!settled) return undefined;
  let next = withInput(withName(withApproval(settled, scope)));
  if (next.providerExecuted !== undefined && typeof next.providerExecuted !== "boolean") {
    const { providerExecuted: _providerExecuted, ...rest } = next;
    next = rest;
  }
  return withId(withoutBadMetadata(next, "callProviderMetadata", "resultProviderMetadata"), scope);
}
