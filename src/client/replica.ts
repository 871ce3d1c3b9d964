// The client's copy of the server's view, and how each frame changes it. Pure: it only ever becomes what the server said,
// in revision order; where a frame does not follow on what is held, it says so and changes nothing.
import { formatCursor } from "../protocol/cursor.ts";
import { emptyLive, foldChunks } from "../protocol/fold.ts";
import type { DeltaFrame, Role, ServerFrame, SnapshotFrame, TurnFrame, WelcomeFrame } from "../protocol/frames.ts";
import type { LiveState, Message, QueueItem, SessionView, TurnView } from "../protocol/messages.ts";

export interface Replica {
  /** Null before the first snapshot. */
  readonly session: SessionView | null;
  readonly messages: readonly Message[];
  readonly hasEarlier: boolean;
  readonly queue: QueueItem[];
  readonly turn: TurnView | null;
  /** The live message; null exactly when `turn` is. */
  readonly live: LiveState | null;
  readonly principal: WelcomeFrame["principal"] | null;
  readonly role: Role | null;
}

export const EMPTY_REPLICA: Replica = {
  session: null,
  messages: [],
  hasEarlier: false,
  queue: [],
  turn: null,
  live: null,
  principal: null,
  role: null,
};

/** What this replica holds, for the server to send the rest. Empty before the first snapshot. */
export function cursorOf({ session, turn, live }: Replica): string {
  return session ? formatCursor({ ...session, live: live && { ...live, turnId: turn!.id } }) : "";
}

/**
 * The replica after `frame`; the same object for one that says nothing new, and what did not change keeps its identity.
 * Null when something is missing between the two: the client must ask for a sync.
 * @throws for a frame of a type that this release does not know, or of another shape than its type
 */
export function applyFrame(replica: Replica, frame: ServerFrame): Replica | null {
  const { messages, turn, live } = replica;
  switch (frame.type) {
    case "welcome":
      return { ...replica, principal: frame.principal, role: frame.role };
    case "snapshot":
      return applySnapshot(replica, frame);
    case "delta":
    case "turn":
      return applyRevision(replica, frame);
    case "chunks": {
      if (!live || turn?.id !== frame.turnId) return replica;
      const held = live.seq + 1 - frame.from;
      if (held < 0) return null;
      return held < frame.items.length ? { ...replica, live: foldChunks(live, frame.items.slice(held)) } : replica;
    }
    case "page":
      if ("part" in frame) return replica;
      // A page that does not end right above what is held answers a question from before a snapshot.
      if (frame.messages.at(-1)?.id !== messages[0]?.parent) return replica;
      return { ...replica, messages: [...frame.messages, ...messages], hasEarlier: frame.hasEarlier };
    case "ack":
    case "error":
    case "event":
    case "mark":
      return replica;
    default:
      throw new Error(`Unknown type ${(frame as { type: string }).type}`);
  }
}

function applySnapshot(replica: Replica, { session, messages: page, hasEarlier, queue, turn, live }: SnapshotFrame): Replica {
  // Pages that were loaded above a message that both share are still right when nothing else can have changed them.
  const isNext = session.epoch === replica.session?.epoch && session.rev - replica.session.rev < 2;
  const above = isNext ? indexOf(replica.messages, page[0]?.id) : 0;
  const messages = [...replica.messages.slice(0, Math.max(above, 0)), ...page.map((message) => reuse(replica, message))];
  return {
    ...replica,
    session,
    messages,
    hasEarlier: above > 0 ? replica.hasEarlier : hasEarlier,
    queue,
    turn,
    live: turn && (live ?? begun(turn, messages)),
  };
}

function applyRevision(replica: Replica, frame: DeltaFrame | TurnFrame): Replica | null {
  const { session } = replica;
  const { from, to: rev, turn } = frame;
  if (from !== session?.rev) return session && rev <= session.rev ? replica : null;
  const isEnd = frame.type === "turn";
  const messages = isEnd ? withEnd(replica, frame) : withChanges(replica, frame.messages);
  if (!messages) return null;
  const { session: changes, queue = replica.queue, live } = frame as Partial<DeltaFrame>;
  // A live message whose turn is not the server's is dropped.
  const held = turn?.id === replica.turn?.id ? replica.live : null;
  return {
    ...replica,
    session: { ...session, ...changes, rev },
    messages,
    queue,
    turn,
    live: turn && (live ?? held ?? begun(turn, messages)),
  };
}

/**
 * The live message of `turn` before its first chunk: a reply goes on from what it was. Of one that is not held we are behind,
 * so that whatever comes of it asks for a sync.
 */
function begun({ messageId, base }: TurnView, messages: readonly Message[]): LiveState {
  const live = emptyLive(messageId);
  const target = messages[indexOf(messages, messageId)];
  if (target) {
    live.message.parts = target.parts.slice(0, base);
    if (target.metadata !== undefined) live.message.metadata = target.metadata;
  } else if (base) live.seq = -1;
  return live;
}

/**
 * How many of `messages` stand above the live message of `turn`, which takes the place of the others; undefined for one of
 * another branch, or above what is held.
 */
export function countAbove(messages: readonly Pick<Message, "id">[], { messageId, parent }: TurnView): number | undefined {
  const target = indexOf(messages, messageId);
  return target < 0 ? indexOf(messages, parent) + 1 || undefined : target;
}

function withChanges(replica: Replica, changed?: Message[]): readonly Message[] {
  if (!changed) return replica.messages;
  const all = [...replica.messages];
  for (const message of changed) {
    const index = indexOf(all, message.id);
    if (index >= 0) all[index] = message;
    // One that is neither held nor next is a change in a page that was not loaded.
    else if (message.parent === (all.at(-1)?.id ?? null)) all.push(message);
  }
  return all;
}

function withEnd({ messages, turn, live }: Replica, { ended }: TurnFrame): readonly Message[] | null {
  const { messageId, createdAt, facts } = ended;
  if (createdAt === undefined) {
    return messages.map((message) =>
      message.id === messageId ? { ...message, [ended.isLastTurn ? "lastTurn" : "facts"]: facts } : message,
    );
  }
  if (turn?.id !== ended.turnId || live!.seq !== ended.seq) return null;
  const above = countAbove(messages, turn);
  if (above === undefined) return null;
  // What the server stored is this fold and these facts: field for field, and in the same order, what a fresh load gives.
  const { id, ...rest } = live!.message;
  return [...messages.slice(0, above), { id, parent: turn.parent, ...rest, createdAt, facts }];
}

function indexOf(messages: readonly Pick<Message, "id">[], id: string | null | undefined): number {
  return messages.findIndex((message) => message.id === id);
}

/** The held object when it is equal, so that a page does not draw it again. */
function reuse({ messages }: Replica, message: Message): Message {
  const held = messages[indexOf(messages, message.id)];
  return held && JSON.stringify(held) === JSON.stringify(message) ? held : message;
}
