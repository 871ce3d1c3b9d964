// The run of the live turn, which is the only thing of a turn that is in memory. Starts it, gives its chunks to the log and the
// sockets, and lets go of it. Storage says which turn is running; a stored running turn without a run is an orphan.
import { ChatError } from "../errors.ts";
import type { LiveMessage } from "../protocol/messages.ts";
import type { SocketHub } from "../sockets/hub.ts";
import type { Database } from "../storage/database.ts";
import type { Tables } from "../storage/tables.ts";
import type { TurnRow } from "../storage/turn-table.ts";
import type { FlushOptions } from "../stream/flush-policy.ts";
import { TurnLog } from "../stream/turn-log.ts";
import type { Deps } from "./deps.ts";
import type { SessionHooks } from "./hooks.ts";
import { Run, type RunEnd } from "./run.ts";
import { ToolLedger } from "./tool-ledger.ts";
import { createTurn } from "./turn-context.ts";
import { baseMessage, liveIdOf } from "./turn-view.ts";

/** Settings of the tools of a turn. */
export interface ToolOptions {
  /** A call that takes longer, in ms, fails. */
  timeoutMs: number;
  /** An approval that nobody gives for so long, in ms, is denied; null for never. */
  approvalExpiresMs: number | null;
  /** True where an unwrapped local tool ends the turn with an error. */
  isStrict: boolean;
}

export interface RunnerPorts {
  db: Database;
  tables: Tables;
  hub: SocketHub;
  hooks: SessionHooks;
  deps: Deps;
  flush: FlushOptions;
  tools: ToolOptions;
  report: (error: unknown) => void;
}

export class Runner {
  readonly #ports: RunnerPorts;
  readonly #onEnd: (run: Run, end: RunEnd) => void;
  /** HIBERNATION: lost with the process; the stored turn is then an orphan, which is recovered. */
  #run: Run | null = null;

  constructor(ports: RunnerPorts, onEnd: (run: Run, end: RunEnd) => void) {
    this.#ports = ports;
    this.#onEnd = onEnd;
  }

  /** The run of this incarnation that holds a turn; null when none does. */
  of(turn: Pick<TurnRow, "id" | "state" | "progress">): Run | null {
    return turn.state === "running" && this.#run?.turnId === turn.id && this.#run.number === turn.progress.run ? this.#run : null;
  }

  /** The log of a turn: of its run, or as storage has it. */
  logOf(turn: TurnRow): TurnLog {
    return this.of(turn)?.log ?? this.stored(turn);
  }

  /** The log of a turn as storage has it. */
  stored(turn: TurnRow): TurnLog {
    return TurnLog.restore(this.#ports.tables.log, turn.id, this.#baseOf(turn));
  }

  /** The log of a turn that has produced nothing yet. */
  fresh(turn: TurnRow): TurnLog {
    return new TurnLog(this.#ports.tables.log, turn.id, this.#baseOf(turn));
  }

  #baseOf(turn: TurnRow): LiveMessage {
    return baseMessage(turn, turn.kind === "continue" ? this.#ports.tables.messages.find(liveIdOf(turn)) : undefined);
  }

  /** Calls `onTurn` for a turn that is stored as running, its attempt counted. */
  launch(turn: TurnRow, log: TurnLog): void {
    const { db, tables, hub, hooks, deps, flush, tools, report } = this.#ports;
    const isCurrent = () => tables.turns.isRunning(turn);
    const ledger = new ToolLedger(
      {
        db,
        table: tables.toolCalls,
        now: deps.now,
        isCurrent,
        onLost: (cause) => run.fail(new ChatError("internal", "What a tool has done could not be stored.", { cause })),
      },
      { id: turn.id, run: turn.progress.run },
    );
    const run: Run = new Run(
      { turnId: turn.id, messageId: liveIdOf(turn), number: turn.progress.run, log, ledger },
      {
        flush: () => {
          const written = db.transaction(() => {
            // A development server may put another instance on this storage while this one still works.
            if (!isCurrent()) throw new ChatError("interrupted", "Another run has taken this turn over.");
            return log.write();
          });
          if (!written) return;
          log.commit(written);
          hub.broadcast({ type: "chunks", turnId: turn.id, from: written.from, items: written.items });
        },
        isWatched: () => hub.count > 0,
        sendTransient: (chunk) => hub.broadcast({ type: "event", event: chunk.type, ...("data" in chunk ? { data: chunk.data } : {}) }),
        onEnd: (end) => this.#onEnd(run, end),
        errorText: (error) => hooks.errorText(error),
        report,
      },
      { deps, flush, tools, isClientTool: hooks.isClientTool },
    );
    this.#run = run;
    // The microtask lets the ack of the command leave before the app's code runs.
    void Promise.resolve().then(() => run.consume(() => hooks.onTurn(createTurn(turn, run, { tables, deps, tools, hooks }))));
  }

  /** Lets go of the run of a turn: nothing that it still produces counts. Aborting it is a step of its own. */
  release(run: Run | null): void {
    if (!run) return;
    if (this.#run === run) this.#run = null;
    run.detach();
  }
}
