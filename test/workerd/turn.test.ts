import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import type { Env, Play } from "./worker.ts";
import { TestSocket } from "./support/client.ts";

const { PUPPET } = env as unknown as Env;
const stubOf = (threadId: string) => PUPPET.get(PUPPET.idFromName(`/${threadId}`));

describe("a turn", () => {
  it("streams to the sender and is stored as one message", async () => {
    const threadId = newId();
    const socket = await TestSocket.open(threadId, "user-1", { create: true });
    const ack = await socket.send("Hello");
    await runInDurableObject(stubOf(threadId), async (puppet) => {
      const play: Play = await puppet.nextPlay();
      play.text("Hi ", "there");
      play.end();
    });
    const turn = await socket.next("turn");
    expect(turn.ended.facts.outcome).toBe("completed");
    expect(ack.result).toEqual({ turnId: ack.ref, position: 0 });
    const fresh = await TestSocket.open(threadId, "user-1");
    expect(fresh.of("snapshot")[0]!.messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
  });
});
