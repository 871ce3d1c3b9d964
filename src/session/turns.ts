// The turns of one thread: carries out what the turn machine decides, each event in one transaction, so that every turn ends
// once. Which turn comes next is the line's, what is in memory is the runner's.
import { ChatError } from "../errors.ts";
import { closingChunks } from "../protocol/close-open-parts.ts";
import type { CommandResult, TurnEnd } from "../protocol/frames.ts";
import type { Chunk, LiveState } from "../protocol/messages.ts";
import { UNKNOWN_OUTCOME } from "../protocol/tool-part.ts";
import type { Tables } from "../storage/tables.ts";
import type { ToolCallRow } from "../storage/tool-call-table.ts";
import type { TurnProgress, TurnRow } from "../storage/turn-table.ts";
import type { Flush, TurnLog } from "../stream/turn-log.ts";
import { transition, type TurnEvent } from "../turn/machine.ts";
import type { Commit } from "./commit.ts";
import type { Deps } from "./deps.ts";
import { LEASE_MS, Line, noSuchTurn, type BusyPolicy } from "./line.ts";
import { firstExpiry, isAwaitingApproval, isAwaitingClient, openCallsOf, supersedingChunks, type IsClientTool } from "./open-calls.ts";
import { andThen, answeredCalls, callsToRun, discardChunks, factChunks } from "./recovery.ts";
import type { Run } from "./run.ts";
import type { Runner } from "./runner.ts";
import { addUsage, closing, factsOf, hasOutput, storeEnd, type Settle } from "./settlement.ts";
import type { SyncSource } from "./sync.ts";
import { unknownOutcomes } from "./tool-facts.ts";
import { liveIdOf, viewOf } from "./turn-view.ts";

export interface TurnsPorts {
  tables: Tables;
  runner: Runner;
  deps: Deps;
  busy: BusyPolicy;
  isClientTool: IsClientTool;
  stateOf: SyncSource["stateOf"];
  /** A turn has ended, in this commit. */
  onEnded(commit: Commit, end: TurnEnd): void;
}

export class Turns {
  readonly line: Line;
  readonly #ports: TurnsPorts;

  constructor(ports: TurnsPorts) {
    const { tables, deps, busy, runner, stateOf } = ports;
    this.#ports = ports;
    this.line = new Line({
      tables,
      deps,
      busy,
      stateOf,
      apply: (commit, turn, event) => this.apply(commit, turn, event),
      launch: (turn) => runner.launch(turn, runner.fresh(turn)),
    });
  }

  /** The log of the running or waiting turn, also between a run that ended and the lease that stores its end. */
  log(turn: TurnRow): TurnLog {
    return this.#ports.runner.logOf(turn);
  }

  /** Its live state as stored. */
  live(turn: TurnRow): LiveState {
    return this.log(turn).live;
  }

  /**
   * Ends a turn, or takes a queued one back. Quiet for a turn that has ended.
   * @throws {ChatError} `not_found` for an id that was never a turn here, `already_started` for `cancel` of a running turn
   */
  end(commit: Commit, turnId: string, event: Extract<TurnEvent, { type: "stop" | "cancel" }>): CommandResult {
    const turn = this.#ports.tables.turns.list().find(({ id }) => id === turnId);
    if (turn) this.apply(commit, turn, event);
    else if (!this.line.isKnown(turnId)) throw noSuchTurn();
    return { turnId };
  }

  /** Puts answers of people or clients into the {@link log} of a turn, and goes on with it when they were the last. */
  answer(commit: Commit, turn: TurnRow, log: TurnLog, chunks: readonly Chunk[], kind: NonNullable<TurnProgress["answered"]>): void {
    const { tables, runner, isClientTool } = this.#ports;
    const run = runner.of(turn);
    log.mend();
    const written = log.write(chunks);
    if (!written) return;
    this.#send(commit, turn, written);
    // The log of a run is shared: it must not believe what a transaction that fails has written.
    if (run) commit.after(() => log.commit(written));
    else log.commit(written);
    const calls = openCallsOf(written.live, isClientTool, true);
    const isWaiting = turn.state === "waiting";
    const answered: TurnRow = {
      ...turn,
      dueAt: isWaiting ? firstExpiry(written.live) : turn.dueAt,
      progress: { ...turn.progress, answered: kind },
    };
    // What clients see of a turn that goes on waiting are its claims; whoever answers gives up the one that it has.
    if (!isWaiting || calls === "awaited") {
      if (turn.progress.claims) this.update(commit, answered);
      else tables.turns.update(answered);
    }
    if (isWaiting) this.apply(commit, answered, { type: "answer", calls }, log);
  }

  /** @param log that of an orphan or a waiting turn, where the caller has read it already */
  apply(commit: Commit, turn: TurnRow, event: TurnEvent, log?: TurnLog): void {
    const logOf = () => log ?? this.#ports.runner.logOf(turn);
    for (const effect of transition(turn.state, event).effects) {
      switch (effect.type) {
        case "begin":
          this.line.start(commit, turn);
          break;
        case "settle":
          this.#settle(commit, turn, effect, logOf());
          break;
        case "wait":
          this.#wait(commit, turn, logOf());
          break;
        case "rerun":
        case "resume":
          this.#again(commit, turn, logOf(), effect.type);
          break;
        case "abort":
          this.#abortAfter(commit, turn);
          break;
        case "drop":
          this.line.drop(commit, turn);
          break;
        case "refuse":
          throw new ChatError(effect.code, "This turn has started already: stop it instead.");
      }
    }
  }

