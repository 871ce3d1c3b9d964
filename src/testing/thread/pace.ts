// Drives the clock of a test thread, so that a test just awaits what it asked for. The rules:
// - Time moves only while something is under way, and then it jumps: from one event to the next.
// - While the app's own code is at work (a model, a tool, a hook), nobody can know how long that will take: then time passes
//   as it really does, so that no timeout strikes a model that only waits for its turn. What is in the network arrives.
// - `advance` moves time by so much, whatever is at work.
import type { VirtualClock } from "../world/virtual-clock.ts";

/** As they were when this file was loaded: a test may put others in their place. */
const { setImmediate, setTimeout } = globalThis;
const realNow = performance.now.bind(performance);

/** The app's code that did nothing for so many rounds of the event loop waits for something real. */
const QUIET_ROUNDS = 8;
/** What is in the network is there within this time. */
const NETWORK_MS = 5_000;
/** Real time between two looks at code that waits for something real. */
const LOOK_MS = 2;
/** `advance` gives code that is at work so much real time before it goes on without it. */
const GRACE_MS = 25;
/** Nothing that ends by itself takes longer. */
const PATIENCE_MS = 2 * 3_600_000;

export interface PacePorts {
  clock: VirtualClock;
  /** What has to come to an end before the world is at rest; null when it is. */
  underWay: () => string | null;
  /** True while the app's code is at work. */
  isAtWork: () => boolean;
  /** True while something is in the network. */
  isInTransit: () => boolean;
  /** A number that changes with everything that the app's code does. */
  activity: () => number;
  /** Called between two events. */
  between: () => void;
  report: (error: unknown) => void;
}

export class Pace {
  readonly #ports: PacePorts;
  #running: Promise<void> | null = null;
  #isAsked = false;
  /** How many have taken the clock from the loop. */
  #takers = 0;
  #isOver = false;
  #failure: unknown;
  /** `activity` when code that is at work was last given its time. */
  #waitedFor = -1;

  constructor(ports: PacePorts) {
    this.#ports = ports;
  }

  /** True while something is being done. */
  get isMoving(): boolean {
    return this.#running !== null || this.#takers > 0;
  }

  /** There may be something to do. Does it in the background, not before the present task is over. */
  wake(): void {
    this.#isAsked = true;
    if (this.#isOver || this.#takers > 0 || this.#failure !== undefined) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      if (this.#isAsked) this.wake();
    });
  }

  /** Resolves when nothing is under way. @throws what went wrong in the world, or that nothing moves any more */
  async settle(): Promise<void> {
    this.wake();
    while (this.#running) await this.#running;
    this.#throwFailure();
    const left = this.#isOver ? null : this.#ports.underWay();
    if (left) throw new Error(`The thread does not come to rest: ${left}, and nothing is left that could change it.`);
  }

  /** Moves time by `ms`, with everything that happens in it. */
  async advance(ms: number): Promise<void> {
    this.#throwFailure();
    this.#takers++;
    try {
      await this.#running;
      const { clock } = this.#ports;
      const end = clock.now() + Math.ceil(ms);
      await this.#grace();
      while (!this.#isOver && (await clock.step(end))) {
        this.#ports.between();
        await this.#grace();
      }
      await clock.advance(end - clock.now());
    } finally {
      this.#takers--;
      this.wake();
    }
  }

  /** Nothing is driven any more. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    let quiet = 0;
    let seen = -1;
    let lookedAt = realNow();
    const end = this.#ports.clock.now() + PATIENCE_MS;
    const { clock, isAtWork, isInTransit, underWay, activity, between } = this.#ports;
    try {
      this.#isAsked = false;
      for (await clock.settle(); this.#mayGoOn(); await clock.settle()) {
        between();
        if (isAtWork()) {
          quiet = activity() === seen ? quiet + 1 : 0;
          seen = activity();
          if (quiet === 0) lookedAt = realNow();
          if (quiet < QUIET_ROUNDS) continue;
          if (isInTransit() && (await clock.step(clock.now() + NETWORK_MS))) continue;
          await elapse(LOOK_MS);
          // Whole milliseconds, as every clock of the platform.
          const passedMs = Math.floor(realNow() - lookedAt);
          lookedAt += passedMs;
          await clock.advance(passedMs);
        } else {
          quiet = 0;
          if (await clock.step(clock.now())) continue;
          const left = underWay();
          if (!left) return;
          if (clock.now() > end) throw new Error(`The thread does not come to rest: ${left}, for hours of its time.`);
          if (!(await clock.step())) return;
        }
      }
    } catch (error) {
      this.#failure = error;
      this.#ports.report(error);
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #mayGoOn(): boolean {
    return !this.#isOver && this.#takers === 0;
  }

  /** Waits until the app's code has nothing to do, or waits for something real for longer than a while. */
  async #grace(): Promise<void> {
    const { clock, isAtWork, activity } = this.#ports;
    await clock.settle();
    if (activity() === this.#waitedFor) return;
    let since = realNow();
    for (let seen = activity(); isAtWork() && realNow() - since < GRACE_MS && !this.#isOver; await tick()) {
      if (activity() === seen) continue;
      seen = activity();
      since = realNow();
    }
    this.#waitedFor = activity();
    await clock.settle();
  }
}

function elapse(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
