// The thread that a page shows is that of its address, `#<id>`. Without one it is new, and gets its address with its first message.
import { newThreadId } from "chatcell/client";

export interface ThreadOfPage {
  id: string;
  /** No thread has this id yet. */
  isNew: boolean;
}

function threadOfAddress(): ThreadOfPage {
  const id = location.hash.slice(1);
  return id ? { id, isNew: false } : { id: newThreadId(), isNew: true };
}

/** Calls `show` with the thread of the address, now and whenever the address names another one. */
export function followAddress(show: (thread: ThreadOfPage) => unknown): void {
  const follow = (): unknown => show(threadOfAddress());
  addEventListener("hashchange", follow);
  follow();
}

export function keepAddress(id: string): void {
  if (location.hash !== `#${id}`) history.replaceState(null, "", `#${id}`);
}
