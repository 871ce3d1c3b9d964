// What a stored turn is to clients, and which message it works on. Pure.
import type { LiveMessage, Message, TurnView } from "../protocol/messages.ts";
import type { TurnRow } from "../storage/turn-table.ts";

/** Id of the live message: that of the turn, except for a reply that goes on. */
export function liveIdOf({ id, kind, input }: TurnRow): string {
  return kind === "continue" && input.target !== undefined ? input.target : id;
}

/** The running or waiting turn as clients see it. */
export function viewOf(turn: TurnRow): TurnView {
  const { resume, claims } = turn.progress;
  return {
    id: turn.id,
    kind: turn.kind === "append" ? "send" : turn.kind,
    messageId: liveIdOf(turn),
    parent: turn.messageId,
    base: turn.base,
    state: turn.state === "waiting" ? "waiting" : "running",
    attempt: turn.attempt,
    ...(resume ? { resume } : {}),
    ...(claims && Object.keys(claims).length > 0 ? { claims } : {}),
  };
}

/** The live message before the first chunk of a turn. `target`: the stored reply that goes on, for `continue`. */
export function baseMessage(turn: TurnRow, target: Message | undefined): LiveMessage {
  const { parts = [], metadata } = target ?? {};
  return { id: liveIdOf(turn), role: "assistant", parts: parts.slice(0, turn.base), ...(metadata !== undefined ? { metadata } : {}) };
}

/** How many parts of a reply stay when it goes on: all before its notice. */
export function baseLength({ parts }: Message): number {
  const notice = parts.at(-1)?.type === "data-notice" ? 1 : 0;
  return parts.length - notice;
}
