// The one alarm of an object: part of its transactions, delivered at least once, and also to an object that is not in memory.
import type { VirtualClock } from "./virtual-clock.ts";

/** How badly the next alarm is delivered. */
export interface AlarmFault {
  /** Delivered so much later than it was set for. */
  lateMs?: number;
  /** Delivered once more after so much time, though nobody set it. */
  againMs?: number;
}

/** A handler that died with its object is called again after this. The platform's own first retry is about 2 s. */
const RETRY_MS = 2_000;

export class VirtualAlarm {
  readonly #clock: VirtualClock;
  /** Calls the object's handler; false when the object died in it. */
  readonly #deliver: () => boolean;
  #at: number | null = null;
  #isInTransaction = false;
  #cancel: (() => void) | undefined;
  #armedFor: number | null = null;
  readonly #faults: AlarmFault[] = [];

  constructor(clock: VirtualClock, deliver: () => boolean) {
    this.#clock = clock;
    this.#deliver = deliver;
  }

  /** When it is set for, as a transaction that is open sees it; epoch ms. */
  get at(): number | null {
    return this.#at;
  }

  /** True while its handler runs: the platform calls it again when that does not return. */
  isDelivering = false;

  /** Sets it, or deletes it (null). Inside a transaction it counts once that has committed. */
  set(at: number | null): void {
    this.#at = at;
    if (!this.#isInTransaction) this.#arm();
  }

  /** The next deliveries go wrong in these ways, one each. */
  spoil(fault: AlarmFault): void {
    this.#faults.push(fault);
  }

  /** Deliveries are as they should be again. */
  heal(): void {
    this.#faults.length = 0;
  }

  /** A transaction or savepoint begins; the result takes back what it did. */
  save(): () => void {
    const at = this.#at;
    this.#isInTransaction = true;
    return () => {
      this.#at = at;
    };
  }

  /** The outermost transaction is over. */
  end(): void {
    this.#isInTransaction = false;
    this.#arm();
  }

  #arm(): void {
    if (this.#at === this.#armedFor) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#armedFor = this.#at;
    if (this.#at === null) return;
    const fault = this.#faults.shift();
    const delayMs = Math.max(0, this.#at - this.#clock.now()) + (fault?.lateMs ?? 0);
    this.#cancel = this.#clock.setTimer(delayMs, () => {
      this.#at = null;
      this.#armedFor = null;
      this.#fire();
      if (fault?.againMs !== undefined) this.#clock.setTimer(fault.againMs, () => this.#fire());
    });
  }

  #fire(): void {
    this.isDelivering = true;
    const hasReturned = this.#deliver();
    this.isDelivering = false;
    if (hasReturned || this.#at !== null) return;
    this.#at = this.#clock.now() + RETRY_MS;
    this.#arm();
  }
}
