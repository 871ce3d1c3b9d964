// The thread of this page stands in its address: `?t=<id>`. Without one the page is a new thread, whose id goes into the address
// when the server has it, so that an address always leads somewhere.
import { newThreadId } from "chatcell/client";
import { useEffect, useState } from "react";

/** What a thread can be called. An address is not ours: anything else could name another path of the server. */
const THREAD_ID = /^[\w-]{1,64}$/;

function read() {
  const id = new URLSearchParams(location.search).get("t");
  return id && THREAD_ID.test(id) ? { threadId: id, isNew: false } : { threadId: newThreadId(), isNew: true };
}

export function useThreadAddress() {
  const [thread, setThread] = useState(read);
  const reread = () => setThread(read());
  useEffect(() => {
    addEventListener("popstate", reread);
    return () => removeEventListener("popstate", reread);
  }, []);
  const startNew = () => {
    history.pushState(null, "", location.pathname);
    reread();
  };
  return { ...thread, startNew };
}

/** Puts the thread into the address: from now on a reload and a second tab find it. */
export function keepInAddress(threadId: string) {
  history.replaceState(null, "", `?t=${threadId}`);
}
