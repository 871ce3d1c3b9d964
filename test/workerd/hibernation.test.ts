// Sockets outlive the object's memory: who they are and what the app noted on them is there after it, and idling costs nothing.
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { Connection } from "../../src/entries/index.ts";
import { newId } from "../../src/protocol/ids.ts";
import { LIMITS } from "../../src/protocol/limits.ts";
import { getTicket, TestSocket } from "./support/client.ts";
import { openDirect } from "./support/direct.ts";
import { constructionsOf, evict, query, reply, stubOf, traceOf } from "./support/objects.ts";

/** What the object knows of its open connections, as its hook saw them come. */
interface Seen {
  id: string;
  principal: string;
  state: unknown;
}

/** Two people in one thread, each with a state, and one turn that has ended. */
async function twoTabs(): Promise<{ threadId: string; owner: TestSocket; member: TestSocket }> {
  const threadId = newId();
  const owner = await TestSocket.open(threadId, "user-1", { create: true });
  await query(threadId, "INSERT INTO cc_member (principal, role) VALUES ('user-2', 'member')");
  const member = await TestSocket.open(threadId, "user-2");
  await setState(threadId, owner, { tab: 1 });
  await setState(threadId, member, { tab: 2 });
  await owner.send("Hello");
  await reply(threadId, "Hi");
  await member.next("turn");
  return { threadId, owner, member };
}

const idOf = (socket: TestSocket): string => socket.of("welcome")[0]!.connection;

function setState(threadId: string, socket: TestSocket, state: unknown): Promise<void> {
  return runInDurableObject(stubOf(threadId), ({ connects }) => {
    const connection: Connection = connects.find(({ id }) => id === idOf(socket))!;
    connection.setState(state);
  });
}

/** Closes both sockets and says what `onDisconnect` was told of each: read from what outlived the memory. */
async function partingOf(threadId: string, sockets: TestSocket[]): Promise<Seen[]> {
  for (const socket of sockets) socket.close();
  await Promise.all(sockets.map((socket) => socket.until(({ closed }) => closed !== null)));
  return runInDurableObject(stubOf(threadId), ({ partings }) =>
    partings
      .map(({ id, principal, state }) => ({ id, principal: principal.id, state }))
      .sort((a, b) => (a.principal < b.principal ? -1 : 1)),
  );
}

async function expectIntact(threadId: string, owner: TestSocket, member: TestSocket): Promise<void> {
  expect((await member.send("I am still who I was")).result?.position).toBe(0);
  const delta = owner.of("delta").at(-1)!;
  expect(delta.messages).toMatchObject([{ role: "user", author: "user-2" }]);
  await reply(threadId, "So you are");
  for (const socket of [owner, member]) expect((await socket.next("turn", 2)).ended.facts.outcome).toBe("completed");
  expect(await partingOf(threadId, [owner, member])).toEqual([
    { id: idOf(owner), principal: "user-1", state: { tab: 1 } },
    { id: idOf(member), principal: "user-2", state: { tab: 2 } },
  ]);
}

describe("two sockets with connection state", () => {
  it("are intact after an eviction: identity, role and state", async () => {
    const { threadId, owner, member } = await twoTabs();
    expect(await traceOf(threadId)).toMatchObject({ alarm: null });
    await evict(threadId);
    expect(constructionsOf(threadId)).toBe(1);
    await expectIntact(threadId, owner, member);
    expect(constructionsOf(threadId)).toBe(2);
  });

  it("are answered pong while the object is out of memory, without a wake", async () => {
    const { threadId, owner, member } = await twoTabs();
    await evict(threadId);
    for (const socket of [owner, member]) {
      socket.sendText("ping");
      await socket.until(({ texts }) => texts.includes("pong"));
    }
    expect(constructionsOf(threadId)).toBe(1);
    member.sendText("ping ");
    expect(await member.next("error")).toMatchObject({ code: "bad_frame" });
    expect(constructionsOf(threadId)).toBe(2);
  });

  // REAL TIME, about 13 s: nothing here evicts. The runtime has to find the object idle by itself, which a timer, a pending
  // promise or an alarm of ours would prevent.
  it("let the object hibernate by itself after 10 s of nothing but pings, and are intact when it wakes", { timeout: 30_000 }, async () => {
    const { threadId, owner, member } = await twoTabs();
    expect(await traceOf(threadId)).toMatchObject({ alarm: null });
    for (let second = 1; second <= 13; second++) {
      await scheduler.wait(1_000);
      owner.sendText("ping");
      await owner.until(({ texts }) => texts.filter((text) => text === "pong").length === second);
    }
    expect(constructionsOf(threadId)).toBe(1);
    await expectIntact(threadId, owner, member);
    expect(constructionsOf(threadId)).toBe(2);
  });
});

