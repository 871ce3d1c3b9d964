// `onTurnEnd` follows from a stored mark, so that a crash between the end of a turn and the hook loses neither.
// Marks are worked off one after another in turn order; the next turn does not wait for them.
import type { TurnEnd } from "../protocol/frames.ts";
import type { EndMark } from "../storage/session-table.ts";
import type { Tables } from "../storage/tables.ts";
import type { Commit, Committer } from "./commit.ts";
import type { Deps } from "./deps.ts";
import type { SessionHooks, TurnEndEvent } from "./hooks.ts";

/** The hook may take this long before the alarm takes the object as dead and calls it again. */
const HOOK_LEASE_MS = 60_000;
/** A hook that throws is tried so often in all, and one that does not return is waited for so many leases; then its mark is dropped and reported. */
const MAX_TRIES = 5;
const FIRST_RETRY_MS = 2_000;

export interface EndMarksPorts {
  tables: Tables;
  committer: Committer;
  deps: Deps;
  /** Without an `onTurnEnd` no mark is ever stored. */
  hooks: Pick<SessionHooks, "onTurnEnd">;
  report: (error: unknown) => void;
}

export class EndMarks {
  readonly #ports: EndMarksPorts;
  /**
   * HIBERNATION: lost with the process; the alarm then finds the marks and calls again. `leases`: how often the alarm has found
   * this call at work.
   */
  #work: { turnId: string; leases: number } | null = null;
  /** HIBERNATION: marks stored by this incarnation. Every other one may have been called before. */
  readonly #fresh = new Set<string>();

  constructor(ports: EndMarksPorts) {
    this.#ports = ports;
  }

  /** Stores the mark of a turn in the commit that ends it. */
  add(commit: Commit, { turnId, messageId, createdAt, facts }: TurnEnd): void {
    const { hooks, deps } = this.#ports;
    if (!hooks.onTurnEnd) return;
    const mark: EndMark = { turnId, messageId, facts, isReply: createdAt !== undefined, tries: 1 };
    commit.change({ endMarks: [...commit.session.endMarks, mark], dueAt: commit.session.dueAt ?? deps.now() + HOOK_LEASE_MS });
    this.#fresh.add(turnId);
    // Behind others it waits for them: for the loop that works on them, or for the alarm of the one that failed.
    if (commit.session.endMarks.length === 1) commit.after(() => this.#start());
  }

  /** Works off the marks that are due: those of a process that died, and those whose hook threw. */
  due(): void {
    const { tables, committer, deps, report } = this.#ports;
    const { dueAt, endMarks } = tables.session.read();
    const [mark, ...rest] = endMarks;
    if (!mark || dueAt === null) return;
    if (dueAt > deps.now()) return committer.run(() => {}); // Only sees that the alarm matches: it may have been lost.
    // A hook that is at work only keeps its lease, so often. Any other call is counted before it is made: it may end the process.
    const tries = this.#work ? mark.tries : mark.tries + 1;
    const isOver = tries > MAX_TRIES || (this.#work !== null && ++this.#work.leases > MAX_TRIES);
    if (isOver) {
      this.#work = null;
      report(new Error(`onTurnEnd of turn ${mark.turnId} never returned in ${MAX_TRIES} calls or minutes: given up.`));
    }
    const left = isOver ? rest : [{ ...mark, tries }, ...rest];
    committer.run((commit) => commit.change({ endMarks: left, dueAt: left.length > 0 ? deps.now() + HOOK_LEASE_MS : null }));
    this.#start();
  }

  #start(): void {
    if (this.#work) return;
    const work = { turnId: "", leases: 0 };
    this.#work = work;
    void this.#workOff(work);
  }

  /** Never rejects: what goes wrong with storage here is found again by the alarm. Ends when it was given up. */
  async #workOff(work: { turnId: string; leases: number }): Promise<void> {
    try {
      // The ack and the start of the next turn come before the app's code.
      await Promise.resolve();
      while (this.#work === work) {
        const mark = this.#ports.tables.session.read().endMarks[0];
        if (!mark) return;
        if (work.turnId !== mark.turnId) Object.assign(work, { turnId: mark.turnId, leases: 0 });
        const hasThrown = await this.#call(mark, !this.#fresh.has(mark.turnId) || mark.tries > 1);
        if (this.#work !== work) return;
        if (hasThrown && mark.tries < MAX_TRIES) return this.#postpone(mark);
        this.#remove(mark);
        this.#fresh.delete(mark.turnId);
      }
    } catch (error) {
      this.#ports.report(error);
    } finally {
      if (this.#work === work) this.#work = null;
    }
  }

  /** Calls the hook for one mark; true when it threw. */
  async #call(mark: EndMark, again: boolean): Promise<boolean> {
    try {
      const event = this.#eventOf(mark, again);
      if (event) await this.#ports.hooks.onTurnEnd?.(event);
      return false;
    } catch (error) {
      this.#ports.report(error);
      return true;
    }
  }

  #eventOf({ turnId, messageId, facts: ended, isReply = messageId === turnId }: EndMark, again: boolean): TurnEndEvent | null {
    const message = this.#ports.tables.messages.find(messageId);
    const facts = ended ?? message?.facts;
    return message && facts ? { turnId, reply: isReply ? message : null, facts, again } : null;
  }

  #remove(mark: EndMark): void {
    const { committer, deps } = this.#ports;
    committer.run((commit) => {
      const endMarks = commit.session.endMarks.filter(({ turnId }) => turnId !== mark.turnId);
      commit.change({ endMarks, dueAt: endMarks.length > 0 ? deps.now() + HOOK_LEASE_MS : null });
    });
  }

  #postpone(mark: EndMark): void {
    const { committer, deps } = this.#ports;
    const delayMs = FIRST_RETRY_MS * 4 ** (mark.tries - 1) * (0.5 + deps.random());
    committer.run((commit) => {
      commit.change({ dueAt: Math.round(deps.now() + delayMs) });
    });
  }
}
