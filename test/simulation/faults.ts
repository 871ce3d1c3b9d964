// What goes wrong in the storage of a run, counted in statements and commits.
import { DeadIncarnation, type StorageProbe } from "../../src/testing/world/virtual-storage.ts";

/** What a storage throws that fails now and then. */
export class InjectedFailure extends Error {
  override readonly name = "InjectedFailure";
}

type Moment = "before commit" | "after commit" | "statement" | "commit" | "tool";

interface Fault {
  effect: "crash" | "fail";
  when: Moment;
  ahead: number;
  /** So often in a row. @default 1 */
  times?: number;
}

export interface FaultPorts {
  crash(): void;
  afterCommit(): unknown;
  tell(text: string): void;
}

export class Faults implements StorageProbe {
  readonly #ports: FaultPorts;
  #armed: Fault[] = [];
  /** How often the storage has failed. */
  failures = 0;

  constructor(ports: FaultPorts) {
    this.#ports = ports;
  }

  arm(fault: Fault): void {
    this.#armed.push({ ...fault });
  }

  heal(): void {
    this.#armed = [];
  }

  beforeStatement(): void {
    if (this.#armed.length > 0) this.#strike("statement");
  }

  beforeCommit(): void {
    if (this.#armed.length === 0) return;
    this.#strike("before commit");
    this.#strike("commit");
  }

  afterCommit(): void {
    this.#ports.afterCommit();
    if (this.#armed.length > 0) this.#strike("after commit");
  }

  /** A tool is at work: before or after what it does to the world. */
  inTool(): void {
    if (this.#armed.length > 0) this.#strike("tool");
  }

  #strike(when: Moment): void {
    for (const fault of this.#armed) {
      if (fault.when !== when || fault.ahead-- > 0) continue;
      const left = (fault.times ?? 1) - 1;
      fault.times = left;
      if (left <= 0) this.#armed = this.#armed.filter((other) => other !== fault);
      this.#ports.tell(`${fault.effect} (${when})`);
      if (fault.effect === "fail") {
        this.failures++;
        throw new InjectedFailure("The storage was told to fail here.");
      }
      this.#ports.crash();
      throw new DeadIncarnation("The object was told to die here.");
    }
  }
}
