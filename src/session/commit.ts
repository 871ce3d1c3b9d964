// One change of a thread: a synchronous transaction, then the frames that tell of it, then what follows from it.
// The order is the promise "written before sent": no frame leaves before its transaction has returned.
import type { ServerFrame } from "../protocol/frames.ts";
import type { SocketHub } from "../sockets/hub.ts";
import type { Database } from "../storage/database.ts";
import type { SessionChange, SessionRow } from "../storage/session-table.ts";
import type { Tables } from "../storage/tables.ts";
import type { Alarms } from "./alarms.ts";

/** What a change collects while its transaction runs. The session row is read once and written once. */
export class Commit {
  readonly frames: ServerFrame[] = [];
  readonly followUps: (() => void)[] = [];
  readonly #row: SessionRow;
  #change: SessionChange = {};

  constructor(row: SessionRow) {
    this.#row = row;
  }

  /** The session row with the changes made so far. */
  get session(): Readonly<SessionRow> {
    return this.#row;
  }

  get pendingChange(): SessionChange | null {
    return Object.keys(this.#change).length > 0 ? this.#change : null;
  }

  /** Changes the session row. */
  change(change: SessionChange): void {
    Object.assign(this.#row, change);
    Object.assign(this.#change, change);
  }

  /** The next revision: one for each durable change that clients can see. */
  nextRev(): number {
    this.change({ rev: this.#row.rev + 1 });
    return this.#row.rev;
  }

  /** Sends to every connection after the transaction, in order. */
  broadcast(frame: ServerFrame): void {
    this.frames.push(frame);
  }

  /** Runs after the transaction and after its frames were sent. Must not throw. */
  after(followUp: () => void): void {
    this.followUps.push(followUp);
  }
}

export interface CommitterPorts {
  db: Database;
  tables: Tables;
  hub: SocketHub;
  alarms: Alarms;
}

export class Committer {
  readonly #ports: CommitterPorts;
  readonly #now: () => number;

  constructor(ports: CommitterPorts, now: () => number) {
    this.#ports = ports;
    this.#now = now;
  }

  /**
   * Runs `body` in one transaction; when it throws, nothing has happened: no row, no alarm, no frame.
   * @param before runs first in the same transaction (it makes the thread)
   */
  run<T>(body: (commit: Commit) => T, before?: () => void): T {
    const { db, tables, hub, alarms } = this.#ports;
    const { commit, result, alarmSet } = db.transaction(() => {
      before?.();
      const commit = new Commit(tables.session.read());
      const result = body(commit);
      if (commit.pendingChange) tables.session.update(commit.pendingChange, this.#now());
      return { commit, result, alarmSet: alarms.schedule(commit.session.dueAt) };
    });
    alarmSet();
    hub.broadcast(...commit.frames);
    for (const followUp of commit.followUps) followUp();
    return result;
  }
}
