// How a stream of `useChat` ends when not by its turn: its reader holds something else of the reply, its chat is closed or disposed
// of, another stream takes its place, nobody reads it.
import { lastAssistantMessageIsCompleteWithToolCalls, type UIMessage } from "ai";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Chunk, Part } from "../../../src/protocol/messages.ts";
import { sseResponse } from "../../../src/http-chat/sse-response.ts";
import { silence } from "../../../src/ai-sdk/silence.ts";
import { type AnyChat, RELEASES } from "./chats.ts";
import { PICKS, textsOf, World, type Transport } from "./world.ts";

const ID = "thread-of-the-test";
/** What `useChat` asks by itself, after which a test that asks for ever is over. */
const MAX_ASKS = 50;
let world: World;
let transport: Transport;

beforeEach(() => {
  world = new World();
  transport = world.transport();
});

afterEach(async () => {
  await world.close();
});

/** A chat that goes on by itself, and how often it would. */
function openEager(make: (typeof RELEASES)[number][1]) {
  const eager = { asks: 0 };
  const chat: AnyChat = make({
    id: ID,
    transport,
    sendAutomaticallyWhen: (given) => lastAssistantMessageIsCompleteWithToolCalls(given) && ++eager.asks < MAX_ASKS,
  });
  return Object.assign(eager, { chat });
}

const step = (...chunks: object[]) => [{ type: "start-step" }, ...chunks, { type: "finish-step" }] as Chunk[];
const words = (text: string) => [
  { type: "text-start", id: "t" },
  { type: "text-delta", id: "t", delta: text },
  { type: "text-end", id: "t" },
];

describe.each(RELEASES)("an answer in a chat of %s", (_, make) => {
  it.each([
    ["a file with its fields in another order", { type: "file", url: "https://x.example/a.png", mediaType: "image/png" }],
    ["a file with a field that the reader drops", { type: "file", mediaType: "image/png", url: "https://x.example/a.png", extra: 1 }],
    ["a source with its fields in another order", { type: "source-url", url: "https://x.example", title: "X", sourceId: "s" }],
  ])("streams on behind %s in an earlier step", async (_what, part) => {
    const eager = openEager(make);
    void eager.chat.sendMessage({ text: "When?" });
    await world.pass();
    world.play.say(...step(part), ...PICKS);
    world.play.end();
    await world.pass();
    void eager.chat.addToolOutput({ tool: "pickDate" as never, toolCallId: "call-1", output: "today" });
    await world.pass();
    expect([eager.asks, eager.chat.status]).toEqual([1, "streaming"]);
    world.play.text("Then.");
    world.play.end();
    await world.pass();
    expect([eager.chat.status, ...textsOf(eager.chat.messages)]).toEqual(["ready", "u: When?", "a: [pickDate output-available]Then."]);
  });

  it("breaks off without another one, where the page holds another text of an earlier step, and the watched page is mended", async () => {
    const eager = openEager(make);
    const { chat } = eager;
    let shown: UIMessage[] = [];
    transport.watch(ID, (all) => (shown = all));
    void chat.sendMessage({ text: "When?" });
    await world.pass();
    world.play.say(...step(...words("One")), ...PICKS);
    world.play.end();
    await world.pass();
    chat.messages = JSON.parse(JSON.stringify(chat.messages).replace('"One"', '"Eins"')) as UIMessage[];
    void chat.addToolOutput({ tool: "pickDate" as never, toolCallId: "call-1", output: "today" });
    await world.pass();
    expect([eager.asks, chat.status, chat.error, world.plays.length]).toEqual([1, "ready", undefined, 2]);
    world.play.text("Then.");
    world.play.end();
    await world.pass();
    expect(textsOf(shown)).toEqual(["u: When?", "a: One[pickDate output-available]Then."]);
  });

  it("breaks off, and opens nothing again, when its chat is closed", async () => {
    const { chat } = openEager(make);
    void chat.sendMessage({ text: "Pay" });
    await world.pass();
    const call = { toolCallId: "call-1", toolName: "pay" };
    world.play.say({ type: "start-step" }, { ...call, type: "tool-input-available", input: {} });
    world.play.say({ ...call, type: "tool-output-available", output: "paid" });
    await world.pass();
    expect(textsOf(chat.messages)).toEqual(["u: Pay", "a: [pay output-available]"]);
    const before = world.requests.length;
    transport.close(ID);
    await world.pass();
    expect([chat.status, chat.error, world.requests.slice(before)]).toEqual(["ready", undefined, []]);
  });

  it("goes on when another resume takes the place of its own, also where an abort stops the turn", async () => {
    void openEager(make).chat.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.say(...(words("One ").slice(0, 2) as Chunk[]));
    await world.pass();
    transport = world.transport({ onAbort: "stop" });
    const { chat } = openEager(make);
    for (let resumes = 0; resumes < 3; resumes++) {
      void chat.resumeStream();
      await world.pass();
      expect([chat.status, ...textsOf(chat.messages), world.play.turn.signal.aborted]).toEqual(["streaming", "a: One ", false]);
    }
    void chat.stop();
    await world.pass();
    expect([chat.status, world.play.turn.signal.aborted]).toEqual(["ready", true]);
  });
});

