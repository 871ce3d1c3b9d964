// What a page shows, derived from the replica, the outbox and the connection. Pure: no clock, no timer decides anything.
import type { ConnectionState } from "./connection-machine.ts";
import type { Unseen } from "./outbox.ts";
import type { Replica } from "./replica.ts";
import type { ChatMessage, ChatQueueItem, ChatSnapshot } from "./types.ts";

export interface ViewInput {
  threadId: string;
  replica: Replica;
  connection: ConnectionState;
  /** Messages of ours that the replica does not show yet. */
  unseen: readonly Pick<Unseen, "request" | "createdAt" | "delivery" | "error">[];
}

/** The snapshot of `input`. Whatever equals its counterpart in `former` is that same object, up to the snapshot itself. */
export function deriveSnapshot(former: ChatSnapshot | undefined, { threadId, replica, connection, unseen }: ViewInput): ChatSnapshot {
  const { session, messages: stored, turn, live, principal, role, hasEarlier } = replica;
  const messages: ChatMessage[] = [...stored];
  const queue: ChatQueueItem[] = [...replica.queue];
  const hasOutput = !!live?.message.parts.length;
  if (hasOutput) {
    // Right under its parent; one whose parent is not held yet is the newest there is.
    const index = messages.findIndex(({ id }) => id === turn!.parent) + 1 || messages.length;
    messages.splice(index, 0, { ...live.message, parent: turn!.parent });
  }

  // Our own stand where the server will put them: the next one to start at the end, what must wait for a turn in the queue.
  // One that failed stands at the end until it is sent again.
  // A paused thread takes messages and starts none: waiting for output would never end.
  let isBusy = turn !== null || queue.length > 0;
  let isPending = turn !== null || (isBusy && session!.status === "active");
  for (const { request, createdAt, delivery, error } of unseen) {
    const { id: turnId, messageId, parts } = request;
    const own = { turnId, parts, author: principal?.id, createdAt, delivery, error };
    const hasFailed = delivery === "failed";
    if (isBusy && !hasFailed) queue.push({ messageId, ...own });
    else messages.push({ id: messageId, role: "user", ...own });
    if (!hasFailed) isBusy = isPending = true;
  }

  // Of the connection's end, else of the last turn when nothing follows it.
  const lastError = isPending ? null : (stored.at(-1)?.facts?.error ?? null);
  const error = connection.kind === "stopped" ? connection.reason : lastError;
  return keep(former, {
    messages: keepEach(former?.messages, messages),
    status: error ? "error" : hasOutput ? "streaming" : isPending ? "submitted" : "ready",
    error,
    connection,
    queue: keepEach(former?.queue, queue),
    thread: keep(former?.thread, { id: threadId, title: session?.title ?? null, status: session?.status ?? "active" }),
    principal,
    role,
    hasEarlier,
  });
}

/** `old` when it has the same fields, each with the same value, else `next`. */
function keep<Value extends object>(old: Value | undefined, next: Value): Value {
  const fields = Object.entries(next);
  return old && fields.length === Object.keys(old).length && fields.every(([key, value]) => old[key as keyof Value] === value) ? old : next;
}

/** The same for a list and for each of its entries. */
function keepEach<Value extends object>(olds: readonly Value[] | undefined, nexts: readonly Value[]): readonly Value[] {
  return keep(
    olds,
    nexts.map((next, i) => keep(olds?.[i], next)),
  );
}
