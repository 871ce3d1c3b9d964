// Sees to it that every running turn comes to an end, with nobody watching: ends a run that has ended, recovers a turn whose
// process died, keeps the lease of one that works, and denies approvals that have expired.
import type { ErrorBody } from "../errors.ts";
import { foldChunks } from "../protocol/fold.ts";
import type { Tables } from "../storage/tables.ts";
import type { TurnRow } from "../storage/turn-table.ts";
import type { TurnLog } from "../stream/turn-log.ts";
import { WORK_EXHAUSTED, type Interruption, type TurnEvent } from "../turn/machine.ts";
import type { Commit, Committer } from "./commit.ts";
import type { Deps } from "./deps.ts";
import { LEASE_MS } from "./line.ts";
import { expiryChunks, firstExpiry, openCallsOf, type IsClientTool } from "./open-calls.ts";
import { hasOverworked, interruptionOf, type RecoveryOptions } from "./recovery.ts";
import type { Run, RunEnd } from "./run.ts";
import type { Runner } from "./runner.ts";
import type { Turns } from "./turns.ts";

/** So often the end of a turn is tried again, beyond the attempts of its runs. */
const STORE_ATTEMPTS = 3;

const NOT_STORABLE: ErrorBody = { code: "internal", message: "The answer could not be stored whole.", retryable: true };

const NOT_ANSWERABLE: ErrorBody = { code: "internal", message: "A question of this answer cannot be answered.", retryable: true };

export interface LeasePorts {
  tables: Tables;
  committer: Committer;
  runner: Runner;
  turns: Turns;
  deps: Deps;
  recovery: RecoveryOptions;
  isClientTool: IsClientTool;
  report: (error: unknown) => void;
}

export class Lease {
  readonly #ports: LeasePorts;

  constructor(ports: LeasePorts) {
    this.#ports = ports;
  }

  /** Recovers a stored running turn that this incarnation does not run. Cheap when there is none: false when no turn was live. */
  recover(): boolean {
    const { tables, runner } = this.#ports;
    const turn = tables.turns.live();
    if (turn?.state === "running" && !runner.of(turn)) {
      this.#endOrphan(turn, (log) => ({ type: "orphan", run: this.#interruption(turn, log) }));
    } else if (turn?.state === "waiting") this.#lookAgain(turn);
    return turn !== undefined;
  }

