// The client of a thread as a React hook. Opens and closes nothing while rendering: that follows from being subscribed.
import { useInsertionEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { initialSnapshot, keyOf, openThread, type ThreadCommands, type ThreadSource } from "../client/thread-source.ts";
import type { ChatClient, ChatSnapshot, ChatTypes } from "../client/types.ts";

/** A snapshot, the commands of its thread, and the client, to hand on to components that select from it. */
export type Thread<Types extends ChatTypes = ChatTypes> = ChatSnapshot<Types> &
  ThreadCommands<Types> & { readonly client: ChatClient<Types> };

/**
 * The thread, rendered again with each change of its snapshot. With options it makes the client, another one for another `url` or
 * `threadId`, and closes it after the unmount, as soon as no message of ours is on its way; a client of your own it leaves open.
 * The commands are the same functions in every render of one thread.
 */
export function useThread<Types extends ChatTypes = ChatTypes>(source: ThreadSource<Types>): Thread<Types>;
/** What `selector` takes of the snapshot, rendered again only when that is another value by `isEqual` (default: `Object.is`). */
export function useThread<Types extends ChatTypes, Selected>(
  source: ThreadSource<Types>,
  selector: (snapshot: ChatSnapshot<Types>) => Selected,
  isEqual?: (a: Selected, b: Selected) => boolean,
): Selected;
export function useThread<Types extends ChatTypes>(
  source: ThreadSource<Types>,
  selector?: (snapshot: ChatSnapshot<Types>) => unknown,
  isEqual: (a: unknown, b: unknown) => boolean = Object.is,
): unknown {
  const latest = useRef(source);
  const key = keyOf(source);
  const hold = () => {
    const client = openThread(source, () => latest.current);
    let initial: ChatSnapshot<Types> | undefined;
    return { key, client, getInitial: () => (initial ??= initialSnapshot(client)) };
  };
  const [first, setHeld] = useState(hold);
  let held = first;
  if (held.key !== key) setHeld((held = hold()));
  const { client, getInitial } = held;

  const rendered = useRef<{ value: unknown }>(undefined);
  const read = useMemo(() => {
    const select = selector ?? ((snapshot: ChatSnapshot<Types>) => ({ ...client, ...snapshot, client }));
    let from: ChatSnapshot<Types> | undefined;
    let value: unknown;
    return (snapshot: ChatSnapshot<Types>) => {
      if (snapshot === from) return value;
      const next = select(snapshot);
      const former = rendered.current;
      value = former && isEqual(former.value, next) ? former.value : next;
      from = snapshot;
      return value;
    };
  }, [client, selector, isEqual]);

  const value = useSyncExternalStore(
    client.subscribe,
    () => read(client.getSnapshot()),
    () => read(getInitial()),
  );
  // What is on the screen, before any other effect can ask for it.
  useInsertionEffect(() => {
    latest.current = source;
    rendered.current = { value };
  });
  return value;
}
