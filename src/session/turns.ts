// The turns of one thread: takes them in, runs one at a time in the order of acceptance, and settles each one once.
// Storage says which turn is running; the run in memory only works on it. A stored running turn without a run is an orphan.
import type { Principal } from "../protocol/principal.ts";
import { ChatError, type ErrorBody } from "../errors.ts";
import type { CommandResult, SendCommand, TurnEnd } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { LiveState, Message, QueueItem } from "../protocol/messages.ts";
import type { SocketHub } from "../sockets/hub.ts";
import type { Database } from "../storage/database.ts";
import type { Tables } from "../storage/tables.ts";
import type { TurnRow } from "../storage/turn-table.ts";
import type { FlushOptions } from "../stream/flush-policy.ts";
import { TurnLog } from "../stream/turn-log.ts";
import { transition, WORK_EXHAUSTED, type Interruption, type TurnEvent } from "../turn/machine.ts";
import type { Commit, Committer } from "./commit.ts";
import type { Deps } from "./deps.ts";
import type { SessionHooks } from "./hooks.ts";
import { queueItems, queueLength, refuseKnownIds } from "./queue.ts";
import { discardChunks, hasOverworked, interruptionOf, type RecoveryOptions } from "./recovery.ts";
import { Run } from "./run.ts";
import { closing, factsOf, hasOutput, viewOf, type Settle } from "./settlement.ts";
import { createTurn } from "./turn-context.ts";

/** The lease: an alarm this far ahead finds a turn whose process died. It must fire, not be pushed ahead, to keep an object alive. */
export const LEASE_MS = 30_000;

/** So often the end of a turn is tried again, beyond the attempts of its runs. */
const STORE_ATTEMPTS = 3;

const NOT_STORABLE: ErrorBody = { code: "internal", message: "The answer could not be stored whole.", retryable: true };

export interface TurnsPorts {
  db: Database;
  tables: Tables;
  hub: SocketHub;
  committer: Committer;
  hooks: SessionHooks;
  deps: Deps;
  flush: FlushOptions;
  recovery: RecoveryOptions;
  /** A turn has ended, in this commit. */
  onEnded(commit: Commit, end: TurnEnd): void;
  report: (error: unknown) => void;
}

interface Active {
  turn: TurnRow;
  run: Run;
}

export class Turns {
  readonly #ports: TurnsPorts;
  /** HIBERNATION: lost with the process; the stored turn is then an orphan, which `recover` ends. */
  #active: Active | null = null;

  constructor(ports: TurnsPorts) {
    this.#ports = ports;
  }

  /** The live state of the running turn as stored, also between a run that ended and the lease that stores its end. */
  live(turn: TurnRow): LiveState {
    return this.#logOf(turn).live;
  }

