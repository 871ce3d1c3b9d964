// One stay of an object in memory. Whatever is started in it ends with it: its timers never fire, what it awaits never
// comes, and its storage and sockets do nothing more.
import type { VirtualClock } from "./virtual-clock.ts";
import type { SocketOwner, VirtualConnection } from "./virtual-connection.ts";

export class Incarnation implements SocketOwner {
  readonly onSend: (connection: VirtualConnection, data: string) => void;
  readonly #clock: VirtualClock;
  readonly #timers = new Set<() => void>();
  #jobs = 0;
  #isDead = false;

  constructor(clock: VirtualClock, onSend: (connection: VirtualConnection, data: string) => void) {
    this.#clock = clock;
    this.onSend = onSend;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** True while a timer is set or work of the app is under way: the platform would not evict it. */
  get isBusy(): boolean {
    return this.#timers.size > 0 || this.#jobs > 0;
  }

  setTimer(ms: number, run: () => void): () => void {
    if (this.#isDead) return () => {};
    const cancel = this.#clock.setTimer(ms, () => {
      this.#timers.delete(cancel);
      try {
        run();
      } catch (error) {
        // Whoever dies in a timer has nobody left to tell.
        if (!this.#isDead) throw error;
      }
    });
    this.#timers.add(cancel);
    return () => {
      this.#timers.delete(cancel);
      cancel();
    };
  }

  /**
   * Waits. Ends early when `signal` aborts; never, when the incarnation dies.
   * @param ms `Infinity` waits for the signal
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal?.removeEventListener("abort", end);
        if (!this.#isDead) resolve();
      };
      const cancel = ms === Infinity ? () => {} : this.setTimer(ms, end);
      signal?.addEventListener("abort", end);
    });
  }

  /** Work of the app begins, which keeps the object from being evicted; the result ends it. */
  begin(): () => void {
    this.#jobs++;
    let isOver = false;
    return () => {
      if (!isOver) this.#jobs--;
      isOver = true;
    };
  }

  /** The end of it. */
  kill(): void {
    this.#isDead = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }
}
