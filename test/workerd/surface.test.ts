// What a Worker that holds a stub can call: every method on the prototypes, since TypeScript's `private` and `protected` are gone
// at run time. A method that is not in this list must be `#private` or in a module of its own.
import { describe, expect, it } from "vitest";
import type { AdmitAnswer } from "../../src/auth/admissions.ts";
import { ChatSessionObject } from "../../src/entries/index.ts";
import { newId } from "../../src/protocol/ids.ts";
import { stubOf } from "./support/objects.ts";

const REACHABLE = [
  // For routeChatRequest.
  "admit",
  "command",
  "fetch",
  // For getThread.
  "page",
  // The platform calls these.
  "alarm",
  "webSocketClose",
  "webSocketError",
  "webSocketMessage",
  // Hooks with a default, of the app.
  "authorize",
  "authorizeCreate",
  "authorizeThread",
  "onConnect",
  "onDisconnect",
  "errorText",
  // Protected, for the app; reachable all the same.
  "broadcast",
  "setState",
  "sql",
  "state",
];

describe("the prototype of ChatSessionObject", () => {
  it("has these members and no others", () => {
    expect(Object.getOwnPropertyNames(ChatSessionObject.prototype).sort()).toEqual(["constructor", ...REACHABLE].sort());
  });

  it("takes static settings from the class alone, so that no stub reaches them", () => {
    const own = Object.getOwnPropertyNames(ChatSessionObject);
    expect(own).toEqual(expect.arrayContaining(["configure", "migrations", "clientTools"]));
    for (const name of ["configure", "migrations", "body", "clientTools", "connectionState"])
      expect(name in ChatSessionObject.prototype).toBe(false);
  });
});

describe("over RPC", () => {
  it("admit answers a refusal as data, since an error would lose its type", async () => {
    const threadId = newId();
    const answer = (await stubOf(threadId).admit({ principal: { id: "user-1" }, tenant: "", threadId, origin: "" })) as AdmitAnswer;
    expect(answer).toMatchObject({ ok: false, error: { code: "not_found" } });
  });
});
