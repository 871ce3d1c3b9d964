// Clock, ids, randomness and timers: everything that makes two runs of the same session differ enters here.
import { newId } from "../protocol/ids.ts";

export interface Deps {
  /** Epoch ms. */
  now: () => number;
  /** 128 random bits, url-safe. */
  newId: () => string;
  /** At least 0, under 1. */
  random: () => number;
  /** Calls `fn` once after `ms`; the result cancels it. Lost with the object's memory. */
  setTimer: (ms: number, fn: () => void) => () => void;
}

export const platformDeps: Deps = {
  now: () => Date.now(),
  newId,
  random: () => Math.random(),
  setTimer(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};
