// Threads of small classes in plain Node, for tests of the session through the class that an app extends.
import { afterEach } from "vitest";
import { createTestThread, type TestThreadOptions } from "../../../src/testing/thread/test-thread.ts";
import type { ChatClass } from "../../../src/testing/thread/user-object.ts";

/** Makes threads that are closed after each test; what their objects report is in `errors`, and nowhere else. */
export function ownThreads() {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const thread of open.splice(0)) await thread.close();
  });
  return <Class extends ChatClass>(Class: Class, options: TestThreadOptions = {}) => {
    const thread = createTestThread(Class, { onError: () => {}, ...options });
    open.push(thread);
    return thread;
  };
}
