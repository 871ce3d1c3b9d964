// Requests on their way: each stays until it is answered, is written once per connection, and keeps its id, so that the
// server does it once. Holds no socket and no timer. Every promise that it gives out is kept or broken, never forgotten.
import type { ErrorBody } from "../errors.ts";
import { utf8Length } from "../protocol/bytes.ts";
import type { AppendCommand, Command, CommandResult, PageRead, PartRead, SetCommand } from "../protocol/frames.ts";
import type { Message, Part, TurnKind } from "../protocol/messages.ts";
import { MAX_FRAME_BYTES, MAX_PARTS } from "../protocol/limits.ts";
import { EXPIRED, NOT_OURS, toChatError, TOO_LARGE } from "./errors.ts";
import type { Replica } from "./replica.ts";
import type { Sending, SendResult } from "./types.ts";

/** Leaves room for the epoch and the revision, which a command may get later. */
const MAX_BYTES = MAX_FRAME_BYTES - 200;
/** The server knows the ids of commands for a day longer. */
export const MAX_AGE_MS = 6 * 86_400_000;

type WithoutEpoch<Of> = Of extends Command ? Omit<Of, "epoch"> & { epoch?: string } : Of;

/** A request as it is made: a command has its epoch at once when one is known, else from the first snapshot. Plain JSON. */
export type Request = WithoutEpoch<Exclude<Command, AppendCommand> | PageRead | PartRead>;
/** One that asks for a turn: it names a message. */
export type TurnRequest = Extract<Request, { messageId: string }>;
type SetRequest = WithoutEpoch<SetCommand> & { ifRev?: number | undefined };

/** The fields of a {@link TurnRequest}. `newMessageId`: of its own message, where `messageId` is that of another. */
export interface TurnFields {
  type: TurnKind;
  id: string;
  messageId: string;
  newMessageId?: string;
  /** Of its own message; absent when it has none. */
  parts?: Part[];
}

export interface OutboxEntry<Of extends Request = Request> {
  request: Of;
  /** Epoch ms at which it was first made. */
  createdAt: number;
  /** Principal id of who made it, as soon as that is known. */
  author?: string | undefined;
  /** `sent`: acked. What asks for a turn stays until that has ended. */
  delivery: "sending" | "sent" | "failed";
  error?: ErrorBody;
  /** Revision that a `sent` one is part of. */
  rev?: number;
  /** The connection that it was last written to. */
  writtenTo?: object | undefined;
  /** Of the ack; on it the promise of the reply, for what asks for a turn. */
  answer: Sending;
  resolve: (result: SendResult | Promise<never>) => void;
  /** Keeps the promise of the reply, when the turn has ended. */
  settle: (reply: Message | null | Promise<never>) => void;
}

/** What a page shows before its replica does: what asks for a turn, and what is to be set. */
export type Unseen = OutboxEntry<TurnRequest | SetRequest>;

export interface Outbox {
  /** What the replica of the last `reconcile` did not show: never a turn that it showed. In the order of making. */
  unseen: () => readonly Unseen[];
  /** What is refused already, or too large for the server to read, fails at once. */
  add: (request: Request, createdAt: number, refusal?: ErrorBody) => OutboxEntry;
  remove: (entry: OutboxEntry) => void;
  /** Writes what this connection has not carried yet, in order; of what sets one field only the first, so that the last one stands. */
  flush: (connection: object, write: (request: Request) => void) => void;
  /** Takes the answer to a request: the ack of a command, or what a read asked for. */
  accept: (answer: { ref: string; rev?: number; result?: CommandResult; part?: Part }) => void;
  /**
   * Breaks the promises of one request, or of all: there is no connection and will be none. One that only came too fast, and asks for no turn, is
   * written again by the next `flush`.
   */
  refuse: (error: ErrorBody, ref?: string) => void;
  /**
   * Follows the replica: stamps commands with its epoch and principal, keeps the promises that it has come to, lets go of what is
   * over, fails what is too old (`now`: epoch ms) or another principal's.
   */
  reconcile: (replica: Replica, now: number) => void;
}

/** Why the server would refuse a request without reading it, so that it could not even say which one it refused. */
function refusalOf(request: Request): ErrorBody | undefined {
  const { parts = [] } = request as Partial<TurnFields>;
  const isTooLarge = parts.length > MAX_PARTS || utf8Length(JSON.stringify(request)) > MAX_BYTES;
  return isTooLarge ? TOO_LARGE : undefined;
}