  /** Stores where a live turn is, and tells the clients. */
  update(commit: Commit, turn: TurnRow): void {
    this.#ports.tables.turns.update(turn);
    const { rev } = commit.session;
    commit.broadcast({ type: "delta", from: rev, to: rev, turn: viewOf(turn) });
  }

  #send(commit: Commit, { id }: TurnRow, { from, items }: Pick<Flush, "from" | "items">): void {
    if (items.length > 0) commit.broadcast({ type: "chunks", turnId: id, from, items });
  }

  /** Calls `onTurn` again for the same turn. `rerun`: the last run was cut off; `resume`: people and clients have answered. */
  #again(commit: Commit, turn: TurnRow, log: TurnLog, effect: "rerun" | "resume"): void {
    const { tables, runner, deps } = this.#ports;
    const run = runner.of(turn);
    const rows = tables.toolCalls.list();
    log.mend();
    // After an answer nothing is discarded: what the person saw is what they have answered.
    const fence = effect === "rerun" ? turn.progress.fence : Infinity;
    let keep: ToolCallRow[] = [];
    const { produced, room } = log;
    const chunks = andThen(produced, factChunks(produced, turn, rows, room), (live) =>
      discardChunks(live, fence, (left) => {
        const toRun = callsToRun(left, turn, rows);
        keep = toRun.rows;
        return toRun.parts;
      }),
    );
    for (const row of unknownOutcomes(rows, { keep })) tables.toolCalls.settle(row, row.outcome);
    const written = log.write(chunks);
    const now = deps.now();
    const { answered, claims: _claims, ...progress } = turn.progress;
    const next: TurnRow = {
      ...turn,
      state: "running",
      attempt: effect === "resume" ? 1 : turn.attempt + 1,
      dueAt: now + LEASE_MS,
      progress: {
        ...progress,
        ...usageOf(turn, run),
        run: progress.run + 1,
        fence: (written?.live ?? log.live).message.parts.length,
        since: turn.state === "waiting" ? now : progress.since,
        resume: effect === "resume" && answered ? answered : "recovery",
      },
    };
    this.update(commit, next);
    if (written) this.#send(commit, turn, written);
    commit.after(() => {
      runner.release(run);
      if (written) log.commit(written);
      runner.launch(next, log);
    });
  }

  /** The run is over, and a person or a client has to answer before the next. What nobody will answer ends. */
  #wait(commit: Commit, turn: TurnRow, log: TurnLog): void {
    const { tables, runner, deps, isClientTool } = this.#ports;
    const run = runner.of(turn);
    const rows = tables.toolCalls.list();
    log.mend();
    const unknown = unknownOutcomes(rows);
    for (const row of unknown) tables.toolCalls.settle(row, row.outcome);
    const { produced, room } = log;
    const chunks = andThen(produced, factChunks(produced, turn, rows, room), (live) => {
      const answered = answeredCalls(live, rows);
      return closingChunks(
        live,
        // Of a run that died nobody knows why a call has no outcome.
        !run || unknown.length > 0 ? UNKNOWN_OUTCOME : NOT_DECLARED,
        (call) => isAwaitingApproval(call) || isAwaitingClient(call, isClientTool) || answered.includes(call),
      );
    });
    const written = log.write(chunks);
    if (written) this.#send(commit, turn, written);
    const { progress } = turn;
    // A run that died worked at most to the end of its lease.
    const workedMs = progress.workedMs + Math.max(0, Math.min(deps.now(), turn.dueAt ?? Infinity) - progress.since);
    const dueAt = firstExpiry(written?.live ?? log.live);
    this.update(commit, { ...turn, state: "waiting", dueAt, progress: { ...progress, ...usageOf(turn, run), workedMs } });
    commit.after(() => {
      if (written) log.commit(written);
      runner.release(run);
    });
  }

  #abortAfter(commit: Commit, turn: TurnRow): void {
    const run = this.#ports.runner.of(turn);
    if (run) commit.after(() => run.abort());
  }

  /** Stores the reply (or, without output, the outcome), drops the live rows, starts the next in line. */
  #settle(commit: Commit, turn: TurnRow, effect: Settle, log: TurnLog): void {
    const { tables, deps, runner, isClientTool } = this.#ports;
    const run = runner.of(turn);
    const now = deps.now();
    const rows = tables.toolCalls.list();
    const target = turn.kind === "continue" ? tables.messages.find(liveIdOf(turn)) : undefined;
    const final = log.finish((produced) =>
      andThen(produced, factChunks(produced, turn, rows, log.room), (live) => {
        const superseding = effect.isSuperseded ? supersedingChunks(live, isClientTool, "system:superseded", now) : [];
        return andThen(live, superseding, (rest) => closing(rest, effect, hasOutput(rest, turn, target)));
      }),
    );
    const from = commit.session.rev;
    const end = storeEnd(commit, tables, { turn, target }, final.live, factsOf(turn, effect, now, run?.usage));
    if (end.createdAt !== undefined) this.#send(commit, turn, final);
    tables.log.clear();
    tables.toolCalls.clear();
    tables.turns.delete(turn);
    commit.broadcast({ type: "turn", from, to: commit.session.rev, ended: end, turn: null });
    commit.after(() => runner.release(run));
    this.#ports.onEnded(commit, end);
    this.line.startNext(commit);
  }
}

const NOT_DECLARED = "Nobody answers this call: its tool has no `execute`, and is not declared as a client tool.";

/** The usage of a turn with that of the run that ends now; nothing when no model has said any. */
function usageOf({ progress }: TurnRow, run: Run | null): Pick<TurnProgress, "usage"> {
  const usage = addUsage(progress.usage, run?.usage);
  return usage ? { usage } : {};
}
