// Settings of the object: what `static configure(env)` of the app's class returns.
import { ChatError } from "../errors.ts";
import { DEFAULT_FLUSH, type FlushOptions } from "../stream/flush-policy.ts";
import { DEFAULT_RECOVERY, type RecoveryOptions } from "./recovery.ts";

/** Settings of a {@link ChatSessionObject}; all have defaults. */
export interface ChatOptions {
  /**
   * Interval in ms at which a streaming reply is stored and sent while someone watches, after a short ramp at its start.
   * Each flush is one billed row: a larger value costs less and moves in larger steps. 50 to 5,000.
   * @default 500
   */
  flushEveryMs?: number;
  /**
   * What becomes of a reply that was cut off by a deploy, an eviction, a crash or a stalled model after it had shown
   * something. `keep` stores what there is as `interrupted`, with a notice; `continue` discards the unfinished step and runs
   * `onTurn` again in the same message. A run that showed under 200 characters and called no tool is repeated either way.
   * @default "keep"
   */
  recovery?: "keep" | "continue";
  limits?: {
    /** Runs of one turn; over it the turn ends `failed` with `attempts_exhausted`. @default 3 */
    maxAttempts?: number;
    /** Time from the start of a turn to its end, in ms; over it the turn ends `failed` with `work_exhausted`. @default 3_600_000 */
    maxWorkMs?: number;
    /** A model that sends nothing for so long, in ms, while no tool call is open, is taken as interrupted. Looked at every 30 s. @default 60_000 */
    stallAfterMs?: number;
  };
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

/** The recovery settings of `options`. @throws {ChatError} `configuration` for one that is not a positive number */
export function recoveryOptionsOf({ recovery = DEFAULT_RECOVERY.policy, limits = {} }: ChatOptions): RecoveryOptions {
  if (recovery !== "keep" && recovery !== "continue") {
    throw new ChatError("configuration", `recovery is ${String(recovery)}; give "keep" or "continue".`);
  }
  const given = Object.entries(limits).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!(typeof value === "number" && value > 0))
      throw new ChatError("configuration", `limits.${name} is ${String(value)}; give a number above 0.`);
  }
  return { ...DEFAULT_RECOVERY, ...Object.fromEntries(given), policy: recovery };
}
