// One direction of a connection: what goes in comes out later, in order, until it is cut.
import type { VirtualClock } from "./virtual-clock.ts";

export class VirtualLane<Item> {
  readonly #clock: VirtualClock;
  readonly #latencyMs: () => number;
  readonly #deliver: (item: Item) => void;
  #lastAt = 0;
  #isCut = false;
  /** What has gone in and is to come out. */
  underWay = 0;

  constructor(clock: VirtualClock, latencyMs: () => number, deliver: (item: Item) => void) {
    this.#clock = clock;
    this.#latencyMs = latencyMs;
    this.#deliver = deliver;
  }

  /** Nobody is told when it does not arrive. */
  send(item: Item): void {
    if (this.#isCut) return;
    this.#lastAt = Math.max(this.#lastAt, this.#clock.now() + this.#latencyMs());
    this.underWay++;
    this.#clock.setTimer(this.#lastAt - this.#clock.now(), () => {
      this.underWay--;
      if (!this.#isCut) this.#deliver(item);
    });
  }

  /** Nothing comes out any more, also not what is under way. */
  cut(): void {
    this.#isCut = true;
  }
}
