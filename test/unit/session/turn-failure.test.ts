// What people are told of a turn that failed, through the class of an app.
import { expect, it } from "vitest";
import { z } from "zod";
import { ChatError } from "../../../src/errors.ts";
import type { ChatNamespace } from "../../../src/router/namespace.ts";
import { getThread } from "../../../src/router/get-thread.ts";
import { ChatSessionObject } from "../../../src/session/chat-session-object.ts";
import { ownThreads } from "./own-threads.ts";

const threadOf = ownThreads();

class Noting extends ChatSessionObject<{ other?: { namespace: ChatNamespace; threadId: string } }> {
  static override readonly state = z.object({ note: z.string().default("") });

  async onTurn() {
    const { other } = this.env;
    if (!other) return "Hello.";
    await getThread(other.namespace, other, { as: "system:notes" }).setState({ note: "mine" }, { ifRev: 99 });
    return "Noted.";
  }
}

it("nothing that another thread has said of itself", async () => {
  const first = threadOf(Noting, { seed: "first" });
  await first.send("Hi.").settled;
  await first.setState({ note: "for nobody else" });
  const second = threadOf(Noting, { seed: "second", env: { other: { namespace: first.namespace, threadId: first.id } } });
  await second.send("Go.").settled;
  expect(second.snapshot().error).toEqual({ code: "state_conflict", message: expect.any(String) as unknown, retryable: false });
  expect(JSON.stringify(second.messages())).not.toContain("for nobody else");
});

it.each([
  [true, "`FOO` is missing. Add it to wrangler.jsonc."],
  [false, "The server is not set up correctly. Its log says how to mend it."],
])("what a developer has to mend with `development: %s` only, and in the log always", async (development, shown) => {
  class Misconfigured extends ChatSessionObject {
    static override configure() {
      return { development };
    }

    onTurn(): never {
      throw new ChatError("configuration", "`FOO` is missing. Add it to wrangler.jsonc.");
    }
  }
  const thread = threadOf(Misconfigured);
  await thread.send("Go.").settled;
  expect(thread.snapshot().error).toMatchObject({ code: "configuration", message: shown });
  expect(thread.errors.map(String)).toContainEqual(expect.stringContaining("FOO"));
});
