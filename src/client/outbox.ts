// Requests on their way: each stays until it is answered, is written once per connection, and keeps its id, so that the
// server does it once. Holds no socket and no timer. Every promise that it gives out is kept or broken, never forgotten.
import type { ErrorBody } from "../errors.ts";
import type { CancelCommand, CommandResult, PageRead, SendCommand, StopCommand } from "../protocol/frames.ts";
import type { Message } from "../protocol/messages.ts";
import { MAX_FRAME_BYTES, MAX_PARTS } from "../protocol/limits.ts";
import { toChatError, TOO_LARGE } from "./errors.ts";
import type { Replica } from "./replica.ts";
import type { Sending, SendResult } from "./types.ts";

/** Room for the epoch, which a command may get later. */
const EPOCH_BYTES = 100;

type WithoutEpoch<Command> = Omit<Command, "epoch"> & { epoch?: string };

/** A request as it is made: a command has its epoch at once when one is known, else from the first snapshot. */
export type Request = SendCommand | WithoutEpoch<StopCommand> | WithoutEpoch<CancelCommand> | PageRead;

export interface OutboxEntry<Of extends Request = Request> {
  request: Of;
  /** Epoch ms at which it was first made. */
  createdAt: number;
  /** `sent`: acked. Only a `send` stays after its answer. */
  delivery: "sending" | "sent" | "failed";
  error?: ErrorBody;
  /** Revision that a `sent` one is part of. */
  rev?: number;
  /** The connection that it was last written to. */
  writtenTo?: object;
  /** Of the ack; on it the promise of the reply, for a `send`. */
  answer: Sending;
  resolve: (result: SendResult | Promise<never>) => void;
  /** Keeps the promise of the reply, when the turn has ended. */
  settle: (reply: Message | null | Promise<never>) => void;
}

/** A message of ours, as far as a page shows it. */
export type Unseen = OutboxEntry<SendCommand>;

export interface Outbox {
  /** Messages that the replica of the last `reconcile` did not show: never one that it showed. In the order of making. */
  unseen: () => readonly Unseen[];
  /** What is refused already, or too large for the server to read, fails at once. */
  add: (request: Request, createdAt: number, refusal?: ErrorBody) => OutboxEntry;
  remove: (entry: OutboxEntry) => void;
  /** Writes what this connection has not carried yet, in order. */
  flush: (connection: object, write: (request: Request) => void) => void;
  /** Takes the answer to a request: the ack of a command, or what a read asked for. */
  accept: (answer: { ref: string; rev?: number; result?: CommandResult }) => void;
  /** Breaks the promises of one request, or of all: there is no connection and will be none. */
  refuse: (error: ErrorBody, ref?: string) => void;
  /** Follows the replica: stamps commands with its epoch, keeps the promises that it has come to, lets go of what is over. */
  reconcile: (replica: Replica) => void;
}

/** Why the server would refuse a request without reading it, so that it could not even say which one it refused. */
function refusalOf(request: Request): ErrorBody | undefined {
  const { parts = [] } = request as Partial<SendCommand>;
  const bytes = new TextEncoder().encode(JSON.stringify(request)).length;
  return parts.length > MAX_PARTS || bytes > MAX_FRAME_BYTES - EPOCH_BYTES ? TOO_LARGE : undefined;
}

function fail(entry: OutboxEntry, error: ErrorBody): void {
  const broken = Promise.reject<never>(toChatError(error));
  broken.catch(() => {}); // It may find both promises kept already.
  entry.resolve(broken);
  entry.settle(broken);
  if (entry.delivery !== "sending") return;
  entry.delivery = "failed";
  entry.error = error;
}

/** An empty outbox. */
export function createOutbox(): Outbox {
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
      entry.answer = Object.assign(answer, { settled });
      entries.push(entry);
      if (refusal) fail(entry, refusal);
      return entry;
    },

    remove: (entry) => {
      entries = entries.filter((other) => other !== entry);
    },

    flush: (connection, write) => {
      for (const entry of entries) {
        if (entry.delivery !== "sending" || entry.writtenTo === connection) continue;
        entry.writtenTo = connection;
        write(entry.request);
      }
    },

    accept: ({ ref, rev, result }) => {
      const entry = entries.find(({ request }) => request.id === ref);
      if (entry?.delivery !== "sending") return;
      entry.delivery = "sent";
      entry.rev = rev;
      entry.resolve({ turnId: ref, position: 0, ...result });
    },

    refuse: (error, ref) => {
      for (const entry of entries) if (!ref || entry.request.id === ref) fail(entry, error);
    },

    reconcile: ({ session, messages, queue, turn }) => {
      unseen = [];
      entries = entries.filter((entry) => {
        const { delivery, request, rev = Infinity } = entry;
        // The epoch in which it was made; before the first view none is known.
        if (request.type !== "page") request.epoch ??= session?.epoch;
        if (request.type !== "send") return delivery === "sending";
        const { id: turnId, messageId, epoch } = request;
        // At or past the ack, or in another history.
        const hasReached = delivery === "sent" && session && (session.rev >= rev || session.epoch !== epoch);
        const isQueued = queue.some((item) => item.turnId === turnId);
        const isShown = isQueued || messages.some(({ id }) => id === messageId);
        if (!isShown && !hasReached) unseen.push(entry as Unseen);
        if (delivery === "failed") return !isShown;
        if (!hasReached || turn?.id === turnId || isQueued) return true;
        entry.settle(messages.find(({ id }) => id === turnId) ?? null);
        return false;
      });
    },
  };
}
