// Waiting for a condition, with a deadline that says what did not come.

/** Wakes whoever waits for something that may just have become true. */
export class Bell {
  #wakers: (() => void)[] = [];

  ring(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }

  /** Resolves when `isTrue`, asked now and at each ring. @throws what `describe` says when that takes longer than `deadlineMs` */
  async until(isTrue: () => boolean, describe: () => string, deadlineMs = 15_000): Promise<void> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.ring();
    }, deadlineMs);
    try {
      while (!isTrue()) {
        if (isLate) throw new Error(`Not within ${deadlineMs} ms: ${describe()}`);
        await new Promise<void>((resolve) => this.#wakers.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/** For what tells nobody of its changes: the log of a process, the clock. */
export async function poll(isTrue: () => boolean, what: string, deadlineMs: number): Promise<void> {
  const startedAt = Date.now();
  while (!isTrue()) {
    if (Date.now() - startedAt > deadlineMs) throw new Error(`Not within ${deadlineMs} ms: ${what}`);
    await pause(20);
  }
}

/** A moment of chance, for a crash that comes at any time. Never to let something happen: see `Bell.until` for that. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
