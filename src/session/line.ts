// The line of turns: takes them in, in the order of acceptance, and lets the first one start. What a turn brings enters
// history when it starts, so the model always sees one question and one answer after the other.
import { isSystem } from "../auth/rpc.ts";
import type { Principal } from "../protocol/principal.ts";
import { ChatError } from "../errors.ts";
import type { CommandResult, EditQueuedCommand } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Message, QueueItem } from "../protocol/messages.ts";
import type { Tables } from "../storage/tables.ts";
import type { TurnRow } from "../storage/turn-table.ts";
import type { TurnEvent } from "../turn/machine.ts";
import type { Commit } from "./commit.ts";
import type { Deps } from "./deps.ts";
import { askedOf, headMoved, queueItems, refuseLongLine, type TurnCommand } from "./queue.ts";
import { snapshotOf, type SyncSource } from "./sync.ts";
import { baseLength, viewOf } from "./turn-view.ts";

/** The lease: an alarm this far ahead finds a turn whose process died. It must fire, not be pushed ahead, to keep an object alive. */
export const LEASE_MS = 30_000;

/** What becomes of a message that comes while a turn runs. */
export type BusyPolicy = "queue" | "reject";

export interface LinePorts {
  tables: Tables;
  deps: Deps;
  busy: BusyPolicy;
  /** What happens to a turn of the line, in this commit. */
  apply(commit: Commit, turn: TurnRow, event: TurnEvent): void;
  /** Calls `onTurn`, after the commit. */
  launch(turn: TurnRow): void;
  stateOf: SyncSource["stateOf"];
}

export class Line {
  readonly #ports: LinePorts;

  constructor(ports: LinePorts) {
    this.#ports = ports;
  }

  /** The turns that have not started, as clients see them. */
  items(): QueueItem[] {
    return queueItems(this.#ports.tables.turns.list());
  }

  /**
   * Takes a turn in: starts it when nothing runs, else puts it at the end of the line. One that comes while a turn waits for a
   * person ends that turn.
   * @param given what the app's schemas made of the command, and the app state of this moment
   * @throws {ChatError} `queue_full`, `turn_active`, and those of `askedOf`
   */
  accept(commit: Commit, principal: Principal, command: TurnCommand, given: { body?: unknown; state?: unknown }): CommandResult {
    const { tables, deps, busy } = this.#ports;
    const line = tables.turns.list();
    const isAppend = command.type === "append";
    // What goes on in a reply says nothing new: it waits for the answer like everything that is in line.
    const isNew = command.type !== "append" && command.type !== "continue";
    const waiting = isNew && line[0]?.state === "waiting" ? line[0] : null;
    if (busy === "reject" && line.length > 0 && !waiting && !isAppend) {
      throw new ChatError("turn_active", "This thread is answering: wait for the end of the turn, or stop it.");
    }
    const position = line.length - (waiting ? 1 : 0);
    if (position > LIMITS.maxQueue) throw new ChatError("queue_full", `At most ${LIMITS.maxQueue} messages can wait for their turn.`);
    const { kind, messageId, input } = askedOf(command, tables, line, commit.session.head);
    const now = deps.now();
    const turn: TurnRow = {
      ord: 0,
      id: command.id,
      kind,
      messageId,
      state: "queued",
      principal: { ...principal },
      // As storage gives it back: whether a turn starts at once, from the queue or after a crash must make no difference to the app.
      input: { ...input, ...(JSON.parse(JSON.stringify(given)) as typeof given) },
      base: 0,
      attempt: 0,
      startedAt: null,
      dueAt: null,
      createdAt: now,
      progress: { run: 0, fence: 0, workedMs: 0, since: now },
    };
    if (line.length > 0) {
      refuseLongLine([...line, turn]);
      tables.turns.insert(turn);
      if (waiting) this.#ports.apply(commit, waiting, { type: "supersede" });
      else this.announce(commit);
    } else if (isAppend) this.#append(commit, turn, false);
    else {
      const started = this.#started(turn);
      this.#begin(commit, { ...started, ord: tables.turns.insert(started) }, false);
    }
    return { turnId: command.id, position };
  }

  /**
   * Replaces what a queued message says. Its turn runs as the principal who wrote it, so nobody else may, but for the server.
   * @throws {ChatError} `not_found`, `already_started`, `forbidden`, `bad_request` (a turn without a message), `queue_full`
   */
  edit(commit: Commit, principal: Principal, { turnId, parts }: EditQueuedCommand, body: unknown): CommandResult {
    const { tables } = this.#ports;
    const line = tables.turns.list();
    const turn = line.find(({ id }) => id === turnId);
    if (turn ? turn.state !== "queued" : this.isKnown(turnId)) {
      throw new ChatError("already_started", "This turn has started already: its message is in the thread.");
    }
    if (!turn) throw noSuchTurn();
    if (turn.principal.id !== principal.id && !isSystem(principal))
      throw new ChatError("forbidden", "Only who wrote a queued message can change it.");
    if (turn.kind !== "send" && turn.kind !== "edit") throw new ChatError("bad_request", "This turn has no message of its own to edit.");
    const input = { ...turn.input, parts, ...(body !== undefined ? { body } : {}) };
    refuseLongLine(line.map((row) => (row === turn ? { ...row, input } : row)));
    tables.turns.setInput(turn, input);
    this.announce(commit);
    return { turnId };
  }

  /** True for the id of a turn that has ended here. */
  isKnown(turnId: string): boolean {
    const { messages, commands } = this.#ports.tables;
    return messages.has(turnId) || commands.find(turnId) !== undefined;
  }

  /** Starts the first in line. Nothing may be running. */
  startNext(commit: Commit): void {
    const next = this.#ports.tables.turns.first();
    if (next) this.#ports.apply(commit, next, { type: "start" });
  }

  /** Starts a queued turn. */
  start(commit: Commit, queued: TurnRow): void {
    if (queued.kind === "append") {
      this.#ports.tables.turns.delete(queued);
      return this.#append(commit, queued, true);
    }
    const turn = this.#started(queued);
    this.#ports.tables.turns.update(turn);
    this.#begin(commit, turn, true);
  }

  /** Takes a queued turn out. What it would have brought never enters history. */
  drop(commit: Commit, turn: TurnRow): void {
    this.#ports.tables.turns.delete(turn);
    this.announce(commit);
  }

  /** Tells the clients of the line. */
  announce(commit: Commit): void {
    const from = commit.session.rev;
    const rev = commit.nextRev();
    commit.change({ queueRev: rev });
    const live = this.#ports.tables.turns.live();
    commit.broadcast({ type: "delta", from, to: rev, queue: this.items(), turn: live ? viewOf(live) : null });
  }

  /** A turn as it is when it starts: its attempt is counted before it is run. */
  #started(turn: TurnRow): TurnRow {
    const { deps, tables } = this.#ports;
    const now = deps.now();
    const target = turn.kind === "continue" && turn.input.target !== undefined ? tables.messages.find(turn.input.target) : undefined;
    const base = target ? baseLength(target) : 0;
    const resume = turn.kind === "continue" ? { resume: "continue" as const } : {};
    return {
      ...turn,
      state: "running",
      base,
      attempt: 1,
      startedAt: now,
      dueAt: now + LEASE_MS,
      progress: { run: 1, fence: base, workedMs: 0, since: now, ...resume },
    };
  }

