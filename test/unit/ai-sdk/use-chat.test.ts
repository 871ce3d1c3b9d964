import { lastAssistantMessageIsCompleteWithApprovalResponses, lastAssistantMessageIsCompleteWithToolCalls, type UIMessage } from "ai";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AnyChat, RELEASES } from "./chats.ts";
import { ASKS, PICKS, textsOf, World, type Transport } from "./world.ts";

const ID = "thread-of-the-test";
let world: World;
let transport: Transport;

beforeEach(() => {
  world = new World();
  transport = world.transport();
});

afterEach(async () => {
  await world.close();
});

describe.each(RELEASES)("a chat of %s", (_, make) => {
  const open = (more: Partial<Parameters<typeof make>[0]> = {}): AnyChat => make({ id: ID, transport, ...more });
  const stateOf = ({ messages, status }: AnyChat) => [status, ...textsOf(messages)];

  it("makes a thread with its first message, in one request, and streams the reply", async () => {
    const chat = open();
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    expect(stateOf(chat)).toEqual(["submitted", "u: Hello"]);
    expect(world.requests).toEqual([`/chat/threads/${ID}/ticket`]);
    expect(world.frames).toEqual([]);
    world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "Hi " });
    await world.pass();
    expect(stateOf(chat)).toEqual(["streaming", "u: Hello", "a: Hi "]);
    world.play.say({ type: "text-delta", id: "t", delta: "you." });
    world.play.end();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: Hello", "a: Hi you."]);
    const stored = await transport.load(ID);
    expect(stored.map(({ id }) => id)).toEqual(chat.messages.map(({ id }) => id));
    expect(stored[1]!.parts).toEqual(chat.messages[1]!.parts);
  });

  it("hears of transient data while it streams, before and after the first word, and keeps none of it", async () => {
    const heard: unknown[] = [];
    const chat = open({ onData: (part) => heard.push(part) });
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    const note = (text: string) => world.play.turn.write({ type: "data-note", data: { text }, transient: true });
    note("thinking");
    await world.pass();
    world.play.text("Hi.");
    note("done");
    world.play.end();
    await world.pass();
    expect(heard).toMatchObject([
      { type: "data-note", data: { text: "thinking" } },
      { type: "data-note", data: { text: "done" } },
    ]);
    expect(stateOf(chat)).toEqual(["ready", "u: Hello", "a: Hi."]);
    expect(JSON.stringify(chat.messages)).not.toContain("data-note");
  });

  it("sends only the new message of a long history", async () => {
    await world.fill(ID, "one", "two");
    const chat = open({ messages: await transport.load(ID) });
    expect(textsOf(chat.messages)).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: two"]);
    void chat.sendMessage({ text: "three" }, { body: { tone: "dry" } });
    await world.pass();
    expect(world.play.turn.body).toEqual({ tone: "dry" });
    world.play.text("Re: three");
    world.play.end();
    await world.pass();
    expect(textsOf(chat.messages).slice(4)).toEqual(["u: three", "a: Re: three"]);
    expect(JSON.stringify(world.frames)).not.toContain("Re: ");
  });

  it("goes on in the background when it is left, and resumes from the beginning of the reply, also twice at once", async () => {
    const left = open();
    void left.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "One " });
    await world.pass();
    void left.stop();
    await world.pass();
    expect(stateOf(left)).toEqual(["ready", "u: Hello", "a: One "]);
    world.play.say({ type: "text-delta", id: "t", delta: "two " });
    await world.pass();
    const chat = open({ messages: await transport.load(ID) });
    expect(textsOf(chat.messages)).toEqual(["u: Hello"]);
    void chat.resumeStream();
    void chat.resumeStream();
    await world.pass();
    expect(stateOf(chat)).toEqual(["streaming", "u: Hello", "a: One two "]);
    world.play.say({ type: "text-delta", id: "t", delta: "three" });
    world.play.end();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: Hello", "a: One two three"]);
    // What has ended is not resumed: the page that was left hears of it when it watches.
    void left.resumeStream();
    await world.pass();
    expect(stateOf(left)).toEqual(["ready", "u: Hello", "a: One "]);
  });

  it("replaces the part of a reply that it has when it resumes", async () => {
    const chat = open();
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "One " });
    await world.pass();
    void chat.stop();
    await world.pass();
    void chat.resumeStream();
    await world.pass();
    world.play.say({ type: "text-delta", id: "t", delta: "two" });
    await world.pass();
    expect(stateOf(chat)).toEqual(["streaming", "u: Hello", "a: One two"]);
  });

  it("replaces what it has of a reply with an unfinished call when it resumes", async () => {
    const chat = open();
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.say({ type: "tool-input-start", toolCallId: "call-1", toolName: "pay" });
    world.play.say({ type: "tool-input-delta", toolCallId: "call-1", inputTextDelta: '{"euros"' });
    await world.pass();
    void chat.stop();
    await world.pass();
    void chat.resumeStream();
    await world.pass();
    world.play.say({ type: "tool-input-delta", toolCallId: "call-1", inputTextDelta: ":5" });
    await world.pass();
    expect(stateOf(chat)).toEqual(["streaming", "u: Hello", "a: [pay input-streaming]"]);
    expect(chat.messages[1]!.parts.at(-1)).toMatchObject({ input: { euros: 5 }, rawInput: '{"euros":5' });
  });

  it("has nothing to resume in a thread that is quiet, or that does not exist", async () => {
    await world.fill(ID, "one");
    const chat = open();
    const other = open({ id: "thread-that-is-not-there" });
    void chat.resumeStream();
    void other.resumeStream();
    await world.pass();
    expect([stateOf(chat), stateOf(other)]).toEqual([["ready"], ["ready"]]);
    expect(await transport.reconnectToStream({ chatId: ID })).toBeNull();
    void other.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.text("Hi");
    world.play.end();
    await world.pass();
    expect(stateOf(other)).toEqual(["ready", "u: Hello", "a: Hi"]);
  });

  it("stops the turn by `transport.stop`, with what it has", async () => {
    const reasons: (string | undefined)[] = [];
    const chat = open({ onFinish: ({ finishReason }) => void reasons.push(finishReason) });
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "One " });
    await world.pass();
    void transport.stop(ID);
    await world.pass();
    expect(world.play.turn.signal.aborted).toBe(true);
    expect([chat.status, chat.error, reasons]).toEqual(["ready", undefined, ["interrupted"]]);
    const [, stored] = await transport.load(ID);
    expect(stored).toMatchObject({ facts: { outcome: "stopped" } });
    expect(chat.messages[1]!.parts).toEqual(stored!.parts);
  });

  it("stops the turn by its own `stop` where the transport says so", async () => {
    transport = world.transport({ onAbort: "stop" });
    const chat = open();
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    expect(world.play.turn.signal.aborted).toBe(false);
    void chat.stop();
    await world.pass();
    expect(world.play.turn.signal.aborted).toBe(true);
    expect(stateOf(chat)).toEqual(["ready", "u: Hello"]);
  });

  it("regenerates the last reply, and one further up", async () => {
    await world.fill(ID, "one", "two");
    const chat = open({ messages: await transport.load(ID) });
    void chat.regenerate();
    await world.pass();
    world.play.text("Another two");
    world.play.end();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: one", "a: Re: one", "u: two", "a: Another two"]);
    void chat.regenerate({ messageId: chat.messages[1]!.id });
    await world.pass();
    world.play.text("Another one");
    world.play.end();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: one", "a: Another one"]);
    expect(textsOf(await transport.load(ID))).toEqual(["u: one", "a: Another one"]);
  });

  it("edits a message, and the message that it became", async () => {
    await world.fill(ID, "one");
    const chat = open({ messages: await transport.load(ID) });
    const messageId = chat.messages[0]!.id;
    for (const text of ["first", "second"]) {
      void chat.sendMessage({ text, messageId });
      await world.pass();
      world.play.text(`Re: ${text}`);
      world.play.end();
      await world.pass();
      expect(stateOf(chat)).toEqual(["ready", `u: ${text}`, `a: Re: ${text}`]);
      expect(textsOf(await transport.load(ID))).toEqual(textsOf(chat.messages));
    }
    // The same text again is no edit.
    void chat.sendMessage({ text: "second", messageId });
    await world.pass();
    expect(world.frames.at(-1)!.type).toBe("regenerate");
  });

  it("ends with the error of a turn that failed, and asks again", async () => {
    const chat = open();
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.fail(new Error("secret"));
    await world.pass();
    expect(stateOf(chat)).toEqual(["error", "u: Hello"]);
    expect(chat.error!.message).not.toContain("secret");
    void chat.regenerate();
    await world.pass();
    world.play.text("Hi");
    world.play.end();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: Hello", "a: Hi"]);
  });

  it("shows what the server refuses as an error, and can try again", async () => {
    const chat = open();
    world.of(ID).crash();
    const ids = world.transport({ headers: { authorization: "Basic nobody" } });
    transport = ids;
    const other = open();
    void other.sendMessage({ text: "Hello" });
    await world.pass();
    expect(other.status).toBe("error");
    expect(other.error).toMatchObject({ name: "ChatError", code: "unauthenticated" });
    void chat.sendMessage({ text: "x".repeat(2_000_000) });
    await world.pass();
    expect(chat.status).toBe("error");
    expect(chat.error).toMatchObject({ code: "too_large" });
  });

  it("asks for approval, and goes on in the same message with the answer", async () => {
    const chat = open({ sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses });
    void chat.sendMessage({ text: "Pay" });
    await world.pass();
    world.play.say(...ASKS);
    world.play.end();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: Pay", "a: May I?[pay approval-requested]"]);
    void chat.addToolApprovalResponse({ id: "approval-1", approved: true, reason: "Fine" });
    await world.pass();
    expect(world.frames.at(-1)).toMatchObject({ type: "resolve", approvalId: "approval-1", approved: true, reason: "Fine" });
    expect(world.plays).toHaveLength(2);
    world.play.say({ type: "tool-output-available", toolCallId: "call-1", output: "paid" });
    world.play.text("Done.");
    world.play.end();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: Pay", "a: May I?[pay output-available]Done."]);
    expect(world.reported).toEqual([]);
  });

  it("resumes a turn that waits, and shows its request", async () => {
    const first = open();
    void first.sendMessage({ text: "Pay" });
    await world.pass();
    world.play.say(...ASKS);
    world.play.end();
    await world.pass();
    const chat = open({ messages: await transport.load(ID) });
    void chat.resumeStream();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: Pay", "a: May I?[pay approval-requested]"]);
  });

  it("takes the first answer to a request that two pages answer", async () => {
    const chat = open({ sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses });
    void chat.sendMessage({ text: "Pay" });
    await world.pass();
    world.play.say(...ASKS);
    world.play.end();
    await world.pass();
    const other = world.client(ID);
    other.connect();
    await world.pass();
    void other.approve("approval-1", { approved: false });
    void chat.addToolApprovalResponse({ id: "approval-1", approved: true });
    await world.pass();
    world.play.text("So not.");
    world.play.end();
    await world.pass();
    const stored = (await transport.load(ID))[1]!;
    expect(textsOf([stored])).toEqual(["a: May I?[pay output-denied]So not."]);
    expect(stateOf(chat)).toEqual(["ready", "u: Pay", ...textsOf([stored])]);
  });

  it("gives the output of a client tool, which `onToolCall` hears of once", async () => {
    const calls: string[] = [];
    const chat: AnyChat = open({
      sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
      onToolCall: ({ toolCall }) => {
        calls.push(toolCall.toolCallId);
        void chat.addToolOutput({ tool: "pickDate" as never, toolCallId: toolCall.toolCallId, output: "today" });
      },
    });
    void chat.sendMessage({ text: "When?" });
    await world.pass();
    world.play.say(...PICKS);
    world.play.end();
    await world.pass();
    expect(world.plays).toHaveLength(2);
    world.play.text("Then.");
    await world.pass();
    expect(stateOf(chat)).toEqual(["streaming", "u: When?", "a: [pickDate output-available]Then."]);
    const again = open({ onToolCall: ({ toolCall }) => void calls.push(`again ${toolCall.toolCallId}`) });
    void again.resumeStream();
    await world.pass();
    expect(textsOf(again.messages)).toEqual(["a: [pickDate output-available]Then."]);
    world.play.end();
    await world.pass();
    expect([chat.status, again.status, calls]).toEqual(["ready", "ready", ["call-1"]]);
  });

  it("does not ask for ever in what it takes for complete", async () => {
    const chat = open({ sendAutomaticallyWhen: () => true });
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.text("Hi");
    world.play.end();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: Hello", "a: Hi"]);
  });

  it("gives messages an id of the thread where theirs is none, and still finds them", async () => {
    let count = 0;
    const chat = open({ generateId: () => `m.${++count}` });
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.text("Hi");
    world.play.end();
    await world.pass();
    const [question, reply] = await transport.load(ID);
    expect([chat.messages[0]!.id, chat.messages[1]!.id]).toEqual(["m.1", reply!.id]);
    expect(question!.id).toMatch(/^made-id-/);
    void chat.regenerate();
    await world.pass();
    world.play.text("Hi again");
    world.play.end();
    await world.pass();
    void chat.sendMessage({ text: "Hello!", messageId: "m.1" });
    await world.pass();
    world.play.text("Hi!");
    world.play.end();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: Hello!", "a: Hi!"]);
    expect(textsOf(await transport.load(ID))).toEqual(["u: Hello!", "a: Hi!"]);
  });

  it("edits a message that waits for its turn in its place in the queue", async () => {
    await world.fill(ID, "one");
    const chat = open({ messages: await transport.load(ID) });
    void world.client(ID).send("two");
    await world.pass();
    const first = world.play;
    void chat.sendMessage({ text: "three" });
    await world.pass();
    void chat.stop();
    await world.pass();
    void chat.sendMessage({ text: "drei", messageId: chat.messages.at(-1)!.id });
    await world.pass();
    first.end();
    await world.pass();
    expect(textsOf([world.play.turn.message])).toEqual(["u: drei"]);
    world.play.text("Re: drei");
    world.play.end();
    await world.pass();
    expect(textsOf(chat.messages.slice(-2))).toEqual(["u: drei", "a: Re: drei"]);
  });

  it("shows that the output of a client tool was refused", async () => {
    const chat = open({ sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls });
    void chat.sendMessage({ text: "When?" });
    await world.pass();
    world.play.say(...PICKS);
    world.play.end();
    await world.pass();
    void chat.addToolOutput({ tool: "pickDate" as never, toolCallId: "call-1", output: "refused" });
    await world.pass();
    expect([chat.status, chat.error]).toMatchObject(["error", { code: "bad_request" }]);
    void chat.addToolOutput({ tool: "pickDate" as never, toolCallId: "call-1", output: "today" });
    await world.pass();
    world.play.text("Then.");
    world.play.end();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: When?", "a: [pickDate output-available]Then."]);
  });

  it("waits behind the turn of another page, in its place", async () => {
    await world.fill(ID, "one");
    const chat = open({ messages: await transport.load(ID) });
    const watched: UIMessage[][] = [];
    transport.watch(ID, (messages) => watched.push(messages));
    const other = world.client(ID);
    void other.send("two");
    await world.pass();
    const [first] = world.plays.slice(-1);
    void chat.sendMessage({ text: "three" });
    await world.pass();
    expect(stateOf(chat)).toEqual(["submitted", "u: one", "a: Re: one", "u: three"]);
    first!.text("Re: two");
    await world.pass();
    expect(textsOf(watched.at(-1)!)).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: two", "u: three"]);
    first!.end();
    await world.pass();
    world.play.text("Re: three");
    world.play.end();
    await world.pass();
    expect(textsOf(chat.messages.slice(-2))).toEqual(["u: three", "a: Re: three"]);
  });

  it("keeps a message that is written offline until there is a line", async () => {
    await world.fill(ID, "one");
    const browser = world.network.browser();
    transport = world.transport(world.options(browser));
    const chat = open({ messages: await transport.load(ID) });
    browser.isOnline = false;
    void chat.sendMessage({ text: "two" });
    await world.pass(20_000);
    expect(chat.status).toBe("submitted");
    browser.isOnline = true;
    await world.pass(40_000);
    world.play.text("Re: two");
    world.play.end();
    await world.pass();
    expect(stateOf(chat)).toEqual(["ready", "u: one", "a: Re: one", "u: two", "a: Re: two"]);
  });

  it("misses nothing of a reply when the line is cut in it", async () => {
    const browser = world.network.browser();
    transport = world.transport(world.options(browser));
    const chat = open();
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "One " });
    await world.pass();
    browser.isOnline = false;
    for (const connection of browser.connections) connection.die({ clientAfterMs: 1, isFlushed: false });
    world.play.say({ type: "text-delta", id: "t", delta: "two " }, { type: "text-end", id: "t" });
    world.play.say({ type: "tool-input-available", toolCallId: "call-1", toolName: "pay", input: {} });
    world.play.say({ type: "tool-output-available", toolCallId: "call-1", output: "paid" });
    await world.pass(5_000);
    expect(stateOf(chat)).toEqual(["streaming", "u: Hello", "a: One "]);
    browser.isOnline = true;
    await world.pass(40_000);
    expect(stateOf(chat)).toEqual(["streaming", "u: Hello", "a: One two [pay output-available]"]);
    world.play.end();
    await world.pass();
    expect(chat.status).toBe("ready");
    expect(chat.messages[1]!.parts).toEqual((await transport.load(ID))[1]!.parts);
  });
});
