// The last look at a transcript before a model gets it. Stored history is kept as it happened, and what happened is often
// what a provider refuses: a turn that was stopped in a call, an approval that nobody gave, a reply of another provider, a
// row of a later version. One such message would otherwise end every later turn of its thread with the same error.
import type { Message } from "../protocol/messages.ts";
import { CallIds } from "./call-ids.ts";
import { approvalIdOf, callIdOf, type CallScope } from "./repair-call.ts";
import { isRecord, type Fields } from "./repair-fields.ts";
import { pendingCalls, readParts, repairReplyParts, repairUserParts } from "./repair-parts.ts";
import { approveReruns } from "./rerun.ts";
import { mapShared } from "./well-formed.ts";

/** Settings of {@link repairTranscript}. */
export interface RepairOptions {
  /**
   * Whether answered calls in the last step of a reply that ends the transcript are to run now. They keep their ids; without
   * this their outcome is told to be unknown. @default true
   */
  runsAnswered?: boolean;
  /** Ids of calls in that step whose tool was started and cut off: they are to run again, as if they were answered. @default none */
  rerunCalls?: ReadonlySet<string>;
  /** Whether there is a tool of this name: a call of any other cannot run, so it gets an outcome. @default every name has one */
  hasTool?: (name: string) => boolean;
}

const NO_CALLS: ReadonlySet<string> = new Set();

/**
 * The transcript with nothing in it that a provider of models refuses, apart from the order of roles (see `shapePrompt`): every call has
 * one outcome, an id of its own, a usable name and an object as input; no text is empty; no file is out of reach; messages
 * without anything for a model are left out. Oldest first, in and out.
 *
 * Changes nothing in place. A message that needs no repair stays the same object, and so does the array when none does. Takes
 * whatever JSON was stored and never throws for its form; needs no definition of a tool.
 */
export function repairTranscript(
  messages: readonly Message[],
  { runsAnswered = true, rerunCalls = NO_CALLS, hasTool = () => true }: RepairOptions = {},
): Message[] {
  const scope: CallScope = { ids: new CallIds(), approvals: new Set() };
  const last = messages.at(-1);
  const readLast = isRecord(last) && last.role === "assistant" ? readParts(last.parts) : [];
  const lastParts = approveReruns(readLast, rerunCalls);
  const pending = runsAnswered ? pendingCalls(lastParts, hasTool) : new Set<Fields>();
  for (const call of pending) {
    scope.ids.reserve(callIdOf(call));
    scope.approvals.add(approvalIdOf(call));
  }
  let hasBegun = false;
  return mapShared(messages, (message) => {
    if (!isRecord(message)) return undefined;
    const parts = message === last && lastParts.length > 0 ? lastParts : readParts(message.parts);
    const repaired = repairMessage(message, parts, scope, pending, hasBegun);
    hasBegun ||= repaired !== undefined && repaired.role !== "system";
    return repaired;
  });
}

function repairMessage(
  message: Message,
  stored: readonly Fields[],
  scope: CallScope,
  pending: ReadonlySet<Fields>,
  hasBegun: boolean,
): Message | undefined {
  switch (message.role) {
    case "assistant":
      return withParts(message, repairReplyParts(stored, scope, pending));
    case "user":
      return withParts(message, repairUserParts(stored));
    case "system": {
      const texts = mapShared(stored, (part) => (part.type === "text" ? part : undefined));
      // Providers take instructions at the beginning only. Later ones stay readable, without their authority.
      return withParts(hasBegun ? { ...message, role: "user" } : message, repairUserParts(texts));
    }
    default:
      return undefined;
  }
}

function withParts(message: Message, parts: readonly Fields[] | undefined): Message | undefined {
  if (!parts) return undefined;
  return parts === (message.parts as unknown) ? message : { ...message, parts: parts as Message["parts"] };
}
