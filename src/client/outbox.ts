// Requests on their way: each stays until it is answered, is written once per connection, and keeps its id, so that the
// server does it once. Holds no socket and no timer. Every promise that it gives out is kept or broken, never forgotten.
import type { ErrorBody } from "../errors.ts";
import type { CancelCommand, CommandResult, PageRead, SendCommand, StopCommand } from "../protocol/frames.ts";
import type { Message } from "../protocol/messages.ts";
import { toChatError } from "./errors.ts";
import type { Replica } from "./replica.ts";
import type { SendResult } from "./types.ts";

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
  /** Turn of a `send`, as far as we know. */
  turnId: string;
  /** Revision that a `sent` one is part of. */
  rev?: number;
  /** The connection that it was last written to. */
  writtenTo?: object;
  answer: Promise<SendResult>;
  resolve: (result: SendResult | Promise<never>) => void;
  /** Of a `send`: the reply, when the turn has ended. */
  settled: Promise<Message | null>;
  settle: (reply: Message | null | Promise<never>) => void;
}

/** A message of ours, as far as a page shows it. */
export type Unseen = OutboxEntry<SendCommand>;

export class Outbox {
  /** In the order in which they were made. */
  entries: OutboxEntry[] = [];
  /** The messages among them that the replica of the last `reconcile` did not show: never one that it showed. */
  unseen: Unseen[] = [];

  add(request: Request, createdAt: number): OutboxEntry {
    const entry = { request, createdAt, delivery: "sending", turnId: request.id } as OutboxEntry;
    entry.answer = new Promise((resolve) => (entry.resolve = resolve));
    entry.settled = new Promise((settle) => (entry.settle = settle));
    // Who awaits it sees the rejection; nobody has to.
    entry.settled.catch(() => {});
    this.entries.push(entry);
    return entry;
  }

  remove(entry: OutboxEntry): void {
    this.entries.splice(this.entries.indexOf(entry), 1);
  }

  /** Writes what this connection has not carried yet, in order. */
  flush(connection: object, write: (request: Request) => void): void {
    for (const entry of this.entries) {
      const { request, delivery, writtenTo } = entry;
      if (delivery !== "sending" || writtenTo === connection) continue;
      entry.writtenTo = connection;
      write(request);
    }
  }

  /** Takes the answer to a request: the ack of a command, or what a read asked for. */
  accept({ ref, rev, result }: { ref: string; rev?: number; result?: CommandResult }): void {
    for (const entry of this.entries) {
      if (entry.request.id !== ref || entry.delivery !== "sending") continue;
      const { turnId = ref, position = 0 } = result ?? {};
      Object.assign(entry, { delivery: "sent", rev, turnId });
      entry.resolve({ turnId, position });
    }
  }

  /** Breaks the promises of one request, or of all: there is no connection and will be none. */
  refuse(error: ErrorBody, ref?: string): void {
    for (const entry of this.entries) {
      if (ref && entry.request.id !== ref) continue;
      const broken = Promise.reject<never>(toChatError(error));
      broken.catch(() => {}); // It may find both promises kept already.
      entry.resolve(broken);
      entry.settle(broken);
      if (entry.delivery === "sending") Object.assign(entry, { delivery: "failed", error });
    }
  }

  /** Follows the replica: stamps commands with its epoch, keeps the promises that it has come to, lets go of what is over. */
  reconcile({ session, messages, queue, turn }: Replica): void {
    this.unseen = [];
    this.entries = this.entries.filter((entry) => {
      const { delivery, request, turnId, rev = Infinity } = entry;
      // The epoch in which it was made; before the first view none is known.
      if (request.type !== "page") request.epoch ??= session?.epoch;
      if (request.type !== "send") return delivery === "sending";
      const { messageId, epoch } = request;
      // At or past the ack, or in another history.
      const hasReached = delivery === "sent" && session && (session.rev >= rev || session.epoch !== epoch);
      const isShown = messages.some(({ id }) => id === messageId) || queue.some((item) => item.messageId === messageId);
      if (!isShown && !hasReached) this.unseen.push(entry as Unseen);
      if (delivery !== "sent") return delivery === "sending" || !isShown;
      if (!hasReached || turn?.id === turnId || queue.some((item) => item.turnId === turnId)) return true;
      entry.settle(messages.find(({ id }) => id === turnId) ?? null);
      return false;
    });
  }
}
