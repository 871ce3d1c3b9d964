// What the end of a turn consists of: its view, its facts and the chunks that close its message. Pure.
import { closingChunks } from "../protocol/close-open-parts.ts";
import type { Chunk, LiveState, TurnFacts, TurnView } from "../protocol/messages.ts";
import type { TurnRow } from "../storage/turn-table.ts";
import type { TurnEffect } from "../turn/machine.ts";
import type { Run } from "./run.ts";

export type Settle = Extract<TurnEffect, { type: "settle" }>;

/** The running turn as clients see it. */
export function viewOf(turn: TurnRow): TurnView {
  return {
    id: turn.id,
    kind: turn.kind,
    messageId: turn.id,
    parent: turn.messageId,
    base: turn.base,
    state: "running",
    attempt: turn.attempt,
  };
}

/** What is known of a turn that ends now. */
export function factsOf(turn: TurnRow, effect: Settle, now: number, run: Run | undefined): TurnFacts {
  return {
    outcome: effect.outcome,
    ...(effect.error ? { error: effect.error } : {}),
    ...(effect.finishReason !== undefined ? { finishReason: effect.finishReason } : {}),
    ...(run?.usage ? { usage: run.usage } : {}),
    startedAt: turn.startedAt ?? turn.createdAt,
    endedAt: now,
    attempts: turn.attempt,
  };
}

/** The last chunks of a turn: open parts end, open calls get an outcome, an interruption is said. */
export function closing(live: LiveState, { outcome, error, hasNotice }: Settle): readonly Chunk[] {
  const chunks = closingChunks(live, CALL_OUTCOME[outcome]);
  if (!hasNotice || !hasOutput(live)) return chunks;
  return [...chunks, { type: "data-notice", data: { kind: outcome, text: error?.message ?? "" } }];
}

const CALL_OUTCOME: Record<Settle["outcome"], string> = {
  completed: "The turn ended before this call was answered.",
  failed: "The turn failed before this call was answered.",
  stopped: "The turn was stopped before this call was answered.",
  interrupted: "Interrupted, outcome unknown.",
};

/** True when there is something to store: a reply of nothing but step marks is none. */
export function hasOutput(live: LiveState): boolean {
  return live.message.parts.some(
    (part) => part.type !== "step-start" && !((part.type === "text" || part.type === "reasoning") && part.text === ""),
  );
}