  /** The run of this incarnation that holds a turn; null when none does. */
  #activeOf(turn: TurnRow): Active | null {
    return this.#active?.turn.id === turn.id ? this.#active : null;
  }

  #logOf(turn: TurnRow): TurnLog {
    return this.#activeOf(turn)?.run.log ?? TurnLog.restore(this.#ports.tables.log, turn);
  }

  /**
   * Takes a message in: starts its turn when nothing runs, else puts it at the end of the queue.
   * @throws {ChatError} `queue_full`, `id_reused`
   */
  accept(commit: Commit, principal: Principal, command: SendCommand, body: unknown): CommandResult {
    const { tables, deps } = this.#ports;
    const line = tables.turns.list();
    if (line.length > LIMITS.maxQueue) throw new ChatError("queue_full", `At most ${LIMITS.maxQueue} messages can wait for their turn.`);
    refuseKnownIds(tables, command, line);
    const now = deps.now();
    const starts = line.length === 0;
    const turn: Omit<TurnRow, "ord"> = {
      id: command.id,
      kind: "send",
      state: starts ? "running" : "queued",
      messageId: command.messageId,
      principal: { ...principal },
      input: { parts: command.parts, ...(body !== undefined ? { body } : {}) },
      base: 0,
      attempt: starts ? 1 : 0,
      startedAt: starts ? now : null,
      dueAt: starts ? now + LEASE_MS : null,
      createdAt: now,
    };
    if (!starts && queueLength([...line, turn]) > LIMITS.maxQueueLength) {
      throw new ChatError("queue_full", "The messages that wait for their turn are too long together. Wait for the next answer.");
    }
    tables.turns.insert(turn);
    if (starts) this.#begin(commit, tables.turns.running()!, false);
    else this.#announceQueue(commit);
    return { turnId: turn.id, position: line.length };
  }

  /**
   * Ends a turn, or takes a queued one back. Quiet for a turn that has ended.
   * @throws {ChatError} `not_found` for an id that was never a turn here, `already_started` for `cancel` of a running turn
   */
  end(commit: Commit, turnId: string, event: Extract<TurnEvent, { type: "stop" | "cancel" }>): CommandResult {
    const { tables } = this.#ports;
    const turn = tables.turns.list().find(({ id }) => id === turnId);
    if (turn) this.#apply(commit, turn, event);
    else if (!tables.messages.has(turnId) && !tables.commands.find(turnId)) {
      throw new ChatError("not_found", "There is no turn with this id.");
    }
    return { turnId };
  }

  /** Recovers a stored running turn that this incarnation does not run. Cheap when there is none. */
  recover(): void {
    const turn = this.#ports.tables.turns.running();
    if (turn && !this.#activeOf(turn)) this.#endOrphan(turn, (log) => ({ type: "orphan", run: this.#interruption(turn, log) }));
  }

  /** The lease alarm fired: sets it again for a turn that this incarnation runs and that works; recovers or ends any other. */
  renewLease(): void {
    const { tables, committer, deps, recovery } = this.#ports;
    const turn = tables.turns.running();
    const now = deps.now();
    if (turn?.dueAt == null || turn.dueAt > now) return;
    const active = this.#activeOf(turn);
    if (!active) return this.recover();
    if (hasOverworked(turn, active.run.log.live.seq, recovery, now)) this.#endRun(active, { type: "fail", error: WORK_EXHAUSTED });
    else if (active.run.silentMs(now) >= recovery.stallAfterMs) {
      this.#endRun(active, { type: "stall", run: this.#interruption(turn, active.run.log) });
    } else committer.run(() => tables.turns.setDue(turn.ord, now + LEASE_MS));
  }

  #endOrphan(turn: TurnRow, eventOf: (log: TurnLog) => TurnEvent): void {
    const { tables, committer, report } = this.#ports;
    try {
      committer.run((commit) => {
        const log = TurnLog.restore(tables.log, turn);
        this.#apply(commit, turn, eventOf(log), log);
      });
    } catch (error) {
      report(error);
      this.#postpone(turn);
    }
  }

  /**
   * The end of a turn could not be stored. The lease alarm tries it again, since what has been shown is not given up for a
   * fault that passes. When it fails every time, the turn ends without a reply, so that the thread goes on.
   */
  #postpone(turn: TurnRow): void {
    const { tables, committer, recovery } = this.#ports;
    committer.run((commit) => {
      if (turn.attempt < recovery.maxAttempts + STORE_ATTEMPTS) {
        // At least as many as its runs may be: what only could not be stored must not run again.
        this.#countAttempt(commit, turn, Math.max(turn.attempt, recovery.maxAttempts) + 1);
        return;
      }
      tables.log.clear();
      this.#apply(commit, turn, { type: "fail", error: NOT_STORABLE });
    });
  }

  /** Stores which attempt a running turn is in, with a lease of its own, and tells the clients. */
  #countAttempt(commit: Commit, turn: TurnRow, attempt: number): TurnRow {
    const now = this.#ports.deps.now();
    const change = { attempt, startedAt: turn.startedAt ?? now, dueAt: now + LEASE_MS };
    this.#ports.tables.turns.start(turn.ord, change);
    const next = { ...turn, ...change };
    const { rev } = commit.session;
    commit.broadcast({ type: "delta", from: rev, to: rev, turn: viewOf(next) });
    return next;
  }

  #interruption(turn: TurnRow, log: TurnLog): Interruption {
    const { recovery, deps } = this.#ports;
    return interruptionOf(turn, log.produced, recovery, deps.now());
  }

  /** @param log that of an orphan, where the caller has read it already */
  #apply(commit: Commit, turn: TurnRow, event: TurnEvent, log?: TurnLog): void {
    const { effects } = transition(turn.state, event);
    for (const effect of effects) {
      switch (effect.type) {
        case "begin":
          this.#begin(commit, this.#store(turn), true);
          break;
        case "settle":
          this.#settle(commit, turn, effect, log ?? this.#logOf(turn));
          break;
        case "rerun":
          this.#rerun(commit, turn, log ?? this.#logOf(turn));
          break;
        case "abort":
          this.#abortAfter(commit, turn);
          break;
        case "drop":
          this.#ports.tables.turns.delete(turn);
          this.#announceQueue(commit);
          break;
        case "refuse":
          throw new ChatError(effect.code, "This turn has started already: stop it instead.");
      }
    }
  }

  /** Marks a queued turn as running; its attempt is counted before it is run. */
  #store(turn: TurnRow): TurnRow {
    const now = this.#ports.deps.now();
    const started = { attempt: turn.attempt + 1, startedAt: now, dueAt: now + LEASE_MS };
    this.#ports.tables.turns.start(turn.ord, started);
    return { ...turn, ...started, state: "running" };
  }

  /** The user message enters history; the run begins after the commit. */
  #begin(commit: Commit, turn: TurnRow, wasQueued: boolean): void {
    const { tables } = this.#ports;
    const from = commit.session.rev;
    const rev = commit.nextRev();
    const message: Message = {
      id: turn.messageId,
      parent: commit.session.head,
      role: "user",
      parts: turn.input.parts,
      author: turn.principal.id,
      createdAt: turn.createdAt,
    };
    tables.messages.insert(rev, message);
    commit.change({ head: message.id, ...(wasQueued ? { queueRev: rev } : {}) });
    commit.broadcast({
      type: "delta",
      from,
      to: rev,
      messages: [message],
      ...(wasQueued ? { queue: this.queue() } : {}),
      turn: viewOf(turn),
    });
    commit.after(() => this.#launch(turn));
  }

  #announceQueue(commit: Commit): void {
    const from = commit.session.rev;
    const rev = commit.nextRev();
    commit.change({ queueRev: rev });
    const running = this.#ports.tables.turns.running();
    commit.broadcast({ type: "delta", from, to: rev, queue: this.queue(), turn: running ? viewOf(running) : null });
  }

  /** The queue as clients see it. */
  queue(): QueueItem[] {
    return queueItems(this.#ports.tables.turns.list());
  }

  /** The log is made ready for another run of the same turn, which is counted before it begins. */
  #rerun(commit: Commit, turn: TurnRow, log: TurnLog): void {
    const active = this.#activeOf(turn);
    log.mend();
    for (const chunk of discardChunks(log.produced)) log.push(chunk);
    const written = log.write();
    const next = this.#countAttempt(commit, turn, turn.attempt + 1);
    if (written) commit.broadcast({ type: "chunks", turnId: turn.id, from: written.from, items: written.items });
    commit.after(() => {
      active?.run.detach();
      if (written) log.commit(written);
      this.#launch(next, log);
    });
  }

  #launch(turn: TurnRow, log: TurnLog = new TurnLog(this.#ports.tables.log, turn)): void {
    const { db, tables, hub, hooks, deps, flush, report } = this.#ports;
    const run: Run = new Run(
      log,
      { id: turn.id, run: turn.attempt },
      {
        flush: () => {
          const written = db.transaction(() => log.write());
          if (!written) return;
          log.commit(written);
          hub.broadcast({ type: "chunks", turnId: turn.id, from: written.from, items: written.items });
        },
        isWatched: () => hub.count > 0,
        sendTransient: (chunk) => hub.broadcast({ type: "event", event: chunk.type, ...("data" in chunk ? { data: chunk.data } : {}) }),
        onEnd: (event) => this.#endRun(active, event),
        report,
      },
      deps,
      flush,
    );
    const active: Active = { turn, run };
    this.#active = active;
    // The microtask lets the ack of the command leave before the app's code runs.
    void Promise.resolve().then(() => run.consume(() => hooks.onTurn(createTurn(turn, run, tables.messages))));
  }

  #endRun(active: Active, event: TurnEvent): void {
    if (this.#active !== active) return;
    const { turn, run } = active;
    try {
      this.#ports.committer.run((commit) => this.#apply(commit, turn, event));
    } catch (error) {
      // The end could not be stored, for example because of what is pending: it is tried again with what is stored already.
      // When that fails too, the turn stays stored as running, and its lease alarm finds it.
      this.#active = null;
      run.detach();
      run.abort();
      this.#ports.report(error);
      this.#endDetached(turn);
    }
  }

  #endDetached(turn: TurnRow): void {
    try {
      this.#endOrphan(turn, () => ({ type: "fail", error: NOT_STORABLE }));
    } catch (error) {
      // Not even that could be written. The lease alarm is still set, and finds the turn as an orphan.
      this.#ports.report(error);
    }
  }

  #abortAfter(commit: Commit, turn: TurnRow): void {
    const active = this.#activeOf(turn);
    if (active) commit.after(() => active.run.abort());
  }

  /** Stores the reply (or, without output, the outcome of the user message), drops the live rows, starts the next in line. */
  #settle(commit: Commit, turn: TurnRow, effect: Settle, log: TurnLog): void {
    const { tables, deps } = this.#ports;
    const active = this.#activeOf(turn);
    const now = deps.now();
    const facts = factsOf(turn, effect, now, active?.run);
    const final = log.finish((live) => closing(live, effect));
    const from = commit.session.rev;
    const rev = commit.nextRev();
    const hasReply = hasOutput(final.live);
    if (hasReply) {
      const { parts, metadata } = final.live.message;
      const reply: Message = {
        id: turn.id,
        parent: turn.messageId,
        role: "assistant",
        parts,
        ...(metadata !== undefined ? { metadata } : {}),
        createdAt: now,
        facts,
      };
      tables.messages.insert(rev, reply);
      commit.change({ head: turn.id });
      if (final.items.length > 0) commit.broadcast({ type: "chunks", turnId: turn.id, from: final.from, items: final.items });
    } else tables.messages.setFacts(turn.messageId, facts, rev);
    tables.log.clear();
    tables.turns.delete(turn);

    const end: TurnEnd = {
      turnId: turn.id,
      messageId: hasReply ? turn.id : turn.messageId,
      seq: final.live.seq,
      ...(hasReply ? { createdAt: now } : {}),
      facts,
    };
    commit.broadcast({ type: "turn", from, to: rev, ended: end, turn: null });
    commit.after(() => {
      if (this.#active === active) this.#active = null;
      active?.run.detach();
    });
    this.#ports.onEnded(commit, end);
    const next = tables.turns.first();
    if (next) this.#apply(commit, next, { type: "start" });
  }
}
