// The parts of one message as the model may be shown them. Parts that the conversion to model messages passes over (data,
// sources, types of a later version) stay where they are, so that a message that needs no repair stays the same object.
import { approvalIdOf, callIdOf, isAnswered, isCallPart, repairCall, repairPending, nameOf, type CallScope } from "./repair-call.ts";
import { isBlank, isRecord, withoutBadMetadata, type Fields } from "./repair-fields.ts";
import { missingFile, repairFile } from "./repair-file.ts";
import { mapShared, wellFormed } from "./well-formed.ts";

/** What a part is to the repair of its message. */
type Kind = "content" | "thought" | "boundary" | "passed over";

function kindOf({ type }: { type?: unknown }): Kind {
  if (type === "step-start" || type === "steering-message") return "boundary";
  if (type === "reasoning" || type === "reasoning-file") return "thought";
  return type === "text" || type === "file" || type === "custom" || isCallPart({ type }) ? "content" : "passed over";
}

function repairText(part: Fields): Fields | undefined {
  if (typeof part.text !== "string" || isBlank(part.text)) return undefined;
  return withoutBadMetadata(part, "providerMetadata");
}

/** Text or file; undefined for everything else that a user cannot say to a model. */
function repairUserPart(part: Fields): Fields | undefined {
  if (part.type === "text") return repairText(part);
  return part.type === "file" ? (repairFile(part) ?? missingFile(part)) : undefined;
}

function repairReasoning(part: Fields): Fields | undefined {
  const checked = withoutBadMetadata(part, "providerMetadata");
  // A thought whose text is hidden still counts, by the signature in its metadata.
  const isEmpty = isBlank(part.text) && checked.providerMetadata === undefined;
  return typeof part.text !== "string" || isEmpty ? undefined : checked;
}

/** A message of a user that came in the middle of a reply. Without anything to read, only the step boundary stays. */
function repairSteering(part: Fields): Fields {
  const parts = Array.isArray(part.parts)
    ? mapShared(part.parts as unknown[], (inner) => (isRecord(inner) ? repairUserPart(inner) : undefined))
    : [];
  if (parts.length === 0) return { type: "step-start" };
  return parts === part.parts ? part : { ...part, parts };
}

function repairReplyPart(part: Fields, scope: CallScope): Fields | undefined {
  if (isCallPart(part)) return repairCall(part, scope);
  switch (part.type) {
    case "text":
      return repairText(part);
    case "reasoning":
      return repairReasoning(part);
    case "file":
      return repairFile(part) ?? missingFile(part);
    case "reasoning-file":
      return repairFile(part);
    case "custom":
      return typeof part.kind === "string" && part.kind.includes(".") ? withoutBadMetadata(part, "providerMetadata") : undefined;
    case "steering-message":
      return repairSteering(part);
    default:
      return part;
  }
}

/**
 * Drops each thought that leads nowhere. Providers refuse a reply that ends with one, and OpenAI refuses one without the
 * call that it led to; any other thought must stay exactly as it was.
 */
function dropLooseThoughts(parts: readonly (Fields | undefined)[], originals: readonly Fields[]): (Fields | undefined)[] {
  const kept = [...parts];
  let leadsToContent = false;
  for (let at = parts.length - 1; at >= 0; at--) {
    const original = originals[at]!;
    const kind = kindOf(original);
    if (kind === "boundary") leadsToContent = false;
    else if (kind === "thought" && !leadsToContent) kept[at] = undefined;
    else if (kind === "content" && parts[at]) leadsToContent = true;
    else if (isCallPart(original)) leadsToContent = false;
  }
  return kept;
}

/** The parts that can be looked at, without lone surrogates; the same array when that changes nothing. */
export function readParts(stored: unknown): readonly Fields[] {
  if (!Array.isArray(stored)) return [];
  return mapShared(stored as Fields[], (part) => {
    if (!isRecord(part) || typeof part.type !== "string") return undefined;
    return kindOf(part) === "passed over" ? part : wellFormed(part);
  });
}

/** The parts that are left; `before` itself when that is all of them, unchanged. */
function remaining(before: readonly Fields[], after: readonly (Fields | undefined)[]): readonly Fields[] {
  return after.every((part, at) => part === before[at]) ? before : after.filter((part) => part !== undefined);
}

/** The parts of a user's or system message; undefined when there is nothing in them for a model. */
export function repairUserParts(parts: readonly Fields[]): readonly Fields[] | undefined {
  const repaired = parts.map((part) => (kindOf(part) === "content" && !isCallPart(part) ? repairUserPart(part) : part));
  const hasContent = repaired.some((part) => part?.type === "text" || part?.type === "file");
  return hasContent ? remaining(parts, repaired) : undefined;
}

/**
 * The parts from the last step on that has something for a model in it: what an app writes after it is no step of the model.
 * None when a message of the user came after that step.
 */
export function lastStepParts<P extends { type?: unknown }>(parts: readonly P[]): P[] {
  const content = parts.findLastIndex(
    (part) => kindOf(part) === "content" || kindOf(part) === "thought" || part.type === "steering-message",
  );
  const start = parts.findLastIndex((part, at) => at <= content && kindOf(part) === "boundary") + 1;
  return parts.slice(start);
}

/**
 * The calls of a reply that are about to run: answered by a person, in its last step, of tools that are there, none with the
 * call id or approval id of another.
 */
export function pendingCalls(parts: readonly Fields[], hasTool: (name: string) => boolean): Set<Fields> {
  const ids = new Set<unknown>();
  const isFirst = (id: unknown): boolean => !ids.has(id) && !!ids.add(id);
  const isPending = (part: Fields): boolean =>
    isAnswered(part) && hasTool(nameOf(part)) && isFirst(`call ${callIdOf(part)}`) && isFirst(`approval ${approvalIdOf(part)}`);
  return new Set(lastStepParts(parts).filter(isPending));
}

/**
 * The parts of a reply; undefined when there is nothing in them for a model. `pending` are calls that stay as they are: they
 * run before the model is asked, and their outcome must find them under their own id and name.
 */
export function repairReplyParts(parts: readonly Fields[], scope: CallScope, pending: ReadonlySet<Fields>): readonly Fields[] | undefined {
  const repaired = parts.map((part) => (pending.has(part) ? repairPending(part) : repairReplyPart(part, scope)));
  const kept = dropLooseThoughts(repaired, parts);
  const hasContent = kept.some((part) => part && (kindOf(part) === "content" || part.type === "steering-message"));
  return hasContent ? remaining(parts, kept) : undefined;
}
