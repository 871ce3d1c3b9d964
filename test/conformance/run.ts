// The suite under vitest: each case is a test, and all of a file run at once, since they mostly wait.
import { beforeEach, it, vi } from "vitest";
import { conformance } from "../../src/testing/conformance/conformance.ts";
import type { ConformanceOptions } from "../../src/testing/conformance/types.ts";

/** A busy machine is not a broken client. */
const PATIENCE_MS = 60_000;

/** @param server asked for when a test begins: one that is not started yet has no address */
export function testConformance(server: () => ConformanceOptions["server"], shape: Omit<ConformanceOptions, "server"> = {}): void {
  // Our client reports the frames that it skips.
  beforeEach(() => void vi.spyOn(console, "warn").mockImplementation(() => {}));
  for (const { name, skip } of conformance({ ...shape, server: "http://server.invalid" })) {
    const test = skip ? it.skip : it.concurrent;
    test(skip ? `${name} (${skip})` : name, async () => {
      const cases = conformance({ timeoutMs: PATIENCE_MS, ...shape, server: server() });
      await cases.find((one) => one.name === name)!.run();
    });
  }
}
