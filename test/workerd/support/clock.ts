// The tests share an isolate with the objects, so a faked Date is the clock of both. Timers stay real. No assertions.
import { vi } from "vitest";

/** Runs `body` with a clock that stands still until `move` is called. */
export async function withClock(body: (move: (ms: number) => void) => Promise<void>): Promise<void> {
  let now = Date.now();
  vi.useFakeTimers({ toFake: ["Date"], now });
  try {
    await body((ms) => vi.setSystemTime((now += ms)));
  } finally {
    vi.useRealTimers();
  }
}
