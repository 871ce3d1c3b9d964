// What a refused request learns and leaves behind (nothing), and what happens when a principal loses its right while connected.
import { describe, expect, it } from "vitest";
import { createSigner } from "../../src/auth/secret.ts";
import { signTicket } from "../../src/auth/ticket.ts";
import { newId } from "../../src/protocol/ids.ts";
import { askTicket, call, getTicket, TestSocket, upgrade } from "./support/client.ts";
import { withClock } from "./support/clock.ts";
import { BLANK, CHATCELL_SECRET, constructionsOf, dumpOf, evict, query, reply, traceOf } from "./support/objects.ts";
import { firstSend } from "./support/threads.ts";

const wordsOf = async (response: Response): Promise<unknown> => ({
  status: response.status,
  headers: [...response.headers].filter(([name]) => name !== "content-length"),
  text: await response.text(),
});

describe("a foreign and a missing thread", () => {
  it("give the same answer to a ticket request", async () => {
    const foreign = newId();
    await getTicket(foreign, "user-1", { create: true });
    const answer = await wordsOf(await askTicket(foreign, "user-2"));
    expect(answer).toEqual(await wordsOf(await askTicket(newId(), "user-2")));
    expect(answer).toMatchObject({ status: 404, text: expect.stringContaining('"not_found"') });
  });

  it("give the same answer to an upgrade with a signed ticket that no object has noted", async () => {
    const foreign = newId();
    await getTicket(foreign, "user-1", { create: true });
    const answers = [foreign, newId()].map(async (thread) => {
      const payload = {
        nonce: newId(),
        boot: newId(),
        thread,
        tenant: "",
        basePath: "/chat",
        origin: "",
        version: "chatcell.v1",
        expiresAt: Date.now() + 9_000,
      };
      return wordsOf(await upgrade(thread, await signTicket(createSigner(CHATCELL_SECRET, "ticket"), payload)));
    });
    const [first, second] = await Promise.all(answers);
    expect(first).toEqual(second);
  });

  it("give the same answer to an upgrade after the role was lost, and that is not_found", async () => {
    const threadId = newId();
    const { ticket } = await getTicket(threadId, "user-1", { create: true });
    await query(threadId, "DELETE FROM cc_member");
    const late = await upgrade(threadId, ticket);
    expect([late.status, await late.json()]).toEqual([404, { error: expect.objectContaining({ code: "not_found" }) }]);
  });
});

describe("a refused request leaves a blank object blank:", () => {
  const bad = (change: object) => (threadId: string) => askTicket(threadId, "user-1", firstSend(change));
  const REFUSED: Record<string, [status: number, code: string, ask: (threadId: string) => Promise<Response>]> = {
    "no credential": [401, "identity_required", (id) => call(`/chat/threads/${id}/ticket`, { method: "POST" })],
    "a bad credential, with create": [401, "unauthenticated", (id) => askTicket(id, "nobody", { create: true })],
    "a foreign page, with create": [
      403,
      "bad_origin",
      (id) => askTicket(id, "user-1", { create: true }, { origin: "https://evil.example" }),
    ],
    "no thread and no create": [404, "not_found", (id) => askTicket(id, "user-1")],
    "create and command, both refused by form": [
      400,
      "bad_request",
      (id) => askTicket(id, "user-1", { create: true, command: { type: "stop" } } as never),
    ],
    "a first command with an unknown key": [400, "bad_frame", bad({ role: "system" })],
    "a first command without parts": [400, "bad_frame", bad({ parts: [] })],
    "a first command with a bad body": [400, "bad_request", bad({ body: { tone: 7 } })],
    "a first command with a large body": [413, "too_large", bad({ body: { tone: "x".repeat(17_000) } })],
    "a first command with one id for two things": [409, "id_reused", bad({ id: "one-id-for-both", messageId: "one-id-for-both" })],
    "an expired principal": [401, "unauthenticated", (id) => askTicket(id, `user-1.until.${Date.now() - 1}`, { create: true })],
  };

  it.each(Object.entries(REFUSED))("%s", async (_name, [status, code, ask]) => {
    const threadId = newId();
    const response = await ask(threadId);
    expect([response.status, await response.json()]).toEqual([status, { error: expect.objectContaining({ code }) }]);
    expect(await traceOf(threadId)).toEqual(BLANK);
    await getTicket(threadId, "user-1", firstSend());
  });

  it("a thread id that authorizeCreate refuses", async () => {
    const response = await askTicket("guessable", "user-1", firstSend());
    expect([response.status, await response.json()]).toEqual([403, { error: expect.objectContaining({ code: "forbidden" }) }]);
    expect(await traceOf("guessable")).toEqual(BLANK);
  });

  it("and what the Worker refuses does not even wake it", async () => {
    const threadId = newId();
    await askTicket(threadId, "nobody", { create: true });
    await upgrade(threadId, "bWFkZQ.dXA");
    expect(constructionsOf(threadId)).toBe(0);
  });
});

