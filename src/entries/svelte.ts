// `chatcell/svelte`: Svelte 5.7 and later. With Svelte 4, a client of `chatcell/client` is a store as it is.
export { createThread } from "../svelte/create-thread.ts";

export type { ThreadSource } from "../client/thread-source.ts";
export type { Thread } from "../svelte/create-thread.ts";
