// What happens between two steps of `useChat`: a stream ends while an answer is on its way, a message is sent while the chat is
// resumed, the idle timer fires under a command, a chat is closed before its view has come.
import { lastAssistantMessageIsCompleteWithToolCalls, type UIMessage } from "ai";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { VirtualBrowser } from "../../../src/testing/world/virtual-network.ts";
import { RELEASES } from "./chats.ts";
import { ASKS, PICKS, textsOf, World, type Transport } from "./world.ts";

const ID = "thread-of-the-test";
/** A client nobody uses disconnects after this time. */
const IDLE_MS = 30_000;
let world: World;
let browser: VirtualBrowser;
let transport: Transport;

beforeEach(() => {
  world = new World();
  browser = world.network.browser();
  transport = world.transport(world.options(browser));
});
afterEach(async () => {
  await world.close();
});

describe.each(RELEASES)("an answer in a chat of %s", (_, make) => {
  it.each([true, false])("that `onToolCall` gives while the stream runs goes up when it has ended (watched: %s)", async (isWatched) => {
    const chat = make({
      id: ID,
      transport,
      sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
      onToolCall: ({ toolCall }) => {
        void chat.addToolOutput({ tool: toolCall.toolName, toolCallId: toolCall.toolCallId, output: "2026-01-01" });
      },
    });
    if (isWatched) transport.watch(ID, (all) => (chat.messages = all));
    void chat.sendMessage({ text: "When?" });
    await world.pass();
    world.play.say(...PICKS);
    world.play.end();
    await world.pass();
    expect(world.plays).toHaveLength(2);
    expect(textsOf(chat.messages)).toEqual(["u: When?", "a: [pickDate output-available]"]);
  });

  it.each([true, false])("that a person gives while the stream runs is there when it has ended (watched: %s)", async (isWatched) => {
    const chat = make({ id: ID, transport });
    if (isWatched) transport.watch(ID, (all) => (chat.messages = all));
    void chat.sendMessage({ text: "Pay" });
    await world.pass();
    world.play.say(...ASKS.slice(0, -1));
    await world.pass();
    void chat.addToolApprovalResponse({ id: "approval-1", approved: true });
    await world.pass();
    world.play.say(ASKS.at(-1)!);
    world.play.end();
    await world.pass();
    expect(textsOf(chat.messages).at(-1)).toContain("approval-responded");
  });
});

describe.each(RELEASES)("a first message in a chat of %s", (_, make) => {
  it.each([true, false])("has one stream, also while the chat is resumed (%s)", async (isResumed) => {
    const heard: unknown[] = [];
    const chat = make({
      id: ID,
      transport,
      onToolCall: ({ toolCall }) => void heard.push(toolCall.toolCallId),
      onData: ({ data }) => void heard.push(data),
      onFinish: () => void heard.push("finish"),
    });
    if (isResumed) void chat.resumeStream();
    void chat.sendMessage({ text: "When?" });
    await world.pass();
    world.play.turn.write({ type: "data-progress", data: 1, transient: true });
    await world.pass();
    world.play.say(...PICKS);
    world.play.end();
    await world.pass();
    expect(heard).toEqual([1, "call-1", "finish"]);
    expect(textsOf(chat.messages)).toEqual(["u: When?", "a: [pickDate input-available]"]);
  });
});

describe("a command of a chat's client to which nobody is subscribed", () => {
  /** The client of a chat that was used, and is not any more. */
  async function leftClient() {
    await world.fill(ID, "one");
    const stopping = transport.stop(ID);
    await world.pass(100);
    await stopping;
    return transport.client(ID);
  }

  it("is not cut off when the chat was about to disconnect, and disconnects when it is done", async () => {
    for (const beforeMs of [200, 2, 1]) {
      const client = await leftClient();
      await world.pass(IDLE_MS - beforeMs);
      const sending = client.send("two").then(
        () => "sent",
        (error: { code: string }) => error.code,
      );
      await world.pass(3_000);
      expect([await sending, client.getSnapshot().connection.kind]).toEqual(["sent", "live"]);
      world.play.text("Re: two");
      world.play.end();
      await world.pass(2 * IDLE_MS);
      expect(client.getSnapshot().connection.kind).toBe("idle");
      transport.close(ID);
    }
  });
});

it("a regenerate whose view had not come when its chat was closed does not become a message", async () => {
  await world.fill(ID, "one");
  const loading = transport.load(ID);
  await world.pass(100);
  const chat = RELEASES[0]![1]({ id: ID, transport, messages: (await loading) as UIMessage[] });
  browser.isOnline = false;
  void chat.regenerate();
  await world.pass();
  transport.close(ID);
  browser.isOnline = true;
  await world.pass();
  expect([world.frames.filter(({ type }) => type === "send"), browser.connections, chat.status]).toEqual([[], [], "error"]);
});
