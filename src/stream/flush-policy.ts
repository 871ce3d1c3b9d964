// When pending chunks are stored and sent. Each flush is one billed row and one frame, so the rule is: at once where a
// person would notice a wait, seldom where nobody would. Pure.
import type { Chunk } from "../protocol/messages.ts";

/** Delays after the first visible flush, in ms: text moves early, rows stay few. */
const RAMP_MS = [50, 100, 200, 400];

/** Pending bytes that are flushed without waiting. */
export const FLUSH_BYTES = 8_192;

export interface FlushOptions {
  /** Steady interval with someone watching, in ms. */
  flushEveryMs: number;
  /** Steady interval with nobody connected, in ms. */
  unwatchedFlushEveryMs: number;
}

export const DEFAULT_FLUSH: FlushOptions = { flushEveryMs: 500, unwatchedFlushEveryMs: 2_000 };

/** How long after flush number `flushes` (counted from 1) the next one is due. */
export function flushDelayMs(flushes: number, watched: boolean, options: FlushOptions): number {
  if (!watched) return Math.max(options.unwatchedFlushEveryMs, options.flushEveryMs);
  return Math.min(RAMP_MS[flushes - 1] ?? options.flushEveryMs, options.flushEveryMs);
}

/** True for a chunk that a person can see. `start` and `start-step` come before the model is even called: they wait for one. */
export function isVisible(chunk: Chunk): boolean {
  return !INVISIBLE.has(chunk.type);
}

const INVISIBLE: ReadonlySet<string> = new Set(["start", "start-step", "finish-step", "text-start", "reasoning-start", "message-metadata"]);

/**
 * True for a chunk that is flushed at once, so that a crash just after it cannot lose it: edges of tools and steps. What a tool
 * shows on its way is none: it may be one for each word of a sub-agent.
 */
export function isBoundary(chunk: Chunk): boolean {
  return BOUNDARIES.has(chunk.type) && !isPreliminary(chunk);
}

/** True for an output that another one of the same call takes the place of. */
export function isPreliminary(chunk: Chunk): boolean {
  return chunk.type === "tool-output-available" && chunk.preliminary === true;
}

const BOUNDARIES: ReadonlySet<string> = new Set([
  // The edge of a step is the start of the next one: the end of the last step is stored with the end of the turn.
  "start-step",
  "tool-input-available",
  "tool-input-error",
  "tool-approval-request",
  "tool-approval-response",
  "tool-output-available",
  "tool-output-error",
  "tool-output-denied",
  "reset-step",
]);
