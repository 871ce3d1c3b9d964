import { afterAll, beforeAll } from "vitest";
import { startWorkerd, type WorkerdProcess } from "../../../src/entries/testing.ts";
import { Outside } from "./outside.ts";

export const RECOVERIES = ["keep", "continue"] as const;
export type Recovery = (typeof RECOVERIES)[number];

/** The Worker of test/crash/worker.ts in a process of its own. Without `outside` its tools reach nothing, and nobody counts. */
export function startServer({ recovery = "keep", outside }: { recovery?: Recovery; outside?: Outside } = {}): Promise<WorkerdProcess> {
  return startWorkerd({
    entry: new URL("../worker.ts", import.meta.url),
    objects: { SCRIBE: "Scribe" },
    vars: { CHATCELL_SECRET: "a secret for tests only, thirty-two bytes and more", RECOVERY: recovery },
    ...(outside ? { services: { OUTSIDE: outside.address } } : {}),
  });
}

/** What a suite holds as long as it runs: a server, and the world outside of it. Filled before its first test. */
export interface Setting {
  server: WorkerdProcess;
  outside: Outside;
}

/** Sets up a suite: call it where its tests are declared. */
export function useServer(recovery: Recovery): Setting {
  const setting = {} as Setting;
  beforeAll(async () => {
    setting.outside = await Outside.start();
    setting.server = await startServer({ recovery, outside: setting.outside });
  });
  afterAll(async () => {
    await setting.server?.stop();
    setting.outside?.stop();
  });
  return setting;
}
