import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createChatClient } from "../../../src/client/chat-client.ts";
import { initialSnapshot, keyOf, openThread } from "../../../src/client/thread-source.ts";
import type { ChatClientOptions } from "../../../src/client/types.ts";
import { FakeThreads, quiet, texts } from "../../support/fake-threads.ts";

let threads: FakeThreads;
let options: ChatClientOptions;

beforeEach(() => {
  threads = new FakeThreads();
  threads.fill("a", "one");
  options = { ...threads.options("a"), url: "https://chat.example/chat" };
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const never = (): never => {
  throw new Error("Only requests are written here");
};

const open = () => openThread(options, () => options);

it("gives a client of the app's own as it is", () => {
  const client = createChatClient(options);
  expect(openThread(client, () => client)).toBe(client);
});

it("opens with the first subscriber and closes after the last one", async () => {
  const client = open();
  await quiet();
  expect(threads.tickets).toEqual([]);
  const ends = [client.subscribe(() => {}), client.subscribe(() => {})];
  await quiet();
  expect(texts(client.getSnapshot()).messages).toEqual(["one", "Re: one"]);
  ends[0]!();
  ends[0]!();
  await quiet();
  expect(threads.open).toEqual(["a"]);
  ends[1]!();
  await quiet();
  expect([threads.open, client.getSnapshot().connection.kind]).toEqual([[], "idle"]);
  client.subscribe(() => {});
  await quiet();
  expect([threads.open, threads.tickets]).toEqual([["a"], ["a", "a"]]);
});

it("keeps its connection when one subscriber leaves and another comes in the same task", async () => {
  const client = open();
  const end = client.subscribe(() => {});
  await quiet();
  end();
  client.subscribe(() => {});
  await quiet();
  expect([threads.open, threads.tickets, threads.of("a").sockets.length]).toEqual([["a"], ["a"], 1]);
});

it("opens nothing for a subscriber that leaves in the task in which it came", async () => {
  const client = open();
  const listener = vi.fn<() => void>();
  client.subscribe(listener)();
  await quiet();
  expect(threads.tickets).toEqual([]);
  expect(listener).toHaveBeenCalledTimes(1);
});

it("stays open, when its last subscriber leaves, until every message of ours is answered for", async () => {
  const client = open();
  const server = threads.of("a");
  const end = client.subscribe(() => {});
  await quiet();
  server.losesRequests = true;
  const [one, two] = [client.send("one"), client.send("two")];
  end();
  await quiet();
  expect(threads.open).toEqual(["a"]);
  server.losesRequests = false;
  server.socket.drop();
  await threads.clock.advance(2_000);
  await expect(Promise.all([one, two])).resolves.toMatchObject([{ position: 0 }, { position: 1 }]);
  await quiet();
  expect([threads.open, threads.clock.pending]).toEqual([[], []]);
});

it("stays open for a subscriber that comes while it waits for an answer", async () => {
  const client = open();
  const server = threads.of("a");
  const end = client.subscribe(() => {});
  await quiet();
  server.held = [];
  const sending = client.send("two");
  end();
  await quiet();
  client.subscribe(() => {});
  server.release();
  await sending;
  await quiet();
  expect(threads.open).toEqual(["a"]);
});

it("closes when what it waits for is refused", async () => {
  const client = open();
  const server = threads.of("a");
  const end = client.subscribe(() => {});
  await quiet();
  server.held = [];
  const sending = client.send("two");
  const refused = expect(sending).rejects.toMatchObject({ code: "forbidden" });
  end();
  await quiet();
  server.refuse = (frame) =>
    "id" in frame ? [{ type: "error", ref: frame.id, code: "forbidden", message: "No.", retryable: false }] : undefined;
  server.release();
  await refused;
  await quiet();
  expect(threads.open).toEqual([]);
});

it("closes again after commands to which nobody is subscribed, when all of them are answered", async () => {
  const client = open();
  const server = threads.of("a");
  client.subscribe(() => {})();
  await quiet();
  expect(await client.send("late")).toMatchObject({ position: 0 });
  await quiet();
  expect([threads.open, threads.clock.pending]).toEqual([[], []]);
  server.refuse = (frame) =>
    "id" in frame && frame.type === "stop"
      ? [{ type: "error", ref: frame.id, code: "forbidden", message: "No.", retryable: false }]
      : undefined;
  const refused = expect(client.stop("any")).rejects.toMatchObject({ code: "forbidden" });
  server.held = [];
  const titled = client.setTitle("Late");
  await quiet();
  server.held.shift()!();
  await refused;
  await quiet();
  expect(threads.open).toEqual(["a"]);
  server.release();
  await titled;
  await quiet();
  expect([threads.open, threads.clock.pending]).toEqual([[], []]);
});

it("stays open after such a command for a subscriber that has come", async () => {
  const client = open();
  const sending = client.send("early");
  client.subscribe(() => {});
  await sending;
  await quiet();
  expect(threads.open).toEqual(["a"]);
});

it("leaves a refusal that nobody handles to the platform, while somebody is subscribed", async () => {
  const unhandled: unknown[] = [];
  const hear = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", hear);
  try {
    const client = open();
    client.subscribe(() => {});
    await quiet();
    threads.of("a").refuse = (frame) => [
      "id" in frame ? { type: "error", ref: frame.id, code: "forbidden", message: "No.", retryable: false } : never(),
    ];
    void client.setTitle("x");
    await quiet();
    await quiet();
    expect(unhandled).toMatchObject([{ code: "forbidden" }]);
  } finally {
    process.off("unhandledRejection", hear);
  }
});

it("reports a subscriber that throws, at once and later", async () => {
  const report = vi.fn<(error: unknown) => void>();
  vi.stubGlobal("reportError", report);
  const mistake = new Error("mistake");
  open().subscribe(() => {
    throw mistake;
  });
  expect(report.mock.calls).toEqual([[mistake]]);
  await quiet();
  expect(report.mock.calls.length).toBeGreaterThan(1);
});

it("takes a relative address where nothing is opened, and refuses it to a subscriber where there is no page", () => {
  const client = openThread(threads.options("a"), () => options);
  expect(client.getSnapshot().thread.id).toBe("a");
  expect(() => client.subscribe(() => {})).toThrow(TypeError);
  vi.stubGlobal("location", { href: "https://page.example/" });
  expect(client.subscribe(() => {})).toBeTypeOf("function");
});

it("knows a client by itself, and options by address and thread", () => {
  const client = createChatClient(options);
  expect(keyOf(client)).toBe(client);
  expect(keyOf(options)).toBe(keyOf({ ...options, headers: {} }));
  expect(keyOf(options)).not.toBe(keyOf({ ...options, threadId: "b" }));
  expect(keyOf(options)).not.toBe(keyOf({ ...options, url: "https://other.example/chat" }));
});

it("shows what a client of the thread shows before it is connected", async () => {
  const client = createChatClient(options);
  const before = client.getSnapshot();
  client.connect();
  await quiet();
  expect(client.getSnapshot().messages).toHaveLength(2);
  expect(initialSnapshot(client)).toEqual(before);
});