  /** A turn that waits, at the first look of this incarnation: its code may no longer have the tool that is waited for. */
  #lookAgain(turn: TurnRow): void {
    const { turns, committer, isClientTool, report } = this.#ports;
    try {
      const log = turns.log(turn);
      const isAwaited = openCallsOf(log.live, isClientTool, true) === "awaited";
      if (!isAwaited) committer.run((commit) => turns.apply(commit, turn, { type: "answer", calls: "answered" }, log));
      else if (turn.dueAt !== null) committer.run(() => {}); // Only sees that the alarm matches: it may have been lost.
    } catch (error) {
      report(error); // It goes on waiting: an answer, a stop or a new message may still do.
    }
  }

  /** The alarm fired: keeps the lease of a turn that this incarnation runs and that works; recovers or ends any other. */
  due(): void {
    const { tables, runner, committer, deps, recovery } = this.#ports;
    const turn = tables.turns.live();
    const now = deps.now();
    if (turn?.dueAt == null || turn.dueAt > now) return;
    if (turn.state === "waiting") return this.#expire(turn, now);
    const run = runner.of(turn);
    if (!run) return void this.recover();
    if (hasOverworked(turn, run.log.live.seq, recovery, now)) this.#endRun(run, turn, { type: "fail", error: WORK_EXHAUSTED });
    else if (run.silentMs(now) >= recovery.stallAfterMs) {
      this.#endRun(run, turn, { type: "stall", run: this.#interruption(turn, run.log) });
    } else committer.run(() => tables.turns.update({ ...turn, dueAt: now + LEASE_MS }));
  }

  /** A run has come to its end. */
  runEnded(run: Run, end: RunEnd): void {
    const { tables, runner, report } = this.#ports;
    try {
      const turn = tables.turns.live();
      if (!turn || runner.of(turn) !== run) {
        // Another instance has taken the turn over: what becomes of it is stored there.
        runner.release(run);
        return run.abort();
      }
      this.#endRun(run, turn, end.type === "fail" ? end : this.#finished(run, turn, end));
    } catch (error) {
      // Storage does not even say which turn is running. The lease alarm is still set, and finds the turn as an orphan.
      runner.release(run);
      run.abort();
      report(error);
    }
  }

  #finished({ log }: Run, turn: TurnRow, end: Extract<RunEnd, { type: "finish" }>): TurnEvent {
    const { isClientTool, recovery, deps } = this.#ports;
    const calls = openCallsOf(log.produced, isClientTool, turn.progress.answered !== undefined);
    // A turn that goes from answer to answer in short runs never meets its lease alarm: nobody else looks at what it has worked.
    const isOver = calls !== "none" && hasOverworked(turn, log.produced.seq, recovery, deps.now());
    return isOver ? { type: "fail", error: WORK_EXHAUSTED } : { ...end, calls };
  }

  #endRun(run: Run, turn: TurnRow, event: TurnEvent): void {
    const { committer, turns, runner, report } = this.#ports;
    try {
      committer.run((commit) => turns.apply(commit, turn, event));
    } catch (error) {
      // The end could not be stored, for example because of what is pending: it is tried again with what is stored already.
      // When that fails too, the turn stays stored as running, and its lease alarm finds it.
      runner.release(run);
      run.abort();
      report(error);
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

  #endOrphan(turn: TurnRow, eventOf: (log: TurnLog) => TurnEvent): void {
    const { runner, turns, committer, report } = this.#ports;
    try {
      committer.run((commit) => {
        const log = runner.stored(turn);
        turns.apply(commit, turn, eventOf(log), log);
      });
    } catch (error) {
      report(error);
      committer.run((commit) => this.#postpone(commit, turn));
    }
  }

  /**
   * The end of a turn could not be stored. The lease alarm tries it again, since what has been shown is not given up for a
   * fault that passes. When it fails every time, the turn ends without a reply, so that the thread goes on.
   */
  #postpone(commit: Commit, turn: TurnRow): void {
    const { tables, turns, recovery, runner, deps } = this.#ports;
    if (turn.attempt < recovery.maxAttempts + STORE_ATTEMPTS) {
      // At least as many as its runs may be: what only could not be stored must not run again.
      const attempt = Math.max(turn.attempt, recovery.maxAttempts) + 1;
      return turns.update(commit, { ...turn, attempt, dueAt: deps.now() + LEASE_MS });
    }
    tables.log.clear();
    tables.toolCalls.clear();
    turns.apply(commit, turn, { type: "fail", error: NOT_STORABLE }, runner.fresh(turn));
  }

  #expire(turn: TurnRow, now: number): void {
    const { committer, turns } = this.#ports;
    committer.run((commit) => {
      const log = turns.log(turn);
      const chunks = expiryChunks(log.live, now);
      const next = firstExpiry(foldChunks(log.live, chunks));
      // Two questions of one id, in the log of an older release: one that no answer reaches would be due for ever.
      if (next !== null && next <= now) turns.apply(commit, turn, { type: "fail", error: NOT_ANSWERABLE }, log);
      else if (chunks.length > 0) turns.answer(commit, turn, log, chunks, "approval");
      else turns.update(commit, { ...turn, dueAt: next });
    });
  }

  #interruption(turn: TurnRow, log: TurnLog): Interruption {
    const { recovery, deps, tables, isClientTool } = this.#ports;
    const calls = openCallsOf(log.produced, isClientTool, turn.progress.answered !== undefined);
    return interruptionOf(turn, log.produced, recovery, deps.now(), { calls, rows: tables.toolCalls.list() });
  }
}