describe("connection state", () => {
  async function connected(): Promise<{ threadId: string; socket: TestSocket }> {
    const threadId = newId();
    return { threadId, socket: await TestSocket.open(threadId, "user-1", { create: true }) };
  }

  /** A note of so many bytes: what the schema of the class lets through is `{ tab, note }` as JSON. */
  function stateOfBytes(bytes: number, unit: string): { tab: number; note: string } {
    const encoder = new TextEncoder();
    const room = bytes - encoder.encode(JSON.stringify({ tab: 1, note: "" })).length;
    const unitBytes = encoder.encode(unit).length;
    return { tab: 1, note: unit.repeat(Math.floor(room / unitBytes)) + "x".repeat(room % unitBytes) };
  }

  it.each([
    ["ASCII", "x"],
    ["CJK and ASCII", "字x"],
    ["emoji", "🦊"],
    ["Latin with accents", "é"],
  ])("of exactly 12,288 bytes survives an eviction (%s); one byte more is refused and the old one stays", async (_name, unit) => {
    const { threadId, socket } = await connected();
    const full = stateOfBytes(LIMITS.maxConnectionStateBytes, unit);
    await setState(threadId, socket, full);
    await expect(setState(threadId, socket, stateOfBytes(LIMITS.maxConnectionStateBytes + 1, unit))).rejects.toMatchObject({
      code: "state_too_large",
    });
    await evict(threadId);
    expect(await partingOf(threadId, [socket])).toEqual([{ id: idOf(socket), principal: "user-1", state: full }]);
  });

  it("fits beside the largest principal that the router lets in", async () => {
    const threadId = newId();
    const principal = {
      id: `user-${"字".repeat(251)}`,
      name: "名".repeat(256),
      tenant: "t".repeat(64),
      claims: { org: "x".repeat(1_014) },
    };
    const socket = await openDirect(stubOf(threadId), threadId, principal);
    const full = stateOfBytes(LIMITS.maxConnectionStateBytes, "字x");
    await setState(threadId, socket, full);
    await evict(threadId);
    expect(await partingOf(threadId, [socket])).toMatchObject([{ principal: principal.id, state: full }]);
  });

  it.each([
    ["of the wrong shape", { tab: "one" }],
    ["that is no object", "one"],
    ["that is nothing", undefined],
  ])("%s is refused with bad_request, and the old one stays", async (_name, wrong) => {
    const { threadId, socket } = await connected();
    await setState(threadId, socket, { tab: 7 });
    await expect(setState(threadId, socket, wrong)).rejects.toMatchObject({ code: "bad_request" });
    await evict(threadId);
    expect(await partingOf(threadId, [socket])).toMatchObject([{ state: { tab: 7 } }]);
  });
});

describe("an idle object", () => {
  it("has no alarm after a create, a turn, a stop or a cancel, and none after a wake", async () => {
    const threadId = newId();
    await getTicket(threadId, "user-1", { create: true });
    expect((await traceOf(threadId)).alarm).toBeNull();
    const socket = await TestSocket.open(threadId, "user-1");
    const { epoch } = socket;
    const { ref } = await socket.send("one");
    const queued = await socket.send("two");
    expect((await traceOf(threadId)).alarm).toBeGreaterThan(Date.now());
    await socket.ask({ type: "cancel", id: newId(), epoch, turnId: queued.ref });
    await socket.ask({ type: "stop", id: newId(), epoch, turnId: ref });
    expect((await traceOf(threadId)).alarm).toBeNull();
    await evict(threadId);
    await socket.ask({ type: "stop", id: newId(), epoch, turnId: ref });
    expect((await traceOf(threadId)).alarm).toBeNull();
  });
});
