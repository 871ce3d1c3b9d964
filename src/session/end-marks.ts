// `onTurnEnd` follows from a stored mark, so that a crash between the end of a turn and the hook loses neither.
// Marks are worked off one after another in turn order; the next turn does not wait for them.
import type { TurnEnd } from "../protocol/frames.ts";
import type { EndMark } from "../storage/session-table.ts";
import type { Tables } from "../storage/tables.ts";
import type { Commit, Committer } from "./commit.ts";
import type { Deps } from "./deps.ts";
import type { TurnEndEvent } from "./hooks.ts";

/** The hook may take this long before the alarm takes the object as dead and calls it again. */
const HOOK_LEASE_MS = 60_000;
/** A hook that throws is tried so often in all; then its mark is dropped and reported. */
const MAX_TRIES = 5;
const FIRST_RETRY_MS = 2_000;

export interface EndMarksPorts {
  tables: Tables;
  committer: Committer;
  deps: Deps;
  /** The app's hook; undefined when it has none, and then no mark is ever stored. */
  onTurnEnd: ((event: TurnEndEvent) => void | Promise<void>) | undefined;
  report(error: unknown): void;
}

export class EndMarks {
  readonly #ports: EndMarksPorts;
  /** HIBERNATION: lost with the process; the alarm then finds the marks and calls again. */
  #isWorking = false;

  constructor(ports: EndMarksPorts) {
    this.#ports = ports;
  }

  /** Stores the mark of a turn in the commit that ends it. */
  add(commit: Commit, { turnId, messageId }: TurnEnd): void {
    const { onTurnEnd, deps } = this.#ports;
    if (!onTurnEnd) return;
    const mark: EndMark = { turnId, messageId, tries: 0 };
    commit.change({ endMarks: [...commit.session.endMarks, mark], dueAt: commit.session.dueAt ?? deps.now() + HOOK_LEASE_MS });
    commit.after(() => this.#start(false));
  }

  /** Works off the marks that are due: those of a process that died, and those whose hook threw. */
  due(): void {
    const { dueAt } = this.#ports.tables.session.read();
    if (dueAt !== null && dueAt <= this.#ports.deps.now()) this.#start(true);
  }

  #start(isAgain: boolean): void {
    if (this.#isWorking) return;
    this.#isWorking = true;
    void this.#work(isAgain);
  }

  /** Never rejects: what goes wrong with storage here is found again by the alarm. */
  async #work(isAgain: boolean): Promise<void> {
    let again = isAgain;
    try {
      for (;;) {
        const mark = this.#ports.tables.session.read().endMarks[0];
        if (!mark) return;
        if (!(await this.#call(mark, again || mark.tries > 0))) return;
        again = false;
      }
    } catch (error) {
      this.#ports.report(error);
    } finally {
      this.#isWorking = false;
    }
  }

  /** Calls the hook for one mark; false when it has to wait for its retry. */
  async #call(mark: EndMark, again: boolean): Promise<boolean> {
    try {
      const event = this.#eventOf(mark, again);
      if (event) await this.#ports.onTurnEnd?.(event);
    } catch (error) {
      this.#ports.report(error);
      if (mark.tries + 1 < MAX_TRIES) {
        this.#postpone(mark);
        return false;
      }
    }
    this.#remove(mark);
    return true;
  }

  #eventOf({ turnId, messageId }: EndMark, again: boolean): TurnEndEvent | null {
    const message = this.#ports.tables.messages.find(messageId);
    if (!message?.facts) return null;
    return { turnId, reply: messageId === turnId ? message : null, facts: message.facts, again };
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
    const delayMs = FIRST_RETRY_MS * 4 ** mark.tries * (0.5 + deps.random());
    committer.run((commit) => {
      const endMarks = commit.session.endMarks.map((other) =>
        other.turnId === mark.turnId ? { ...other, tries: other.tries + 1 } : other,
      );
      commit.change({ endMarks, dueAt: Math.round(deps.now() + delayMs) });
    });
  }
}
