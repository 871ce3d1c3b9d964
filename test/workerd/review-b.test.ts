import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { newId } from "../../src/protocol/ids.ts";
import { Puppet } from "./worker.ts";
import { accepted, regenerateOf, continueOf } from "./support/asking.ts";
import { TestSocket } from "./support/client.ts";
import { withClock } from "./support/clock.ts";
import { evict, play, query, reply, stubOf, traceOf } from "./support/objects.ts";
import { ask, end, openThread, sendOf, openUsedThread } from "./support/threads.ts";

const call = (n: number, approvalId = `a${n}`) => [
  { type: "tool-input-available", toolCallId: `c${n}`, toolName: "pay", input: {} },
  { type: "tool-approval-request", toolCallId: `c${n}`, approvalId },
] as const;
const waitingCount = (socket: TestSocket) => socket.of("delta").filter(({ turn }) => turn?.state === "waiting").length;

describe("review b", () => {
  it("R1 an approval id used again in a later run", async () => {
    const { threadId, socket, epoch } = await openThread();
    const send = sendOf(epoch);
    await accepted(socket, send);
    for (let n = 1; n <= 2; n++) {
      await play(threadId, (run) => {
        for (const chunk of call(n, "same")) run.write(chunk as never);
        run.end();
      });
      await socket.until(() => waitingCount(socket) === n);
      expect(await ask(socket, { type: "resolve", id: newId(), epoch, turnId: send.id, approvalId: "same", approved: true })).toMatchObject({ type: "ack" });
    }
  });

  it("R2 end marks damaged to an object", async () => {
    const { threadId } = await openUsedThread();
    await query(threadId, "UPDATE cc_session SET end_marks = '{}'");
    await evict(threadId);
    await TestSocket.open(threadId, "user-1");
  });

  it("R3 body is the same at once and from the queue", async () => {
    const spy = Object.getOwnPropertyDescriptor(Puppet, "body")!;
    Object.defineProperty(Puppet, "body", { ...spy, value: z.object({ at: z.coerce.date() }) });
    try {
      const { threadId, socket, epoch } = await openThread();
      const body = { at: "2026-01-01T00:00:00.000Z" };
      await accepted(socket, { ...sendOf(epoch), body });
      await accepted(socket, { ...sendOf(epoch), body });
      const bodies: unknown[] = [];
      for (let n = 0; n < 2; n++)
        await play(threadId, (run) => {
          bodies.push((run.turn.body as { at: unknown }).at);
          run.text("x");
          run.end();
        });
      expect(bodies[0]).toEqual(bodies[1]);
    } finally {
      Object.defineProperty(Puppet, "body", spy);
    }
  });

  it("R4 long errorText", async () => {
    const { threadId, socket, epoch } = await openThread();
    await runInDurableObject(stubOf(threadId), (puppet) => void (puppet.errorText = () => "e".repeat(3_000_000)));
    await accepted(socket, sendOf(epoch));
    await play(threadId, (run) => {
      run.text("partial");
      run.fail(new Error("x"));
    });
    const { ended } = await socket.next("turn");
    expect(JSON.stringify(ended.facts).length).toBeLessThan(10_000);
    await runInDurableObject(stubOf(threadId), (puppet) => void puppet.answers.push(() => { throw new Error("direct"); }));
    await accepted(socket, sendOf(epoch));
    const second = await socket.next("turn", 2);
    expect(second.ended.facts).toMatchObject({ error: { code: "model_error" } });
    expect(JSON.stringify(second.ended.facts).length).toBeLessThan(10_000);
  });

  it("R5 continue supersedes a waiting regenerate, then fails", async () => {
    const { threadId, socket, epoch } = await openThread();
    const send = sendOf(epoch);
    await accepted(socket, send);
    await play(threadId, (run) => run.text("partial"));
    await socket.until(() => socket.of("chunks").length > 0);
    await end("stop", socket, epoch, send.id);
    const again = regenerateOf(epoch, send.messageId);
    await accepted(socket, again);
    await play(threadId, (run) => {
      for (const chunk of call(1)) run.write(chunk as never);
      run.end();
    });
    await socket.until(() => waitingCount(socket) === 1);
    const go = continueOf(epoch, send.id);
    expect(await ask(socket, go)).toMatchObject({ type: "error", code: "head_moved" });
  });

  it("R6 orphan waiting with a call that never started says why", async () => {
    const { threadId, socket, epoch } = await openThread();
    const send = sendOf(epoch);
    await accepted(socket, send);
    await play(threadId, (run) => {
      run.write({ type: "tool-input-available", toolCallId: "s1", toolName: "slow", input: {} } as never);
      for (const chunk of call(1)) run.write(chunk as never);
    });
    await socket.until(() => socket.of("chunks").flatMap(({ items }) => items).some(({ type }) => type === "tool-approval-request"));
    await evict(threadId);
    const late = await TestSocket.open(threadId, "user-1");
    const { live } = late.of("snapshot")[0]!;
    expect(JSON.stringify(live)).not.toContain("has no `execute`");
  });

  it("R7 continue whose only output changes a data part of its base", async () => {
    const { threadId, socket, epoch } = await openThread();
    const send = sendOf(epoch);
    await accepted(socket, send);
    await play(threadId, (run) => {
      run.text("partial");
      run.write({ type: "data-progress", id: "p", data: 10 } as never);
    });
    await socket.until(() => socket.of("chunks").flatMap(({ items }) => items).some(({ type }) => type === "data-progress"));
    await end("stop", socket, epoch, send.id);
    const go = continueOf(epoch, send.id);
    await accepted(socket, go);
    await play(threadId, (run) => {
      run.write({ type: "data-progress", id: "p", data: 100 } as never);
      run.end();
    });
    await socket.next("turn", 2);
    const [row] = await query<{ body: string }>(threadId, "SELECT body FROM cc_message WHERE id = ?", send.id);
    expect(row!.body).toContain("100");
  });

  it("R8 a setState of an abort listener, at a stop with one in the queue", async () => {
    const { threadId, socket, epoch } = await openThread();
    const send = sendOf(epoch);
    await accepted(socket, send);
    const next = sendOf(epoch, "next");
    await accepted(socket, next);
    await play(threadId, (run) => {
      run.turn.signal.addEventListener("abort", () => run.turn.write({ type: "data-x", data: 1 } as never));
      run.text("x");
    });
    await end("stop", socket, epoch, send.id);
    await reply(threadId, "ok");
    expect((await socket.next("turn", 2)).ended.facts.outcome).toBe("completed");
  });

});