describe("a principal that expires while connected", () => {
  async function expiring(): Promise<{ threadId: string; socket: TestSocket; seen: number }> {
    const threadId = newId();
    const socket = await TestSocket.open(threadId, `user-1.until.${Date.now() + 60_000}`, { create: true });
    await socket.send("before");
    await reply(threadId, "answer");
    await socket.next("turn");
    return { threadId, socket, seen: socket.frames.length };
  }

  const LATE: Record<string, (socket: TestSocket) => object> = {
    command: ({ epoch }) => ({ type: "send", id: newId(), messageId: newId(), epoch, parts: [{ type: "text", text: "after" }] }),
    "read of a page": (socket) => ({ type: "page", id: newId(), before: socket.of("delta")[0]!.messages![0]!.id }),
    "read of changes": ({ epoch }) => ({ type: "sync", id: newId(), cursor: `${epoch}.0` }),
    "frame that is none": () => ({ type: "nonsense" }),
  };

  it.each(Object.entries(LATE))("is closed with reauthenticate at its next %s, which does nothing", async (_name, frameOf) => {
    const { threadId, socket, seen } = await expiring();
    const before = await dumpOf(threadId);
    await withClock(async (move) => {
      move(60_001);
      socket.sendText(JSON.stringify(frameOf(socket)));
      await socket.until(({ closed }) => closed !== null);
    });
    expect(socket.closed).toEqual({ code: 4402, reason: "reauthenticate" });
    const late = socket.frames.slice(seen);
    expect(late.filter((frame) => !(frame.type === "error" && frame.code === "reauthenticate"))).toEqual([]);
    expect(await dumpOf(threadId)).toBe(before);
  });

  it("is closed at the next broadcast, which it does not get and others do", async () => {
    const { threadId, socket, seen } = await expiring();
    const lasting = await TestSocket.open(threadId, "user-1");
    await withClock(async (move) => {
      move(60_001);
      await lasting.send("a secret");
      await socket.until(({ closed }) => closed !== null);
      await reply(threadId, "another secret");
      await lasting.next("turn");
    });
    expect(socket.closed).toEqual({ code: 4402, reason: "reauthenticate" });
    expect(socket.frames.slice(seen)).toEqual([]);
  });

  it("is as expired after an eviction", async () => {
    const { threadId, socket } = await expiring();
    await evict(threadId);
    await withClock(async (move) => {
      move(60_001);
      socket.sendText(JSON.stringify({ type: "sync", id: newId(), cursor: "" }));
      await socket.until(({ closed }) => closed !== null);
    });
    expect(socket.closed).toEqual({ code: 4402, reason: "reauthenticate" });
  });
});

describe("a principal that lost its role", () => {
  it.each(["at once", "after an eviction"])(
    "is closed with not_found at its next frame (%s), and the other sockets live on",
    async (when) => {
      const threadId = newId();
      const owner = await TestSocket.open(threadId, "user-1", { create: true });
      await query(threadId, "INSERT INTO cc_member (principal, role) VALUES ('user-2', 'member')");
      const member = await TestSocket.open(threadId, "user-2");
      await query(threadId, "DELETE FROM cc_member WHERE principal = 'user-2'");
      if (when === "after an eviction") await evict(threadId);
      const before = await dumpOf(threadId);
      member.sendText(
        JSON.stringify({ type: "send", id: newId(), messageId: newId(), epoch: member.epoch, parts: [{ type: "text", text: "Hi" }] }),
      );
      await member.until(({ closed }) => closed !== null);
      expect(member.closed).toEqual({ code: 4404, reason: "not_found" });
      expect(await dumpOf(threadId)).toBe(before);
      expect((await owner.send("still here")).result?.position).toBe(0);
    },
  );

  it("acts with the role that it has now: a member made viewer may read and not send", async () => {
    const threadId = newId();
    await getTicket(threadId, "user-1", { create: true });
    await query(threadId, "INSERT INTO cc_member (principal, role) VALUES ('user-2', 'member')");
    const member = await TestSocket.open(threadId, "user-2");
    await query(threadId, "UPDATE cc_member SET role = 'viewer' WHERE principal = 'user-2'");
    const { epoch } = member;
    expect(await member.ask({ type: "send", id: newId(), messageId: newId(), epoch, parts: [{ type: "text", text: "Hi" }] })).toMatchObject(
      { code: "forbidden" },
    );
    member.sendText(JSON.stringify({ type: "sync", id: newId(), cursor: `${epoch}.0` }));
    await member.next("delta");
    expect(member.closed).toBeNull();
  });

  it("whose role has an expiry loses it then", async () => {
    const threadId = newId();
    await getTicket(threadId, "user-1", { create: true });
    await query(threadId, "INSERT INTO cc_member (principal, role, expires_at) VALUES ('user-2', 'member', ?)", Date.now() + 60_000);
    const member = await TestSocket.open(threadId, "user-2");
    await withClock(async (move) => {
      move(60_001);
      member.sendText(JSON.stringify({ type: "sync", id: newId(), cursor: "" }));
      await member.until(({ closed }) => closed !== null);
    });
    expect(member.closed).toEqual({ code: 4404, reason: "not_found" });
  });
});
