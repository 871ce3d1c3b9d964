import type { UIMessage } from "ai";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { VirtualBrowser } from "../../../src/testing/world/virtual-network.ts";
import { type AnyChat, RELEASES } from "./chats.ts";
import { ASKS, textsOf, World, type Transport } from "./world.ts";

const ID = "thread-of-the-test";
let world: World;
let transport: Transport;
let browser: VirtualBrowser;
let seen: UIMessage[][];

beforeEach(() => {
  world = new World();
  browser = world.network.browser();
  transport = world.transport(world.options(browser));
  seen = [];
});

afterEach(async () => {
  await world.close();
  expect(world.reported).toEqual([]);
});

const watch = () => transport.watch(ID, (messages) => seen.push(messages));
const last = () => textsOf(seen.at(-1) ?? []);
const open = (messages: UIMessage[] = []): AnyChat => RELEASES[0]![1]({ id: ID, transport, messages });
const sockets = () => browser.connections.length;

describe("what is watched", () => {
  it("is shown once there is a view, and after each stream of this page with how its turn ended, which no stream says", async () => {
    await world.fill(ID, "one");
    watch();
    await world.pass();
    expect(seen.map(textsOf)).toEqual([["u: one", "a: Re: one"]]);
    const chat = open(seen[0]);
    void chat.sendMessage({ text: "two" });
    await world.pass();
    world.play.text("Re: two");
    world.play.end();
    await world.pass();
    expect(chat.status).toBe("ready");
    expect(seen).toHaveLength(2);
    expect(seen[1]!.map(({ id }) => id)).toEqual(chat.messages.map(({ id }) => id));
    expect(seen[1]!.at(-1)).toMatchObject({ facts: { outcome: "completed" } });
    const other = world.client(ID);
    void other.send("three");
    await world.pass();
    world.play.text("Re: three");
    world.play.end();
    await world.pass();
    expect(last()).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: two", "u: three", "a: Re: three"]);
  });

  it("is what another page has answered to a question of this one's reply, also while somebody is subscribed to the client", async () => {
    watch();
    transport.client(ID).subscribe(() => {});
    const chat = open();
    void chat.sendMessage({ text: "Pay" });
    await world.pass();
    world.play.say(...ASKS);
    world.play.end();
    await world.pass();
    expect(chat.status).toBe("ready");
    const other = world.client(ID);
    other.connect();
    await world.pass();
    void other.approve("approval-1", { approved: false });
    await world.pass();
    expect(seen.at(-1)!.at(-1)!.parts).toContainEqual(
      expect.objectContaining({ type: "tool-pay", approval: expect.objectContaining({ approved: false }) as object }),
    );
  });

  it("waits for the end of a stream of this page", async () => {
    await world.fill(ID, "one");
    watch();
    const chat = open(await transport.load(ID));
    void chat.sendMessage({ text: "two" });
    await world.pass();
    world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "Re: " });
    await world.pass();
    const { length } = seen;
    const first = world.play;
    void world.client(ID).send("three");
    await world.pass();
    expect(seen).toHaveLength(length);
    first.end();
    await world.pass();
    expect(last()).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: ", "u: three"]);
  });

  it("is nothing of a thread that does not exist, until it does", async () => {
    const chat = open();
    transport.watch(ID, (messages) => {
      seen.push(messages);
      chat.messages = messages;
    });
    await world.pass();
    expect(seen).toEqual([]);
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.text("Hi");
    world.play.end();
    await world.pass();
    expect(textsOf(chat.messages)).toEqual(["u: Hello", "a: Hi"]);
    void world.client(ID).send("And?");
    await world.pass();
    expect(textsOf(chat.messages)).toEqual(["u: Hello", "a: Hi", "u: And?"]);
  });

  it("is a copy of what the client holds, the same one as long as a message is", async () => {
    await world.fill(ID, "one", "two");
    watch();
    await world.pass();
    const client = transport.client(ID);
    for (const part of seen[0]![1]!.parts) Object.assign(part, { text: "changed" });
    expect(textsOf([...client.getSnapshot().messages])).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: two"]);
    void world.client(ID).send("three");
    await world.pass();
    expect(seen.at(-1)!.slice(0, 4)).toEqual(seen[0]);
    expect(seen.at(-1)![0]).toBe(seen[0]![0]);
  });

  it("has the pages above, too, once the client has loaded them", async () => {
    await world.fill(ID, ...Array.from({ length: 14 }, (_, i) => `q${i}`));
    watch();
    await world.pass();
    expect(seen.at(-1)).toHaveLength(25);
    void transport.client(ID).loadEarlier();
    await world.pass();
    expect(seen.at(-1)).toHaveLength(28);
  });

  it("ends, also when it is ended twice", async () => {
    await world.fill(ID, "one");
    const leave = watch();
    await world.pass();
    leave();
    leave();
    void world.client(ID).send("two");
    await world.pass();
    expect(seen).toHaveLength(1);
  });
});

