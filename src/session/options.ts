// Settings of the object: what `static configure(env)` of the app's class returns.
import { ChatError } from "../errors.ts";
import { DEFAULT_FLUSH, type FlushOptions } from "../stream/flush-policy.ts";

/** Settings of a {@link ChatSessionObject}; all have defaults. */
export interface ChatOptions {
  /**
   * Interval in ms at which a streaming reply is stored and sent while someone watches, after a short ramp at its start.
   * Each flush is one billed row: a larger value costs less and moves in larger steps. 50 to 5,000.
   * @default 500
   */
  flushEveryMs?: number;
  /**
   * True in development and tests: a migration whose text changed after it was applied throws, instead of being reported.
   * @default false
   */
  development?: boolean;
}

/** The flush settings of `options`, within their bounds. @throws {ChatError} `configuration` */
export function flushOptionsOf({ flushEveryMs = DEFAULT_FLUSH.flushEveryMs }: ChatOptions): FlushOptions {
  if (!Number.isFinite(flushEveryMs))
    throw new ChatError("configuration", `flushEveryMs is ${flushEveryMs}; give milliseconds from 50 to 5,000.`);
  return { ...DEFAULT_FLUSH, flushEveryMs: Math.min(5_000, Math.max(50, flushEveryMs)) };
}
