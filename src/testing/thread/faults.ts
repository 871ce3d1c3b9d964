// What goes wrong in a thread, counted in its commits: the only moments at which a crash can leave anything behind.
import type { SeededRandom } from "../world/seeded-random.ts";
import { DeadIncarnation, type StorageProbe } from "../world/virtual-storage.ts";

/** One thing that goes wrong. */
export interface Fault {
  /**
   * `crash`: the process dies. `evict`: the object leaves memory as soon as it has nothing to do; sockets stay. `drop`: the
   * socket of a client dies. `alarm`: the next alarm comes 40 s late, and a second time.
   */
  kind: "crash" | "evict" | "drop" | "alarm";
  /** With the commit of this number, from 1. */
  commit: number;
  /** A `crash` just before the commit takes what it would have stored with it. @default "after" */
  when?: "before" | "after";
  /** Which thread of the scenario, in the order of their making. @default 0 */
  thread?: number;
}

export interface FaultPorts {
  crash(): void;
  evict(): void;
  drop(): void;
  spoilAlarm(): void;
}

export class Faults implements StorageProbe {
  readonly #ports: FaultPorts;
  #faults: readonly Fault[];
  /** Transactions that were about to commit. */
  commits = 0;
  /** Statements that the object has made. */
  statements = 0;
  #isCommit = false;

  constructor(faults: readonly Fault[], ports: FaultPorts) {
    this.#faults = faults;
    this.#ports = ports;
  }

  /** Nothing goes wrong any more. */
  heal(): void {
    this.#faults = [];
  }

  beforeStatement(): void {
    this.statements++;
  }

  beforeCommit(): void {
    this.commits++;
    this.#isCommit = true;
    this.#strike("before");
  }

  afterCommit(): void {
    // A statement outside of a transaction is no such moment: workerd commits it with those around it.
    if (!this.#isCommit) return;
    this.#isCommit = false;
    this.#strike("after");
  }

  #strike(when: "before" | "after"): void {
    for (const fault of this.#faults) {
      if (fault.commit !== this.commits || (fault.when ?? "after") !== when) continue;
      if (fault.kind === "evict") this.#ports.evict();
      if (fault.kind === "drop") this.#ports.drop();
      if (fault.kind === "alarm") this.#ports.spoilAlarm();
      if (fault.kind !== "crash") continue;
      this.#ports.crash();
      throw new DeadIncarnation("The object was told to die here.");
    }
  }
}

/** One to four things that go wrong somewhere in so many commits of each thread. */
export function drawFaults(random: SeededRandom, commits: readonly number[]): Fault[] {
  return Array.from({ length: random.between(1, 4) }, () => {
    const thread = random.between(0, commits.length - 1);
    // A recovery commits more often than a run in which nothing goes wrong.
    const commit = random.between(1, Math.ceil((commits[thread] ?? 0) * 1.3) + 1);
    const kind = random.weighted({ crash: 6, evict: 2, drop: 2, alarm: 1 });
    return {
      kind,
      commit,
      ...(kind === "crash" && random.chance(0.5) ? { when: "before" as const } : {}),
      ...(thread > 0 ? { thread } : {}),
    };
  }).sort((a, b) => (a.thread ?? 0) - (b.thread ?? 0) || a.commit - b.commit);
}

/** A fault in words. */
export function describeFault({ kind, commit, when = "after", thread = 0 }: Fault): string {
  const what = { crash: "crash", evict: "eviction", drop: "lost socket", alarm: "late, doubled alarm" }[kind];
  return `${what} ${when} commit ${commit}${thread > 0 ? ` of thread ${thread}` : ""}`;
}
