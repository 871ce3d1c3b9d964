// The thread of this page stands in its address: `?t=<id>`. Without one the page is a new thread, whose id goes into the address
// when the server has it, so that an address always leads somewhere.
import { newThreadId } from "chatcell/client";

export interface ThreadAddress {
  id: string;
  /** True for a thread that is still to be made. */
  isNew: boolean;
  /** False for an id that no thread can have. */
  isValid: boolean;
}

export function readThreadAddress(): ThreadAddress {
  const id = new URLSearchParams(location.search).get("t");
  if (id === null) return { id: newThreadId(), isNew: true, isValid: true };
  return { id, isNew: false, isValid: /^[\w-]{1,64}$/.test(id) };
}

/** Puts the thread into the address: from now on a reload and a second tab find it. */
export function keepThreadAddress(id: string): void {
  const url = new URL(location.href);
  url.searchParams.set("t", id);
  history.replaceState(null, "", url);
}
