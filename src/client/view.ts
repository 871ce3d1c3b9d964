// What a page shows, derived from the replica, the outbox and the connection. Pure: no clock, no timer decides anything.
import type { ConnectionState } from "./connection-machine.ts";
import type { TurnFields, Unseen } from "./outbox.ts";
import type { createPacer } from "./pacing.ts";
import { countAbove, type Replica } from "./replica.ts";
import type { SessionView } from "../protocol/messages.ts";
import type { ChatMessage, ChatQueueItem, ChatSnapshot } from "./types.ts";

export interface ViewInput {
  threadId: string;
  replica: Replica;
  connection: ConnectionState;
  pace: ReturnType<typeof createPacer>;
  /** What is ours, and the replica does not show yet. */
  unseen: readonly Pick<Unseen, "request" | "createdAt" | "delivery" | "error">[];
}

/** The snapshot of `input`. Whatever equals its counterpart in `former` is that same object, up to the snapshot itself. */
export function deriveSnapshot(former: ChatSnapshot | undefined, { threadId, replica, connection, pace, unseen }: ViewInput): ChatSnapshot {
  const { session, live, ...shared } = replica;
  const { messages: stored, turn, principal } = shared;
  let messages: ChatMessage[] = [...stored];
  const queue: ChatQueueItem[] = [...replica.queue];
  const parts = live ? live.message.parts : [];
  const hasOutput = parts.length > (turn?.base ?? 0);
  if (turn) {
    // What it will replace comes back when it ends without output.
    messages.length = countAbove(messages, turn) ?? messages.length;
    if (parts.length) messages.push({ ...live!.message, parent: turn.parent });
  }
  messages = pace(messages, turn, connection);
  // Also one whose turn has ended, until all of it is on the screen: it has no date before that.
  const isStreaming = messages.some(({ id, createdAt }) => createdAt === undefined && (hasOutput || id !== turn?.messageId));

  // Our own stand where the server will put them: the next one to start at the end, what must wait for a turn in the queue.
  // One that failed stands at the end until it is sent again.
  // A paused thread takes messages and starts none: waiting for output would never end. A turn that waits gives way.
  let isBusy = turn?.state === "running" || queue.length > 0;
  let isPending = !!turn || (isBusy && session!.status === "active");
  let { state, title = null }: Partial<SessionView> = session ?? {};
  for (const { request, createdAt, delivery, error } of unseen) {
    if (request.type === "set") {
      const { field, value } = request;
      if (field === "title") title = value as string | null;
      else state = keep(former?.state as object | undefined, { ...(state as object), ...(value as object) });
      continue;
    }
    const { type: kind, id: turnId, messageId, newMessageId = messageId, parts } = request as TurnFields;
    const own = { turnId, author: principal?.id, createdAt, delivery, error };
    const hasFailed = delivery === "failed";
    if (isBusy && !hasFailed) queue.push({ kind, messageId: newMessageId, parts: parts ?? [], ...own });
    else {
      const about = hasFailed ? -1 : messages.findIndex(({ id }) => id === messageId);
      // The message that is edited goes, and what is below; one that is answered again stays.
      if (about >= 0) messages = messages.filter((message, i) => i < about + (parts ? 0 : 1) || message.delivery);
      if (parts) messages.push({ id: newMessageId, role: "user", parts, ...own });
    }
    if (!hasFailed) isBusy = isPending = true;
  }

  // Of the connection's end, else of the last turn when nothing follows it: that of the last message, or of another try at it.
  const last = stored.at(-1);
  const facts = last?.lastTurn ?? last?.facts;
  const other = stored.at(-2)?.lastTurn;
  const lastError = (other && facts && other.endedAt > facts.endedAt ? other : facts)?.error ?? null;
  const error = connection.kind === "stopped" ? connection.reason : isPending || isStreaming ? null : lastError;
  return keep(former, {
    ...shared,
    messages: keepEach(former?.messages, messages),
    status: error ? "error" : turn?.state === "waiting" ? "waiting" : isStreaming ? "streaming" : isPending ? "submitted" : "ready",
    error,
    connection,
    queue: keepEach(former?.queue, queue),
    turn: turn && keep(former?.turn, turn),
    state,
    isLoaded: !!session,
    thread: keep(former?.thread, { id: threadId, title, status: session?.status ?? "active" }),
  });
}

/** `old` when it has the same fields, each with the same value, else `next`. */
export function keep<Value extends object>(old: Value | null | undefined, next: Value): Value {
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
