// Time that only moves when asked to. Events run one at a time, in the order of (time, insertion), and everything that an
// event sets off without a timer is over before the next one: so a run depends on nothing but its events.

interface Event {
  at: number;
  order: number;
  run: (() => void) | null;
}

/** As it was when this file was loaded: a test may put another one in its place. */
const { setImmediate } = globalThis;

/** So many events at one moment are a loop. */
const MAX_STANDING = 10_000;

export class VirtualClock {
  #now: number;
  #order = 0;
  #pending = 0;
  /** Events since time last moved. */
  #standing = 0;
  /** A binary heap; cancelled events stay in it, without their function, until they come up. */
  readonly #heap: Event[] = [];
  readonly #held = new Set<Promise<unknown>>();

  /** @param start epoch ms */
  constructor(start: number) {
    this.#now = start;
  }

  /** Epoch ms. */
  readonly now = (): number => this.#now;

  /** Events that are still to come. */
  get pending(): number {
    return this.#pending;
  }

  /** Runs `run` once after `ms`; the result takes it back. Events of one time run in the order in which they were set. */
  setTimer(ms: number, run: () => void): () => void {
    const event: Event = { at: this.#now + Math.max(0, Math.ceil(ms)), order: this.#order++, run };
    this.#push(event);
    this.#pending++;
    return () => {
      if (event.run) this.#pending--;
      event.run = null;
    };
  }

  /** The clock stands until `promise` settles: for work that the real event loop does, such as `crypto.subtle`. */
  hold(promise: Promise<unknown>): void {
    const held: Promise<unknown> = promise.then(
      () => this.#held.delete(held),
      () => this.#held.delete(held),
    );
    this.#held.add(held);
  }

  /** Waits until everything that was set off without a timer is over. Takes no virtual time. */
  async settle(): Promise<void> {
    await macrotask();
    while (this.#held.size > 0) {
      await Promise.all(this.#held);
      await macrotask();
    }
  }

  /**
   * Runs the next event and what it sets off; false when there is none up to `end` (epoch ms).
   * @throws {Error} when time does not move any more, and what the event throws
   */
  async step(end = Infinity): Promise<boolean> {
    const event = this.#next(end);
    if (!event) return false;
    this.#standing = event.at > this.#now ? 0 : this.#standing + 1;
    if (this.#standing > MAX_STANDING)
      throw new Error(`More than ${MAX_STANDING} events at one moment: something sets itself again at once.`);
    this.#now = Math.max(this.#now, event.at);
    const { run } = event;
    event.run = null;
    this.#pending--;
    run!();
    await this.settle();
    return true;
  }

  /** Runs every event of the next `ms`, or up to the first after which `until` says so. True when `until` did. */
  async advance(ms: number, until: () => boolean = () => false): Promise<boolean> {
    const end = this.#now + ms;
    await this.settle();
    while (!until()) {
      if (await this.step(end)) continue;
      this.#now = end;
      return until();
    }
    return true;
  }

  /** Takes the next live event off the heap. */
  #next(end: number): Event | undefined {
    while (this.#heap.length > 0) {
      const first = this.#heap[0]!;
      if (first.run && first.at > end) return undefined;
      this.#pop();
      if (first.run) return first;
    }
    return undefined;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Every microtask runs before it resolves. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
