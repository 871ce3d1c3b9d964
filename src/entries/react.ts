"use client";
// `chatcell/react`: React 18 and later.
export { useThread } from "../react/use-thread.ts";

export type { ThreadCommands, ThreadSource } from "../client/thread-source.ts";
export type { Thread } from "../react/use-thread.ts";
