// Hooks of the app that answer in ways their types do not allow, or at times that they do not expect.
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { newId } from "../../src/protocol/ids.ts";
import { askTicket, getTicket, TestSocket } from "./support/client.ts";
import { BLANK, evict, query, stubOf, traceOf } from "./support/objects.ts";
import { Puppet } from "./worker.ts";

const command = () => ({ type: "send" as const, id: newId(), messageId: newId(), parts: [{ type: "text" as const, text: "Hello" }] });

/** Replaces hooks of the living object by ones of any type. */
function change(threadId: string, hooks: Record<string, (...args: never[]) => unknown>): Promise<void> {
  return runInDurableObject(stubOf(threadId), (puppet: Puppet) => void Object.assign(puppet, hooks));
}

describe("a hook that answers with a promise grants nothing:", () => {
  it("authorize", async () => {
    const threadId = newId();
    const socket = await TestSocket.open(threadId, "user-1", { create: true });
    await change(threadId, { authorize: async () => false });
    const answer = await socket.ask({ ...command(), epoch: socket.epoch });
    expect(answer.type).toBe("error");
  });

  it("authorizeCreate", async () => {
    const threadId = newId();
    await change(threadId, { authorizeCreate: async () => false });
    expect((await askTicket(threadId, "user-1", { create: true })).ok).toBe(false);
    expect(await traceOf(threadId)).toEqual(BLANK);
  });

  it("authorizeThread", async () => {
    const threadId = newId();
    await getTicket(threadId, "user-1", { create: true });
    await change(threadId, { authorizeThread: async () => null });
    expect((await askTicket(threadId, "user-2")).status).toBe(404);
  });
});

it("a role that this version does not know opens nothing", async () => {
  const threadId = newId();
  await getTicket(threadId, "user-1", { create: true });
  await change(threadId, { authorizeThread: () => "superuser" });
  expect((await askTicket(threadId, "user-2")).status).toBe(404);
});

describe("authorize may read a table of the app", () => {
  it("also for the message that makes the thread", async () => {
    const threadId = newId();
    await runInDurableObject(stubOf(threadId), (puppet, { storage }) => {
      puppet.authorize = () => storage.sql.exec("SELECT count(*) AS n FROM notes").one().n === 0;
    });
    const response = await askTicket(threadId, "user-1", { create: true, command: command() });
    expect(response.status).toBe(200);
  });

  it("and its refusal of that message leaves the object blank", async () => {
    const threadId = newId();
    await runInDurableObject(stubOf(threadId), (puppet, { storage }) => {
      puppet.authorize = () => storage.sql.exec("SELECT count(*) AS n FROM sqlite_master").one().n === -1;
    });
    const response = await askTicket(threadId, "user-1", { create: true, command: command() });
    expect(response.status).toBe(403);
    expect(await traceOf(threadId)).toEqual(BLANK);
  });
});

it("a text of errorText that is longer than facts can hold is cut, and what was shown stays", async () => {
  const threadId = newId();
  const socket = await TestSocket.open(threadId, "user-1", { create: true });
  await change(threadId, { errorText: () => "e".repeat(3_000_000) });
  await runInDurableObject(stubOf(threadId), (puppet) => {
    puppet.answers.push((turn) => {
      turn.write({ type: "data-note", data: "shown" });
      throw new Error("no");
    });
  });
  await socket.ask({ ...command(), epoch: socket.epoch });
  const { facts, createdAt } = (await socket.next("turn")).ended;
  expect([facts.error?.code, facts.error?.message.length, createdAt]).toEqual(["model_error", 2_001, expect.any(Number)]);
});

it("an authorize that reads the state and refuses the create leaves an object that can be made later", async () => {
  const threadId = newId();
  let mayCreate = false;
  await runInDurableObject(stubOf(threadId), (puppet) => {
    puppet.authorize = () => puppet["state"] === undefined && mayCreate;
  });
  expect((await askTicket(threadId, "user-1", { create: true, command: command() })).status).toBe(403);
  expect(await traceOf(threadId)).toEqual(BLANK);
  expect((await askTicket(threadId, "user-1")).status).toBe(404);
  mayCreate = true;
  expect((await askTicket(threadId, "user-1", { create: true, command: command() })).status).toBe(200);
});

it.each(["authorize", "authorizeCreate", "body"])(
  "a throw of %s at the create leaves the object blank, and its text inside",
  async (what) => {
    const threadId = newId();
    const fail = (): never => {
      throw new Error("a secret of the app");
    };
    if (what !== "body") await change(threadId, { [what]: fail });
    const body = what === "body" ? { body: { tone: 1 } } : {};
    const response = await askTicket(threadId, "user-1", { create: true, command: { ...command(), ...body } });
    expect(response.status).toBe(what === "body" ? 400 : 500);
    expect(await response.text()).not.toContain("secret");
    expect(await traceOf(threadId)).toEqual(BLANK);
  },
);

it("a repeat gets its first ack also after a deploy that takes other bodies", async () => {
  const threadId = newId();
  const socket = await TestSocket.open(threadId, "user-1", { create: true });
  const send = { ...command(), epoch: socket.epoch, body: { tone: "dry" } };
  const ack = await socket.ask(send);
  const statics = Puppet as unknown as { body: unknown };
  const before = statics.body;
  statics.body = z.object({ mood: z.string() });
  try {
    await evict(threadId);
    expect(await socket.ask(send)).toEqual(ack);
  } finally {
    statics.body = before;
  }
});

it("a connection that the app has closed acts no more, though its frames still arrive", async () => {
  const threadId = newId();
  const socket = await TestSocket.open(threadId, "user-1", { create: true });
  const frame = JSON.stringify({ ...command(), epoch: socket.epoch });
  await runInDurableObject(stubOf(threadId), (puppet, state) => {
    const [server] = state.getWebSockets();
    puppet.connects[0]!.close("forbidden");
    puppet.webSocketMessage(server!, frame);
  });
  expect(await query(threadId, "SELECT id FROM cc_command")).toEqual([]);
});
