// A ticket request that makes the thread, alone or with its first message: once, whoever repeats it, and only for its owner.
import { describe, expect, it } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import { askTicket, getTicket, TestSocket } from "./support/client.ts";
import { dumpOf, evict, reply } from "./support/objects.ts";
import { ask, countsOf, firstSend, openThread } from "./support/threads.ts";

describe("a create", () => {
  it("asked for twice by its owner gives the same ack and two tickets, and one turn", async () => {
    const threadId = newId();
    const request = firstSend();
    const [one, two] = [await getTicket(threadId, "user-1", request), await getTicket(threadId, "user-1", request)];
    expect(one.ack).toEqual({ type: "ack", ref: request.command.id, rev: 1, result: { turnId: request.command.id, position: 0 } });
    expect(two.ack).toEqual(one.ack);
    expect(two.ticket).not.toBe(one.ticket);
    await evict(threadId);
    expect((await getTicket(threadId, "user-1", request)).ack).toEqual(one.ack);
    expect(await countsOf(threadId)).toMatchObject([{ messages: 1, commands: 1 }]);
  });

  it("asked for ten times at once makes one thread and one turn", async () => {
    const threadId = newId();
    const request = firstSend();
    const answers = await Promise.all(Array.from({ length: 10 }, () => getTicket(threadId, "user-1", request)));
    expect(new Set(answers.map(({ ack }) => JSON.stringify(ack))).size).toBe(1);
    expect(await countsOf(threadId)).toEqual([{ messages: 1, turns: 1, commands: 1 }]);
  });

  it("by another principal gets the 404 of a missing thread, with and without the same command", async () => {
    const threadId = newId();
    const request = firstSend();
    await getTicket(threadId, "user-1", request);
    const before = await dumpOf(threadId);
    for (const body of [request, firstSend(), { create: true }]) {
      const response = await askTicket(threadId, "user-2", body);
      expect([response.status, await response.json()]).toEqual([404, { error: expect.objectContaining({ code: "not_found" }) }]);
    }
    expect(await dumpOf(threadId)).toBe(before);
  });

  it("with other content under the same command id is refused with id_reused", async () => {
    const threadId = newId();
    const request = firstSend();
    await getTicket(threadId, "user-1", request);
    const other = { ...request, command: { ...request.command, parts: [{ type: "text", text: "Other" }] } } as typeof request;
    const response = await askTicket(threadId, "user-1", other);
    expect([response.status, await response.json()]).toEqual([409, { error: expect.objectContaining({ code: "id_reused" }) }]);
  });

  it("with a command that an existing thread does not know gives a ticket without an ack, and does nothing", async () => {
    const { threadId, epoch } = await openThread();
    const before = await dumpOf(threadId);
    const request = firstSend();
    const { ack } = await getTicket(threadId, "user-1", request);
    expect(ack).toBeUndefined();
    expect(await dumpOf(threadId)).toBe(before);
    const socket = await TestSocket.open(threadId, "user-1");
    expect(await ask(socket, { ...request.command, epoch })).toMatchObject({ type: "ack", rev: 1 });
    expect((await getTicket(threadId, "user-1", request)).ack).toMatchObject({ ref: request.command.id, rev: 1 });
  });

  it("starts the turn before any socket is open", async () => {
    const threadId = newId();
    await getTicket(threadId, "user-1", firstSend());
    await reply(threadId, "answer");
    const socket = await TestSocket.open(threadId, "user-1");
    await socket.until(({ frames }) => frames.length >= 2);
    expect(socket.of("snapshot")[0]!.messages.length + socket.of("turn").length).toBeGreaterThanOrEqual(2);
  });
});
