// Our client and our session, in one process.
import { afterAll, describe, expect, it } from "vitest";
import { createMemoryServer } from "../../src/testing/conformance/memory-server.ts";
import { Chat } from "./app.ts";
import { testConformance } from "./run.ts";

const server = createMemoryServer(Chat);
afterAll(() => server.close());

describe("in memory", () => testConformance(() => server));

it("reports nothing that nobody expects", () => {
  const strange = server.errors.filter((error) => !/asked it to/.test(String(error)));
  expect(strange).toEqual([]);
});
