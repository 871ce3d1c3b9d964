// The line of accepted turns: what may join it, and how clients see it.
import { ChatError } from "../errors.ts";
import type { AppendCommand, ContinueCommand, EditMessageCommand, RegenerateCommand, SendCommand } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Message, QueueItem } from "../protocol/messages.ts";
import { isUnreadable } from "../storage/message-table.ts";
import type { Tables } from "../storage/tables.ts";
import type { TurnInput, TurnRow, TurnRowKind } from "../storage/turn-table.ts";

/** A command that asks for a turn, or for a place in line. */
export type TurnCommand = SendCommand | EditMessageCommand | RegenerateCommand | ContinueCommand | AppendCommand;

/** What a turn is about, once its command has been checked against history. */
export interface Asked {
  kind: TurnRowKind;
  messageId: string;
  input: TurnInput;
}

/** The turns that have not started, as clients see them. */
export function queueItems(line: readonly TurnRow[]): QueueItem[] {
  return line.flatMap(({ id, kind, state, messageId, input, principal, createdAt }) => {
    // What the server itself will append is no turn that a person waits for.
    if (state !== "queued" || kind === "append") return [];
    const about = kind === "continue" && input.target !== undefined ? input.target : messageId;
    return { turnId: id, kind, messageId: about, parts: input.parts, author: principal.id, createdAt };
  });
}

/**
 * @param line with the turn that wants to join, or as it will be
 * @throws {ChatError} `queue_full` when the messages that wait are too long together
 */
export function refuseLongLine(line: readonly Pick<TurnRow, "state" | "input">[]): void {
  // Without the app state: the app bounds that, and it is not sent with the queue.
  const lengthOf = ({ state: _state, ...said }: TurnInput) => JSON.stringify(said).length;
  const length = line.reduce((sum, { state, input }) => (state === "queued" ? sum + lengthOf(input) : sum), 0);
  if (length > LIMITS.maxQueueLength) {
    throw new ChatError("queue_full", "The messages that wait for their turn are too long together. Wait for the next answer.");
  }
}

/**
 * Checks that what a command is about is there, and that its ids are new.
 * @param head of the active branch
 * @throws {ChatError} `id_reused`, `not_found`, `bad_request`, `head_moved`
 */
export function askedOf(command: TurnCommand, tables: Tables, line: readonly TurnRow[], head: string | null): Asked {
  switch (command.type) {
    case "send":
      refuseKnownIds(tables, command.id, command.messageId, line);
      return { kind: "send", messageId: command.messageId, input: { parts: command.parts } };
    case "edit": {
      refuseKnownIds(tables, command.id, command.newMessageId, line);
      userMessage(tables, command.messageId);
      return { kind: "edit", messageId: command.newMessageId, input: { parts: command.parts, target: command.messageId } };
    }
    case "regenerate": {
      refuseKnownIds(tables, command.id, null, line);
      userMessage(tables, command.messageId);
      return { kind: "regenerate", messageId: command.messageId, input: { parts: [] } };
    }
    case "continue": {
      refuseKnownIds(tables, command.id, null, line);
      const reply = continuable(tables, command.messageId);
      if (head !== command.messageId) throw headMoved();
      if (line.some(({ kind, input }) => kind === "continue" && input.target === command.messageId)) {
        throw new ChatError("turn_active", "This reply goes on already.");
      }
      return { kind: "continue", messageId: reply.parent, input: { parts: [], target: command.messageId } };
    }
    case "append": {
      refuseKnownIds(tables, command.id, null, line);
      const { id, parts, metadata } = command;
      return { kind: "append", messageId: id, input: { parts, ...(metadata !== undefined ? { metadata } : {}) } };
    }
  }
}

/** The refusal of a `continue` whose reply is not the last message any more. */
export function headMoved(): ChatError {
  return new ChatError("head_moved", "Another message follows this reply: it can not go on. Ask again instead.");
}

function userMessage({ messages }: Tables, id: string): Message {
  const message = messages.find(id);
  if (!message) throw new ChatError("not_found", "There is no message with this id.");
  if (message.role !== "user") throw new ChatError("bad_request", "Name a message of a user: only these are edited or answered again.");
  return message;
}

function continuable({ messages }: Tables, id: string): Message & { parent: string } {
  const { parent = null, ...message } = messages.find(id) ?? {};
  if (!("id" in message)) throw new ChatError("not_found", "There is no message with this id.");
  const { facts, role } = message as Message;
  // One that a newer version has written would be written over.
  if (role !== "assistant" || parent === null || !facts || facts.outcome === "completed" || isUnreadable(message as Message)) {
    throw new ChatError("bad_request", "Only a reply that was stopped, was interrupted or failed can go on.");
  }
  return { ...(message as Message), parent };
}

/** The session takes an id once: for a message, for a turn and its reply, or for a command. */
function refuseKnownIds({ messages, commands }: Tables, id: string, messageId: string | null, line: readonly TurnRow[]): void {
  const isTaken = (name: string) => messages.has(name) || line.some((turn) => turn.messageId === name);
  const isReused =
    isTaken(id) || (messageId !== null && (messageId === id || isTaken(messageId) || commands.find(messageId) !== undefined));
  if (isReused) throw new ChatError("id_reused", "A message with this id exists already. Use new ids for a new message.");
}
