import { describe, expect, it } from "vitest";
import { createChatClient } from "../../../src/client/chat-client.ts";
import { storedOutbox } from "../../../src/client/outbox-storage.ts";
import { isChatError } from "../../../src/errors.ts";
import { countsOf, createWorld, failure, texts } from "./client-world.ts";
import { quiet } from "./fake-server.ts";

const refusal = (status: number, code: string, retryable: boolean) => () =>
  Response.json({ error: { code, message: "Because.", retryable } }, { status });

describe("a client that creates its thread", () => {
  it("opens nothing before the first send: not for a subscriber, connect or reconnect", async () => {
    const world = await createWorld({ create: true });
    world.client.connect();
    world.client.reconnect();
    await quiet();
    expect(world.server.requests).toEqual([]);
    expect(world.snapshot).toMatchObject({ connection: { kind: "idle" }, status: "ready", messages: [] });
  });

  it("takes back what is set before there is a thread", async () => {
    const world = await createWorld({ create: true });
    const refused = [world.client.setTitle("Early"), world.client.setState({ mode: "build" })].map(failure);
    expect(await Promise.all(refused)).toMatchObject([{ code: "not_found" }, { code: "not_found" }]);
    expect([world.snapshot.thread.title, world.snapshot.state]).toEqual([null, undefined]);
  });

  it("sends the first message with the ticket request, without an epoch, and never on the socket", async () => {
    const world = await createWorld({ create: true });
    await expect(world.client.send("Hello")).resolves.toEqual({ turnId: "id1", position: 0 });
    expect(world.server.tickets.map(({ body }) => body)).toEqual([
      { create: true, command: { type: "send", id: "id1", messageId: "id2", parts: [{ type: "text", text: "Hello" }] } },
    ]);
    await quiet();
    expect(world.server.socket.sent).toEqual([]);
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("shows the message exactly once all the time", async () => {
    const world = await createWorld({ create: true, prepare: (server) => (server.accepts = false) });
    void world.client.send("Hello");
    await quiet();
    world.server.socket.accept();
    await quiet();
    const counts = countsOf("id2", world.seen);
    expect(counts.slice(counts.indexOf(1)).every((count) => count === 1)).toBe(true);
    expect(new Set(world.seen.flatMap(({ messages }) => messages.map(({ delivery }) => delivery)))).toEqual(
      new Set(["sending", "sent", undefined]),
    );
  });

  it("repeats the same command when the answer is lost, with backoff", async () => {
    const world = await createWorld({ create: true });
    world.server.answers.push(
      () => Promise.reject(new TypeError("offline")),
      (request) => {
        world.server.answer(request);
        throw new TypeError("cut");
      },
      refusal(503, "schema_ahead", true),
    );
    const sending = world.client.send("Hello");
    await world.clock.advance(10_000);
    await expect(sending).resolves.toEqual({ turnId: "id1", position: 0 });
    expect(world.server.tickets).toHaveLength(4);
    expect(new Set(world.server.tickets.map(({ init }) => init.body))).toHaveLength(1);
    expect(world.server.thread.messages).toHaveLength(1);
  });

  it("lets later messages wait for the first view", async () => {
    const world = await createWorld({ create: true, prepare: (server) => (server.accepts = false) });
    await world.client.send("a");
    void world.client.send("b");
    await quiet();
    expect(texts(world.snapshot)).toEqual({ messages: ["a"], queue: ["b"] });
    world.server.socket.accept();
    expect(world.server.socket.sent).toMatchObject([{ type: "send", id: "id3", epoch: "epoch1" }]);
    expect(texts(world.snapshot)).toEqual({ messages: ["a"], queue: ["b"] });
  });

  it("asks for a plain ticket once the thread is made", async () => {
    const world = await createWorld({ create: true });
    await world.client.send("Hello");
    await quiet();
    world.server.socket.drop();
    await world.clock.advance(1_000);
    expect(world.server.tickets.at(-1)!.body).toEqual({});
  });

  it("fails the message for a refusal that stays, and makes the thread with a retry", async () => {
    const world = await createWorld({ create: true });
    world.server.answers.push(refusal(413, "too_large", false));
    const error = await world.client.send("Hello").catch((reason: unknown) => reason);
    expect(isChatError(error, "too_large")).toBe(true);
    expect(world.snapshot).toMatchObject({ connection: { kind: "stopped" }, status: "error", error: { code: "too_large" } });
    expect(world.snapshot.messages).toMatchObject([{ delivery: "failed" }]);
    await world.client.retry("id2");
    expect(world.server.tickets[1]!.body).toEqual(world.server.tickets[0]!.body);
    await quiet();
    expect(world.snapshot).toMatchObject({ status: "submitted", error: null });
  });

  it("makes the thread with another message after the first was refused", async () => {
    const world = await createWorld({ create: true });
    world.server.answers.push(refusal(413, "too_large", false));
    await world.client.send("Too long").catch(() => {});
    await world.client.send("Short");
    expect(world.server.tickets[1]!.body.command).toMatchObject({ id: "id3" });
    await quiet();
    expect(texts(world.snapshot).messages).toEqual(["Short", "Too long"]);
  });

  it("gives the message and its turn the ids that the promise names at once, the message that of the app", async () => {
    const world = await createWorld({ create: true });
    const sending = world.client.send({ text: "Hello", messageId: "of-the-app" });
    expect(sending).toMatchObject({ turnId: "id1", messageId: "of-the-app" });
    expect((await sending).turnId).toBe("id1");
    await quiet();
    expect(world.server.thread.messages).toMatchObject([{ id: "of-the-app" }]);
    expect(world.client.regenerate("of-the-app")).toMatchObject({ messageId: "of-the-app" });
  });

  it("refuses what acts on a thread that is not made", async () => {
    const world = await createWorld({ create: true });
    const error = await world.client.cancel("turn").catch((reason: unknown) => reason);
    expect(isChatError(error, "not_found")).toBe(true);
    await world.client.stop();
    await world.client.loadEarlier();
    expect(world.server.requests).toEqual([]);
  });
});

describe("a client that creates its thread if it is missing", () => {
  const missing = refusal(404, "not_found", false);

  it("shows a thread that is there, and asks for it as any other client does", async () => {
    const world = await createWorld({
      create: "if-missing",
      prepare: (server) => void server.thread.send({ id: "turn-0", messageId: "message-0", parts: [{ type: "text", text: "Earlier" }] }),
    });
    await quiet();
    expect(world.server.tickets.map(({ body }) => body)).toEqual([{}]);
    expect(world.snapshot).toMatchObject({ connection: { kind: "live" }, messages: [{ role: "user" }] });
    world.server.answers.push(missing);
    world.server.socket.drop();
    await world.clock.advance(1_000);
    // It was there: now it is not, or not for us.
    expect(world.snapshot).toMatchObject({ connection: { kind: "stopped" }, status: "error", error: { code: "not_found" } });
  });

  it("takes a thread that is not there for an empty one, which the first message makes", async () => {
    const world = await createWorld({ create: "if-missing", prepare: (server) => void server.answers.push(missing) });
    await quiet();
    expect(world.snapshot).toMatchObject({ connection: { kind: "idle" }, status: "ready", error: null, messages: [] });
    await expect(world.client.send("Hello")).resolves.toMatchObject({ position: 0 });
    expect(world.server.tickets.map(({ body }) => body.create)).toEqual([undefined, true]);
    await quiet();
    expect(texts(world.snapshot).messages).toEqual(["Hello"]);
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("makes it in the first request when the message is there already, and at once when it comes while that is asked", async () => {
    const early = await createWorld({ create: "if-missing", watch: false });
    await early.client.send("Hello");
    expect(early.server.tickets.map(({ body }) => body.create)).toEqual([true]);
    let answer = (): void => {};
    const world = await createWorld({
      create: "if-missing",
      prepare: (server) => void server.answers.push(() => new Promise((resolve) => (answer = () => resolve(missing())))),
    });
    const sending = world.client.send("Hello");
    answer();
    await sending;
    expect(world.server.tickets.map(({ body }) => body.create)).toEqual([undefined, true]);
  });

  it("refuses at once what acts on a thread that is missing, and looks again when it is asked to", async () => {
    const world = await createWorld({ create: "if-missing", prepare: (server) => void server.answers.push(missing, missing) });
    await quiet();
    const error = await world.client.setTitle("New").catch((reason: unknown) => reason);
    expect(isChatError(error, "not_found")).toBe(true);
    expect(world.snapshot.connection.kind).toBe("idle");
    world.client.connect();
    await quiet();
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("does not take what is said too late of an older attempt for its own", async () => {
    const world = await createWorld({ watch: false });
    const answers: ((response: Response) => void)[] = [];
    const client = createChatClient({
      url: "https://chat.example/chat",
      threadId: "thread",
      create: "if-missing",
      // It does not look at its signal.
      fetch: () => new Promise((resolve) => answers.push(resolve)),
      WebSocket: world.server.WebSocket,
    });
    client.connect();
    await quiet();
    client.reconnect();
    await quiet();
    answers[0]!(missing());
    await quiet();
    answers[1]!(Response.json({ ticket: "ticket-1" }));
    await quiet();
    expect(client.getSnapshot().connection.kind).toBe("live");
    client.close();
  });

  describe("with a stored outbox", () => {
    const storedWith = (epoch?: string) => {
      const request = { type: "send", id: "turn-old", messageId: "message-old", parts: [{ type: "text", text: "Stored" }], epoch };
      return JSON.stringify([{ request, createdAt: 0, author: "me" }]);
    };

    it("sends what a slow storage has, also when the thread was found missing before", async () => {
      let give = (): void => {};
      const getItem = () => new Promise<string>((resolve) => (give = () => resolve(storedWith())));
      const storage = storedOutbox(() => ({ getItem, setItem: () => {}, removeItem: () => {} }));
      const world = await createWorld({ create: "if-missing", storage, prepare: (server) => void server.answers.push(missing) });
      await quiet();
      expect(world.snapshot.connection.kind).toBe("idle");
      give();
      await world.clock.advance(1_000);
      expect(world.snapshot).toMatchObject({ connection: { kind: "live" }, messages: [{ id: "message-old" }] });
      expect(world.snapshot.messages[0]!.delivery).toBeUndefined();
    });

    it.each(["if-missing", true, false] as const)(
      "stays closed when it was closed before a slow storage has given (create: %s)",
      async (create) => {
        let give = (): void => {};
        const getItem = () => new Promise<string>((resolve) => (give = () => resolve(storedWith())));
        const storage = storedOutbox(() => ({ getItem, setItem: () => {}, removeItem: () => {} }));
        const world = await createWorld({ create, storage, prepare: (server) => create && void server.answers.push(missing) });
        await quiet();
        world.client.close();
        const { length } = world.server.requests;
        give();
        await world.clock.advance(1_000);
        expect(world.snapshot.connection.kind).toBe("idle");
        expect(world.server.requests).toHaveLength(length);
      },
    );

    it.each(["if-missing", false] as const)("does not bring back what was written before a clear (create: %s)", async (create) => {
      const storage = storedOutbox(() => ({ getItem: () => storedWith("another-epoch"), setItem: () => {}, removeItem: () => {} }));
      const earlier = { id: "turn-0", messageId: "message-0", parts: [{ type: "text" as const, text: "Earlier" }] };
      const world = await createWorld({ create, storage, prepare: (server) => void server.thread.send(earlier) });
      await world.clock.advance(1_000);
      expect(world.server.thread.messages.map(({ id }) => id)).toEqual(["message-0"]);
      expect(world.server.thread.queue).toEqual([]);
    });
  });

  it("shows the refusal of a thread that is somebody else's", async () => {
    const world = await createWorld({ create: "if-missing", prepare: (server) => void server.answers.push(missing, missing) });
    await quiet();
    const error = await world.client.send("Hello").catch((reason: unknown) => reason);
    expect(isChatError(error, "not_found")).toBe(true);
    expect(world.snapshot).toMatchObject({
      connection: { kind: "stopped" },
      error: { code: "not_found" },
      messages: [{ delivery: "failed" }],
    });
  });
});
