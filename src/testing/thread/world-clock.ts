// The clock of a test thread: tells when anything is set, and counts what is on its way through the network.
import { VirtualClock } from "../world/virtual-clock.ts";

export class WorldClock extends VirtualClock {
  readonly #onSet: () => void;

  /** @param onSet called for each timer that is set: there may be something to do now */
  constructor(start: number, onSet: () => void) {
    super(start);
    this.#onSet = onSet;
  }

  override setTimer(ms: number, run: () => void): () => void {
    const cancel = super.setTimer(ms, run);
    this.#onSet();
    return cancel;
  }

  override hold(promise: Promise<unknown>): void {
    super.hold(promise);
    this.#onSet();
  }
}

/** The same clock for one part of the world, whose timers are counted. */
export class CountedClock extends VirtualClock {
  readonly #clock: VirtualClock;
  readonly #set = new Set<object>();

  constructor(clock: VirtualClock) {
    super(0);
    this.#clock = clock;
  }

  override readonly now = (): number => this.#clock.now();

  /** Timers that are set. */
  get underWay(): number {
    return this.#set.size;
  }

  override setTimer(ms: number, run: () => void): () => void {
    const mark = {};
    this.#set.add(mark);
    const cancel = this.#clock.setTimer(ms, () => {
      this.#set.delete(mark);
      run();
    });
    return () => {
      this.#set.delete(mark);
      cancel();
    };
  }

  override hold(promise: Promise<unknown>): void {
    this.#clock.hold(promise);
  }
}
