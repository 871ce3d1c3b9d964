// `chatcell/vue`: Vue 3.4 and later.
export { useThread } from "../vue/use-thread.ts";

export type { ThreadCommands, ThreadSource } from "../client/thread-source.ts";
export type { Thread } from "../vue/use-thread.ts";
