// The client of a thread for Svelte: a store, as every client is, that a server does not open, and a value that runes follow.
import { createSubscriber } from "svelte/reactivity";
import { page } from "../client/page.ts";
import { openThread, subscribeLater, type ThreadSource } from "../client/thread-source.ts";
import type { ChatClient, ChatSnapshot, ChatTypes } from "../client/types.ts";

/** A client, which is a Svelte store (`$thread`), with its snapshot for runes (`thread.current`). */
export interface Thread<Types extends ChatTypes = ChatTypes> extends ChatClient<Types> {
  /** The present snapshot. Read in a template, an effect or a `$derived`, it is reactive, and keeps the thread open. */
  readonly current: ChatSnapshot<Types>;
}

/**
 * The thread of a client, or of options. With options it makes the client, which closes when nothing reads it any more and no
 * message of ours is on its way; a client of your own it leaves open. `$derived(createThread({ url, threadId }))` follows the id.
 */
export function createThread<Types extends ChatTypes = ChatTypes>(source: ThreadSource<Types>): Thread<Types> {
  const client = openThread(source, () => source);

  // A server renders a store by subscribing to it.
  const subscribe: ChatClient<Types>["subscribe"] = page.document
    ? subscribeLater(client)
    : (listener) => {
        listener(client.getSnapshot());
        return () => {};
      };

  const track = createSubscriber(subscribe);

  return {
    ...client,
    subscribe,
    get current() {
      track();
      return client.getSnapshot();
    },
  };
}
