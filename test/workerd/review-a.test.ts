import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import { Puppet } from "./worker.ts";
import { accepted, editQueuedOf, post } from "./support/asking.ts";
import { askTicket, getTicket, TestSocket } from "./support/client.ts";
import { withClock } from "./support/clock.ts";
import { BLANK, evict, play, query, reply, stubOf, traceOf } from "./support/objects.ts";
import { ask, firstSend, openThread, sendOf } from "./support/threads.ts";

const call = (n: number) => [
  { type: "tool-input-available", toolCallId: `c${n}`, toolName: "pay", input: {} },
  { type: "tool-approval-request", toolCallId: `c${n}`, approvalId: `a${n}` },
] as const;

describe("review", () => {
  it("T1 create refused by an authorize that reads state", async () => {
    const threadId = newId();
    await runInDurableObject(stubOf(threadId), (puppet) => {
      vi.spyOn(puppet, "authorize").mockImplementation(() => {
        void (puppet as unknown as { state: unknown }).state;
        return puppet.mayCommand;
      });
      puppet.mayCommand = false;
    });
    expect((await askTicket(threadId, "user-1", firstSend())).status).toBe(403);
    expect(await traceOf(threadId)).toEqual(BLANK);
    await runInDurableObject(stubOf(threadId), (puppet) => void (puppet.mayCommand = true));
    const again = await askTicket(threadId, "user-1", firstSend());
    expect([again.status, await again.json()]).toEqual([200, expect.anything()]);
  });

  it("T2 work cap with answers", async () => {
    vi.spyOn(Puppet, "configure").mockReturnValue({ limits: { maxWorkMs: 50_000 } });
    await withClock(async (move) => {
      const { threadId, socket, epoch } = await openThread();
      const send = sendOf(epoch);
      await accepted(socket, send);
      for (let n = 1; n <= 5; n++) {
        await play(threadId, (run) => {
          for (const chunk of call(n)) run.write(chunk as never);
          move(25_000);
          run.end();
        });
        await socket.until(() => socket.of("turn").length > 0 || socket.of("delta").filter(({ turn }) => turn?.state === "waiting").length === n);
        if (socket.of("turn").length > 0) break;
        await accepted(socket, { type: "resolve", id: newId(), epoch, turnId: send.id, approvalId: `a${n}`, approved: true });
      }
      expect(socket.of("turn")[0]?.ended.facts).toMatchObject({ outcome: "failed", error: { code: "work_exhausted" } });
    });
    vi.restoreAllMocks();
  });

  it("T3 lost alarm of an expiring approval", async () => {
    vi.spyOn(Puppet, "configure").mockReturnValue({ approvalExpiresMs: 60_000 });
    const { threadId, socket, epoch } = await openThread();
    const send = sendOf(epoch);
    await accepted(socket, send);
    await play(threadId, (run) => {
      for (const chunk of call(1)) run.write(chunk as never);
      run.end();
    });
    await socket.until(() => socket.of("delta").some(({ turn }) => turn?.state === "waiting"));
    const { alarm } = await traceOf(threadId);
    expect(alarm).not.toBeNull();
    await runInDurableObject(stubOf(threadId), (_p, state) => state.storage.deleteAlarm());
    await evict(threadId);
    await TestSocket.open(threadId, "user-1");
    expect((await traceOf(threadId)).alarm).toBe(alarm);
    vi.restoreAllMocks();
  });

  it("T4 edit of another's queued message", async () => {
    const { threadId, socket, epoch } = await openThread();
    await query(threadId, "INSERT INTO cc_member (principal, role) VALUES ('user-2', 'member')");
    await socket.send("one");
    const queued = sendOf(epoch, "two");
    await accepted(socket, queued);
    const other = await TestSocket.open(threadId, "user-2");
    await accepted(other, editQueuedOf(epoch, queued.id, "delete everything"));
    await reply(threadId, "1");
    await play(threadId, (run) => {
      expect([run.turn.principal.id, run.turn.message.parts]).toEqual(["user-2", [{ type: "text", text: "delete everything" }]]);
      run.end();
    });
  });

  it("T5 stored over 16 MB", async () => {
    const { threadId, socket, epoch } = await openThread();
    await runInDurableObject(stubOf(threadId), (puppet) => {
      puppet.answers.push(async (turn) => {
        const tools = turn.tools({ big: { execute: async () => "x".repeat(10_000_000) } }) as { big: { execute(i: unknown, o: unknown): Promise<string> } };
        turn.write({ type: "text-start", id: "t" });
        turn.write({ type: "text-delta", id: "t", delta: "y".repeat(10_000_000) });
        const output = await tools.big.execute({}, { toolCallId: "c1" });
        turn.write({ type: "tool-input-available", toolCallId: "c1", toolName: "big", input: {} });
        turn.write({ type: "tool-output-available", toolCallId: "c1", output });
        return "done";
      });
    });
    const send = sendOf(epoch);
    await accepted(socket, send);
    await socket.next("turn");
    const [row] = await query<{ bytes: number }>(
      threadId,
      "SELECT (SELECT coalesce(sum(length(CAST(body AS BLOB))), 0) FROM cc_overflow WHERE key = ?1) + (SELECT length(CAST(body AS BLOB)) FROM cc_message WHERE id = ?1) AS bytes",
      send.id,
    );
    expect(socket.of("turn")[0]!.ended.facts).toMatchObject({ outcome: "failed" });
    expect(row!.bytes).toBeLessThan(16_900_000);
  });
});
