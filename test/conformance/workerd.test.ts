// Our client and our session over a real network, in a real runtime.
import { afterAll, beforeAll, describe } from "vitest";
import { startWorkerd, type WorkerdProcess } from "../../src/testing/workerd.ts";
import { testConformance } from "./run.ts";

let worker: WorkerdProcess;
beforeAll(async () => {
  worker = await startWorkerd({
    entry: new URL("worker.ts", import.meta.url),
    objects: { CHAT: "Chat" },
    vars: { CHATCELL_SECRET: "a secret for tests only, thirty-two bytes and more" },
  });
});
afterAll(() => worker?.stop());

describe("in workerd", () => testConformance(() => `${worker.url}/chat`));
