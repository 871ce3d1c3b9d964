// The line of accepted turns: what may join it, and how clients see it. Pure, but for the ids it looks up.
import { ChatError } from "../errors.ts";
import type { SendCommand } from "../protocol/frames.ts";
import type { QueueItem } from "../protocol/messages.ts";
import type { Tables } from "../storage/tables.ts";
import type { TurnRow } from "../storage/turn-table.ts";

/** The turns that have not started, as clients see them. */
export function queueItems(line: readonly TurnRow[]): QueueItem[] {
  return line
    .filter(({ state }) => state === "queued")
    .map((turn) => ({
      turnId: turn.id,
      messageId: turn.messageId,
      parts: turn.input.parts,
      author: turn.principal.id,
      createdAt: turn.createdAt,
    }));
}

/** Characters of the waiting messages as JSON. */
export function queueLength(line: readonly Pick<TurnRow, "state" | "input">[]): number {
  return line.reduce((sum, { state, input }) => (state === "queued" ? sum + JSON.stringify(input).length : sum), 0);
}

/**
 * The session takes an id once: for a message, for a turn and its reply, or for a command.
 * @throws {ChatError} `id_reused`
 */
export function refuseKnownIds({ messages, commands }: Tables, { id, messageId }: SendCommand, line: readonly TurnRow[]): void {
  const isTaken =
    id === messageId ||
    messages.has(id) ||
    messages.has(messageId) ||
    commands.find(messageId) !== undefined ||
    line.some((turn) => turn.messageId === messageId || turn.messageId === id);
  if (isTaken) throw new ChatError("id_reused", "A message with this id exists already. Use new ids for a new message.");
}