function fail(entry: OutboxEntry, error: ErrorBody): void {
  const broken = Promise.reject<never>(toChatError(error));
  broken.catch(() => {}); // It may find both promises kept already.
  entry.resolve(broken);
  entry.settle(broken);
  // Its message says so. Not when the message of that id is another one.
  if ((entry.request as TurnFields).parts && error.code !== "id_reused") entry.answer.catch(() => {});
  if (entry.delivery !== "sending") return;
  entry.delivery = "failed";
  entry.error = error;
}

/** Notes who made an entry and in which history, as far as that is known, and fails what may not be sent any more. */
function stamp(entry: OutboxEntry, { session, principal }: Replica, now: number): void {
  const { request, createdAt, delivery } = entry;
  const author = (entry.author ??= principal?.id);
  if (request.type !== "page") request.epoch ??= session?.epoch;
  if (delivery !== "sending") return;
  if (principal && principal.id !== author) fail(entry, NOT_OURS);
  if (now - createdAt > MAX_AGE_MS) fail(entry, EXPIRED);
}

/** Whether an entry is still needed. Keeps its promise when its turn has ended; `show` is given what the replica does not show. */
function follow(entry: OutboxEntry, { session, messages, queue, turn }: Replica, show: (entry: Unseen) => void): boolean {
  const { request, delivery, rev = 0 } = entry;
  const { type, id: turnId, messageId, newMessageId = messageId, parts, epoch } = request as TurnFields & { epoch?: string };
  // At or past the ack, or in another history.
  const hasReached = delivery === "sent" && session && (session.rev >= rev || session.epoch !== epoch);
  const isUnderWay = turn?.id === turnId || queue.some((item) => item.turnId === turnId);
  // By its own message, or by the reply to one that was there.
  const isShown = isUnderWay || messages.some(({ id }) => id === (parts ? newMessageId : turnId));
  const isOver = delivery === "failed" ? isShown || !parts || !messageId : hasReached;
  if (!isShown && !isOver && (messageId || request.type === "set")) show(entry as Unseen);
  if (!isOver || isUnderWay) return true;
  entry.settle(messages.find(({ id }) => id === (type === "continue" ? messageId : turnId)) ?? null);
  return false;
}

/** An empty outbox. */
export function createOutbox(newId: () => string): Outbox {
  let entries: OutboxEntry[] = [];
  let unseen: Unseen[] = [];

  return {
    unseen: () => unseen,

    add: (request, createdAt, refusal = refusalOf(request)) => {
      const entry = { request, createdAt, delivery: "sending" } as OutboxEntry;
      const answer = new Promise<SendResult>((resolve) => (entry.resolve = resolve));
      const settled = new Promise<Message | null>((settle) => (entry.settle = settle));
      // Who awaits it sees the rejection; nobody has to.
      settled.catch(() => {});
      const { id: turnId, messageId, newMessageId = messageId } = request as TurnFields;
      entry.answer = Object.assign(answer, { settled, turnId, messageId: newMessageId });
      entries.push(entry);
      if (refusal) fail(entry, refusal);
      return entry;
    },

    remove: (entry) => {
      entries = entries.filter((other) => other !== entry);
    },

    flush: (connection, write) => {
      const fields = new Set<unknown>();
      for (const entry of entries) {
        const { request, delivery, writtenTo } = entry;
        const { field = entry } = request as { field?: unknown };
        if (delivery !== "sending" || fields.has(field)) continue;
        fields.add(field);
        if (writtenTo === connection) continue;
        // What a connection has claimed is free when it is gone: to hear of that claim again would mean nothing.
        if (request.type === "claim" && writtenTo) request.id = newId();
        entry.writtenTo = connection;
        write(request);
      }
    },

    accept: ({ ref, rev, result, part }) => {
      const entry = entries.find(({ request }) => request.id === ref);
      if (entry?.delivery !== "sending") return;
      Object.assign(entry, { delivery: "sent", rev });
      entry.resolve((result ?? { part }) as SendResult);
    },

    refuse: (error, ref) => {
      for (const entry of entries) {
        const { request } = entry;
        if (ref && request.id !== ref) continue;
        // Messages keep their order: one that came behind it may have been taken.
        if (error.code === "rate_limited" && !("messageId" in request)) entry.writtenTo = undefined;
        else fail(entry, error);
      }
    },

    reconcile: (replica, now) => {
      unseen = [];
      entries = entries.filter((entry) => {
        stamp(entry, replica, now);
        return follow(entry, replica, (each) => unseen.push(each));
      });
    },
  };
}