describe("a reply of which the server had to discard something", () => {
  it.each(RELEASES)("is right in the end in %s", async (name, make) => {
    await world.fill(ID, "one");
    const messages = await transport.load(ID);
    const chat: AnyChat = make({ id: ID, transport, messages });
    transport.watch(ID, (all) => (chat.messages = all));
    await world.pass();
    void chat.sendMessage({ text: "two" });
    await world.pass();
    world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "Wrong" });
    await world.pass();
    expect(textsOf(chat.messages).at(-1)).toBe("a: Wrong");
    world.of([...world.objects.keys()][0]!).crash();
    await world.pass(60_000);
    expect(world.plays).toHaveLength(3);
    world.play.text("Right");
    await world.pass();
    expect(textsOf(chat.messages).at(-1)).toBe(name === "ai 7" ? "a: Right" : "a: WrongRight");
    world.play.end();
    await world.pass();
    expect([chat.status, ...textsOf(chat.messages)]).toEqual(["ready", "u: one", "a: Re: one", "u: two", "a: Right"]);
  });
});

describe("the client of a chat", () => {
  it("is one for all that is asked for, and disconnects when nothing uses it any more", async () => {
    await world.fill(ID, "one");
    const leave = watch();
    const chat = open(await transport.load(ID));
    void chat.resumeStream();
    await world.pass();
    void chat.sendMessage({ text: "two" });
    await world.pass();
    expect(sockets()).toBe(1);
    world.play.text("Re: two");
    world.play.end();
    await world.pass();
    await world.pass(60_000);
    expect(sockets()).toBe(1);
    leave();
    await world.pass(29_000);
    expect(sockets()).toBe(1);
    await world.pass(2_000);
    expect(sockets()).toBe(0);
    void chat.sendMessage({ text: "three" });
    await world.pass();
    world.play.text("Re: three");
    world.play.end();
    await world.pass();
    expect(textsOf(chat.messages)).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: two", "u: three", "a: Re: three"]);
  });

  it("stays connected while somebody is subscribed to its client, and no longer than any other after that", async () => {
    await world.fill(ID, "one");
    const client = transport.client(ID);
    const leave = [client.subscribe(() => {}), client.subscribe(() => {})];
    await world.pass(100_000);
    expect(client.getSnapshot().connection.kind).toBe("live");
    leave[0]!();
    leave[0]!();
    await world.pass(100_000);
    expect(client.getSnapshot().connection.kind).toBe("live");
    leave[1]!();
    await world.pass(20_000);
    expect(client.getSnapshot().connection.kind).toBe("live");
    await world.pass(20_000);
    expect(client.getSnapshot().connection.kind).toBe("idle");
  });

  it("closes for those who are subscribed, too, when it is closed", async () => {
    await world.fill(ID, "one");
    const client = transport.client(ID);
    client.subscribe(() => {});
    await world.pass();
    transport.close(ID);
    await world.pass();
    expect(client.getSnapshot().connection.kind).toBe("idle");
    expect(transport.client(ID)).not.toBe(client);
  });

  it("ends what streams when it is closed, for this page only", async () => {
    const chat = open();
    void chat.sendMessage({ text: "Hello" });
    await world.pass();
    world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "Hi" });
    await world.pass();
    transport.close(ID);
    await world.pass();
    expect([chat.status, ...textsOf(chat.messages)]).toEqual(["ready", "u: Hello", "a: Hi"]);
    expect(world.play.turn.signal.aborted).toBe(false);
  });

  it("delivers what was written in a page that is left before the server has it", async () => {
    await world.fill(ID, "one");
    const chat = open();
    browser.isOnline = false;
    void chat.sendMessage({ text: "two" });
    await world.pass();
    void chat.stop();
    await world.pass(100_000);
    expect(chat.status).toBe("ready");
    browser.isOnline = true;
    await world.pass(60_000);
    expect(textsOf([world.play.turn.message])).toEqual(["u: two"]);
  });

  it("keeps chats apart", async () => {
    const [a, b] = ["thread-a", "thread-b"].map((id) => RELEASES[0]![1]({ id, transport }));
    void a!.sendMessage({ text: "to a" });
    void b!.sendMessage({ text: "to b" });
    await world.pass();
    for (const play of world.plays) {
      play.text(`Re: ${textsOf([play.turn.message])[0]}`);
      play.end();
    }
    await world.pass();
    expect([textsOf(a!.messages), textsOf(b!.messages)]).toEqual([
      ["u: to a", "a: Re: u: to a"],
      ["u: to b", "a: Re: u: to b"],
    ]);
  });
});

describe("an answer that `useChat` alone knows of", () => {
  it("ends with what happened when the turn is over by then", async () => {
    const chat = open();
    void chat.sendMessage({ text: "Pay" });
    await world.pass();
    world.play.say(...ASKS);
    world.play.end();
    await world.pass();
    void world.client(ID).stop();
    const other = world.client(ID);
    other.connect();
    await world.pass();
    void other.stop();
    await world.pass();
    void chat.addToolApprovalResponse({ id: "approval-1", approved: true });
    await world.pass();
    void chat.sendMessage();
    await world.pass();
    expect([chat.status, chat.error]).toEqual(["ready", undefined]);
    expect(textsOf(chat.messages).at(-1)).toMatch(/output-(error|denied)/);
  });
});