  /** What a turn brings enters history; its run begins after the commit. */
  #begin(commit: Commit, turn: TurnRow, wasQueued: boolean): void {
    if (turn.kind === "send" || turn.kind === "edit") {
      this.#addMessage(commit, turn, userMessageOf(turn, this.#parentOf(commit, turn)), wasQueued);
    } else this.#announceStart(commit, turn, wasQueued);
    if (turn.kind === "continue" && commit.session.head !== turn.input.target) {
      const { code, message, retryable } = headMoved();
      return this.#ports.apply(commit, turn, { type: "fail", error: { code, message, retryable } });
    }
    commit.after(() => this.#ports.launch(turn));
  }

  /** Beside the message that it replaces, or under the head. */
  #parentOf(commit: Commit, { kind, input }: TurnRow): string | null {
    if (kind !== "edit" || input.target === undefined) return commit.session.head;
    return this.#ports.tables.messages.find(input.target)?.parent ?? null;
  }

  /** Stores a message as the new head. A move to another branch is told as a snapshot, everything else as what was added. */
  #addMessage(commit: Commit, turn: TurnRow | null, message: Message, isQueueChanged: boolean): void {
    const { tables, stateOf } = this.#ports;
    const { head, rev: from } = commit.session;
    const rev = commit.nextRev();
    const isChild = message.parent === head;
    tables.messages.insert(rev, message);
    commit.change({ head: message.id, ...(isQueueChanged ? { queueRev: rev } : {}), ...(isChild ? {} : { headRev: rev }) });
    const view = turn && viewOf(turn);
    if (isChild) {
      const queue = isQueueChanged ? { queue: this.items() } : {};
      commit.broadcast({ type: "delta", from, to: rev, messages: [message], ...queue, turn: view });
    } else commit.broadcast(snapshotOf({ tables, stateOf, queue: this.items(), turn: view, live: null }, commit.session));
  }

  #announceStart(commit: Commit, turn: TurnRow, wasQueued: boolean): void {
    const from = commit.session.rev;
    if (wasQueued) commit.change({ queueRev: commit.nextRev() });
    const queue = wasQueued ? { queue: this.items() } : {};
    commit.broadcast({ type: "delta", from, to: commit.session.rev, ...queue, turn: viewOf(turn) });
  }

  #append(commit: Commit, { messageId: id, input, principal, createdAt }: TurnRow, wasQueued: boolean): void {
    const { parts, metadata } = input;
    const author = { role: "assistant" as const, author: principal.id, createdAt };
    const message: Message = { id, parent: commit.session.head, ...author, parts, ...(metadata !== undefined ? { metadata } : {}) };
    this.#addMessage(commit, null, message, wasQueued);
    this.startNext(commit);
  }
}

function userMessageOf({ messageId, input, principal, createdAt }: TurnRow, parent: string | null): Message {
  return { id: messageId, parent, role: "user", parts: input.parts, author: principal.id, createdAt };
}

/** The refusal of an id that was never a turn here. */
export function noSuchTurn(): ChatError {
  return new ChatError("not_found", "There is no turn with this id.");
}
