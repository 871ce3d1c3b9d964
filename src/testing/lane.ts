// One direction of a link: what is put in comes out in the same order, later or not at all. Owns every timer of a link.

/** How a link is at the moment; shared by all its lanes. */
export interface LinkState {
  /** Nothing comes out while true. */
  isHeld: boolean;
  /** What is put in now comes out after so many ms. */
  delayMs: number;
}

/** A queue with a delay and a stopcock. Without either, `push` calls at once. */
export class Lane {
  readonly #state: LinkState;
  readonly #waiting: { run: () => void; at: number }[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(state: LinkState) {
    this.#state = state;
  }

  push(run: () => void): void {
    this.#waiting.push({ run, at: performance.now() + this.#state.delayMs });
    this.pump();
  }

  /** Lets out what is due. Called again by itself; after the stopcock has opened, by the link. */
  pump(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (let next = this.#waiting[0]; next && !this.#state.isHeld; next = this.#waiting[0]) {
      const waitMs = next.at - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), Math.ceil(waitMs));
        return;
      }
      this.#waiting.shift();
      next.run();
    }
  }

  /** Forgets what waits. */
  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#waiting.length = 0;
  }
}
