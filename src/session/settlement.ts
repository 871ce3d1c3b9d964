// The end of a turn: its facts, the chunks that close its message, and where in history its outcome goes.
import { closingChunks } from "../protocol/close-open-parts.ts";
import type { TurnEnd } from "../protocol/frames.ts";
import type { Chunk, LiveState, Message, TurnFacts, Usage } from "../protocol/messages.ts";
import { UNKNOWN_OUTCOME } from "../protocol/tool-part.ts";
import type { Tables } from "../storage/tables.ts";
import type { TurnRow } from "../storage/turn-table.ts";
import type { TurnEffect } from "../turn/machine.ts";
import type { Commit } from "./commit.ts";
import { isSameJson } from "./same-json.ts";
import { liveIdOf } from "./turn-view.ts";

export type Settle = Extract<TurnEffect, { type: "settle" }>;

/** What is known of a turn that ends now. `usage`: of its last run. */
export function factsOf(turn: TurnRow, effect: Settle, now: number, usage: Usage | undefined): TurnFacts {
  const total = addUsage(turn.progress.usage, usage);
  return {
    outcome: effect.outcome,
    ...(effect.error ? { error: effect.error } : {}),
    ...(effect.finishReason !== undefined ? { finishReason: effect.finishReason } : {}),
    ...(total ? { usage: total } : {}),
    startedAt: turn.startedAt ?? turn.createdAt,
    endedAt: now,
    attempts: turn.attempt,
  };
}

/** The sum of two counts, field by field. */
export function addUsage(a: Usage | undefined, b: Usage | undefined): Usage | undefined {
  if (!a || !b) return a ?? b;
  const sum = { ...a };
  for (const [key, value] of Object.entries(b) as [keyof Usage, number][]) sum[key] = (sum[key] ?? 0) + value;
  return sum;
}

/** The last chunks of a turn: open parts end, open calls get an outcome, in a message with output an interruption is said. */
export function closing(live: LiveState, { outcome, error, hasNotice }: Settle, isKept: boolean): readonly Chunk[] {
  const chunks = closingChunks(live, CALL_OUTCOME[outcome]);
  if (!hasNotice || !isKept) return chunks;
  return [...chunks, { type: "data-notice", data: { kind: outcome, text: error?.message ?? "" } }];
}

const CALL_OUTCOME: Record<Settle["outcome"], string> = {
  completed: "The turn ended before this call was answered.",
  failed: "The turn failed before this call was answered.",
  stopped: "The turn was stopped before this call was answered.",
  interrupted: UNKNOWN_OUTCOME,
};

/** True when a live message has something in it beyond its first `base` parts: nothing but step marks is nothing. */
export function hasContent({ message }: LiveState, base = 0): boolean {
  return message.parts
    .slice(base)
    .some((part) => part.type !== "step-start" && !((part.type === "text" || part.type === "reasoning") && part.text === ""));
}

/**
 * True when a turn has something to store. `target`: the stored reply that it goes on with, in which it may have changed a part.
 * Metadata alone is nothing: every run may begin with some.
 */
export function hasOutput(live: LiveState, { base }: TurnRow, target: Message | undefined): boolean {
  return hasContent(live, base) || (!!target && !isSameJson(live.message.parts.slice(0, base), target.parts.slice(0, base)));
}

/**
 * Stores how a turn ended, at a new revision: with output its reply (for `continue`, the `target` that went on), without it the
 * facts on the message that the turn was about.
 */
export function storeEnd(
  commit: Commit,
  { messages }: Tables,
  { turn, target }: { turn: TurnRow; target: Message | undefined },
  live: LiveState,
  facts: TurnFacts,
): TurnEnd {
  const { session } = commit;
  const rev = commit.nextRev();
  const end = { turnId: turn.id, seq: live.seq, facts };
  if (!hasOutput(live, turn, target)) {
    if (turn.kind === "send" || turn.kind === "edit") {
      messages.setFacts(turn.messageId, facts, rev);
      return { ...end, messageId: turn.messageId };
    }
    const messageId = turn.kind === "continue" ? liveIdOf(turn) : turn.messageId;
    messages.setLastTurn(messageId, facts, rev);
    return { ...end, messageId, isLastTurn: true };
  }
  const id = liveIdOf(turn);
  const { parts, metadata } = live.message;
  const body = { id, parts, ...(metadata !== undefined ? { metadata } : {}), facts };
  if (turn.kind === "continue") {
    messages.replace(rev, body);
    return { ...end, messageId: id, createdAt: target?.createdAt ?? facts.endedAt };
  }
  const reply: Message = { ...body, parent: turn.messageId, role: "assistant", createdAt: facts.endedAt };
  messages.insert(rev, reply);
  // Another reply to a message that has one begins another branch.
  commit.change({ head: id, ...(session.head !== turn.messageId ? { headRev: rev } : {}) });
  return { ...end, messageId: id, createdAt: facts.endedAt };
}
