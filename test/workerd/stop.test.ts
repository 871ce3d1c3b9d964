// stop and cancel: they name a turn, work from any socket of the owner, keep the partial, and are quiet when it is over.
import { describe, expect, it } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import { TestSocket } from "./support/client.ts";
import { dumpOf, evict, play, reply } from "./support/objects.ts";
import { ask, countsOf, end, openThread } from "./support/threads.ts";

describe("stop and cancel", () => {
  it("of a queued turn take it out: its message never enters history, and a repeat is quiet", async () => {
    for (const type of ["stop", "cancel"] as const) {
      const { threadId, socket, epoch } = await openThread();
      await socket.send("running");
      const { ref } = await socket.send("queued");
      const command = { type, id: newId(), epoch, turnId: ref };
      const ack = await ask(socket, command);
      expect(ack).toEqual({ type: "ack", ref: command.id, rev: 3, result: { turnId: ref } });
      expect(await ask(socket, command)).toEqual(ack);
      expect(await end("stop", socket, epoch, ref)).toMatchObject({ type: "ack", rev: 3 });
      expect(await end("cancel", socket, epoch, ref)).toMatchObject({ type: "ack", rev: 3 });
      expect(socket.of("delta").at(-1)).toMatchObject({ from: 2, to: 3, queue: [] });
      await reply(threadId, "answer");
      await socket.next("turn");
      expect(await countsOf(threadId)).toMatchObject([{ messages: 2, turns: 0 }]);
    }
  });

  it("stop of a running turn keeps its partial, aborts the signal, and starts the next in line", async () => {
    const { threadId, socket, epoch } = await openThread();
    const { ref } = await socket.send("first");
    const next = await socket.send("second");
    let signal: AbortSignal | undefined;
    await play(threadId, (run) => {
      ({ signal } = run.turn);
      run.write({ type: "text-start", id: "t" });
      run.write({ type: "text-delta", id: "t", delta: "So far" });
    });
    await socket.next("chunks");
    expect(signal?.aborted).toBe(false);
    expect(await end("stop", socket, epoch, ref)).toMatchObject({ type: "ack" });
    expect(signal?.aborted).toBe(true);
    const turn = await socket.next("turn");
    expect(turn.ended).toMatchObject({ turnId: ref, messageId: ref, facts: { outcome: "stopped" } });
    const snapshot = (await TestSocket.open(threadId, "user-1")).of("snapshot")[0]!;
    expect(snapshot.messages.map(({ parts }) => parts.at(-1))).toEqual([
      { type: "text", text: "first" },
      { type: "text", text: "So far", state: "done" },
      { type: "text", text: "second" },
    ]);
    expect(snapshot.turn?.id).toBe(next.ref);
  });

  it("stop of a running turn without output puts the outcome on the user message", async () => {
    const { threadId, socket, epoch } = await openThread();
    const { ref } = await socket.send("first");
    await end("stop", socket, epoch, ref);
    const { ended } = await socket.next("turn");
    expect(ended).toMatchObject({ turnId: ref, messageId: socket.of("delta")[0]!.messages![0]!.id, facts: { outcome: "stopped" } });
    expect(await countsOf(threadId)).toEqual([{ messages: 1, turns: 0, commands: 2 }]);
  });

  it("stop works from another socket of the owner, and from a new one after a disconnect", async () => {
    const { threadId, socket, epoch } = await openThread();
    const { ref } = await socket.send("first");
    socket.close();
    const other = await TestSocket.open(threadId, "user-1");
    expect(await end("stop", other, epoch, ref)).toMatchObject({ type: "ack" });
    expect((await other.next("turn")).ended.turnId).toBe(ref);
  });

  it("cancel of a running turn is refused with already_started and changes nothing", async () => {
    const { threadId, socket, epoch } = await openThread();
    const { ref } = await socket.send("first");
    const before = await dumpOf(threadId);
    expect(await end("cancel", socket, epoch, ref)).toMatchObject({ type: "error", code: "already_started" });
    expect(await dumpOf(threadId)).toBe(before);
  });

  it("of a turn that has ended are quiet, also after an eviction", async () => {
    const { threadId, socket, epoch } = await openThread();
    const { ref } = await socket.send("first");
    await reply(threadId, "answer");
    const { to } = await socket.next("turn");
    for (const type of ["stop", "cancel"] as const) expect(await end(type, socket, epoch, ref)).toMatchObject({ type: "ack", rev: to });
    await evict(threadId);
    for (const type of ["stop", "cancel"] as const) expect(await end(type, socket, epoch, ref)).toMatchObject({ type: "ack", rev: to });
    expect(socket.of("turn")).toHaveLength(1);
  });

  it("of an id that was never a turn are refused with not_found and leave no row", async () => {
    const { threadId, socket, epoch } = await openThread();
    await socket.send("first");
    const before = await dumpOf(threadId);
    for (const type of ["stop", "cancel"] as const)
      expect(await end(type, socket, epoch, newId())).toMatchObject({ type: "error", code: "not_found" });
    expect(await dumpOf(threadId)).toBe(before);
  });

  it("of another epoch are refused with stale_epoch, but a repeat is answered whatever its epoch", async () => {
    const { socket, epoch } = await openThread();
    const { ref } = await socket.send("first");
    expect(await end("stop", socket, newId(), ref)).toMatchObject({ type: "error", code: "stale_epoch" });
    const stop = { type: "stop", id: newId(), epoch, turnId: ref };
    const ack = await ask(socket, stop);
    expect(await ask(socket, { ...stop, epoch: newId() })).toEqual(ack);
  });
});
