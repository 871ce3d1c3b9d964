// The object's one alarm: always the earliest due time of any row. The only caller of setAlarm and deleteAlarm.
import type { Tables } from "../storage/tables.ts";

/** The part of `DurableObjectStorage` that owns the alarm. Both calls take part in a running transaction. */
export interface AlarmPlatform {
  setAlarm(at: number): Promise<void>;
  deleteAlarm(): Promise<void>;
}

/** Each set and each delete is a billed row, so the alarm is touched only when its time changes. */
export class Alarms {
  readonly #platform: AlarmPlatform;
  readonly #tables: Tables;
  readonly #report: (error: unknown) => void;
  /** HIBERNATION: undefined is "not known", which costs one write of the alarm that may not have been needed. */
  #at: number | null | undefined;

  constructor(platform: AlarmPlatform, tables: Tables, report: (error: unknown) => void) {
    this.#platform = platform;
    this.#tables = tables;
    this.#report = report;
  }

  /** The alarm has fired: the platform holds none now. */
  fired(): void {
    this.#at = null;
  }

  /**
   * Sets the alarm to the earliest due time, inside the caller's transaction.
   * @returns what to call after the commit
   */
  schedule(sessionDueAt: number | null): () => void {
    const dueAt = earliest(sessionDueAt, this.#tables.turns.dueAt());
    if (dueAt !== this.#at) this.#set(dueAt);
    return () => {
      this.#at = dueAt;
    };
  }

  /** Asks to be woken at `at` whatever the rows say: for when reading or writing them has just failed. */
  retryAt(at: number): void {
    this.#set(at);
    this.#at = at;
  }

  /** The earliest due time; null when there is none or storage does not say. */
  tryEarliest(): number | null {
    try {
      return earliest(this.#tables.session.read().dueAt, this.#tables.turns.dueAt());
    } catch {
      return null; // Storage is what fails: the caller waits long.
    }
  }

  #set(at: number | null): void {
    const done = at === null ? this.#platform.deleteAlarm() : this.#platform.setAlarm(at);
    done.catch(this.#report);
  }
}

function earliest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
