import { startWorkerd, type WorkerdProcess } from "../../../src/entries/testing.ts";

/** The Worker of test/crash/worker.ts in a process of its own. */
export function startServer(): Promise<WorkerdProcess> {
  return startWorkerd({
    entry: new URL("../worker.ts", import.meta.url),
    objects: { SCRIBE: "Scribe" },
    vars: { CHATCELL_SECRET: "a secret for tests only, thirty-two bytes and more" },
  });
}
