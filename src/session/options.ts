// Settings of the object: what `static configure(env)` of the app's class returns.
import { ChatError } from "../errors.ts";
import { DEFAULT_FLUSH, type FlushOptions } from "../stream/flush-policy.ts";
import type { BusyPolicy } from "./line.ts";
import { DEFAULT_RECOVERY, type RecoveryOptions } from "./recovery.ts";
import type { ToolOptions } from "./runner.ts";

/** Settings of a {@link ChatSessionObject}; all have defaults. */
export interface ChatOptions {
  /**
   * Interval in ms at which a streaming reply is stored and sent while someone watches, after a short ramp at its start.
   * Each flush is one billed row: a larger value costs less and moves in larger steps. Below 50 it is 50, above 5,000 it is 5,000.
   * With nobody connected it is every 2,000 ms, or this when it is longer.
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
  /**
   * What becomes of a message that comes while a turn runs: it waits in the queue (20 at most), or is refused with
   * `turn_active`. A message that comes while a turn waits for a person ends that turn either way.
   * @default "queue"
   */
  busy?: "queue" | "reject";
  /** An approval that nobody gives for so long, in ms, is denied. Without it a turn waits for ever, which costs nothing. */
  approvalExpiresMs?: number;
  /** Bounds of one turn. */
  limits?: {
    /** Runs of one turn since the last answer of a person; over it the turn ends `failed` with `attempts_exhausted`. @default 3 */
    maxAttempts?: number;
    /** Time at work of a turn, in ms, without its waits for people; over it the turn ends `failed` with `work_exhausted`. @default 3_600_000 */
    maxWorkMs?: number;
    /** A model that sends nothing for so long, in ms, while no tool call is open, is taken as interrupted. Looked at every 30 s. @default 60_000 */
    stallAfterMs?: number;
    /** A tool of `turn.tools` that takes longer, in ms, fails; its result is dropped when it comes. @default 300_000 */
    toolTimeoutMs?: number;
  };
  /**
   * True in development and tests: a migration whose text changed after it was applied throws, instead of being reported; a
   * tool that was run without `turn.tools` ends its turn with an error.
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
  const { toolTimeoutMs: _ofTools, ...own } = limits;
  const given = Object.entries(own).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) positive(`limits.${name}`, value);
  return { ...DEFAULT_RECOVERY, ...Object.fromEntries(given), policy: recovery };
}

const TOOL_TIMEOUT_MS = 300_000;

/** The settings of tools and approvals in `options`. @throws {ChatError} `configuration` for one that is not a positive number */
export function toolOptionsOf({ limits = {}, approvalExpiresMs, development = false }: ChatOptions): ToolOptions {
  return {
    timeoutMs: limits.toolTimeoutMs === undefined ? TOOL_TIMEOUT_MS : positive("limits.toolTimeoutMs", limits.toolTimeoutMs),
    approvalExpiresMs: approvalExpiresMs === undefined ? null : positive("approvalExpiresMs", approvalExpiresMs),
    isStrict: development,
  };
}

/** The policy for messages that come while a turn runs. @throws {ChatError} `configuration` */
export function busyPolicyOf({ busy = "queue" }: ChatOptions): BusyPolicy {
  if (busy !== "queue" && busy !== "reject") throw new ChatError("configuration", `busy is ${String(busy)}; give "queue" or "reject".`);
  return busy;
}

function positive(name: string, value: unknown): number {
  if (typeof value === "number" && value > 0) return value;
  throw new ChatError("configuration", `${name} is ${String(value)}; give a number above 0.`);
}