describe("a chat of ai 7 that is disposed of", () => {
  it("leaves the other chats of its transport alone", async () => {
    const [, make] = RELEASES[0]!;
    const chat = make({ id: ID, transport });
    const other = make({ id: "another-thread", transport }) as AnyChat & { dispose: () => Promise<void> };
    const watched: string[][] = [];
    transport.watch(ID, (all) => watched.push(textsOf(all)));
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.say(...(words("One ").slice(0, 2) as Chunk[]));
    await world.pass();
    await other.dispose();
    await world.pass();
    world.play.say({ type: "text-delta", id: "t", delta: "two" });
    world.play.end();
    await world.pass();
    expect([chat.status, ...textsOf(chat.messages)]).toEqual(["ready", "u: Hello", "a: One two"]);
    expect(watched.at(-1)).toEqual(["u: Hello", "a: One two"]);
  });
});

describe("a stream that nobody reads", () => {
  it("keeps 100 events of the moment, and the reply", async () => {
    const parts = [{ type: "text" as const, text: "Hello" }];
    const message = { id: "message-1", role: "user", parts };
    const request = { trigger: "submit-message", chatId: ID, messageId: undefined, messages: [message], abortSignal: undefined } as const;
    const sending = transport.sendMessages(request);
    await world.pass();
    const stream = (await sending) as ReadableStream as ReadableStream<Chunk>;
    for (let data = 0; data < 1_000; data++) world.play.turn.write({ type: "data-note", data, transient: true });
    world.play.text("Hi.");
    world.play.end();
    await world.pass();
    const chunks: Chunk[] = [];
    for await (const chunk of stream as unknown as AsyncIterable<Chunk>) chunks.push(chunk);
    expect(chunks.filter(({ type }) => type === "data-note").map((note) => (note as { data: unknown }).data)).toEqual(
      Array.from({ length: 100 }, (_, data) => data),
    );
    expect(chunks.map(({ type }) => type).slice(100)).toEqual(["start", "start-step", "text-start", "text-delta", "text-end", "finish"]);
  });
});

describe("server-sent events", () => {
  const chunks = (error: unknown) => {
    const told: Part[] = [{ type: "start" } as never];
    return new ReadableStream<Chunk>(
      { pull: (controller) => (told.length ? controller.enqueue(told.shift() as never) : controller.error(error)) },
      { highWaterMark: 0 },
    );
  };

  it.each([6, 7] as const)("say that a stream broke off, to a page of ai %s, as an error", async (release) => {
    const lines = (await sseResponse(chunks(silence("Lost")), release, {}).text()).trim().split("\n\n");
    expect(lines).toEqual(['data: {"type":"start"}', expect.stringMatching(/^data: \{"type":"error"/), "data: [DONE]"]);
  });

  it("end with a fault of the stream as a fault of the response", async () => {
    await expect(sseResponse(chunks(new Error("fault")), 7, {}).text()).rejects.toThrow("fault");
  });
});
