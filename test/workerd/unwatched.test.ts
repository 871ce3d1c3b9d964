// Turns that nobody watches, and the counts of a turn over its runs: attempts, runs, usage, time at work.
import { env } from "cloudflare:workers";
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { getThread, type TurnResult } from "../../src/entries/index.ts";
import type { CommandAnswer } from "../../src/auth/rpc.ts";
import { newId } from "../../src/protocol/ids.ts";
import type { Chunk, Usage } from "../../src/protocol/messages.ts";
import { accepted, openTalk, textOf } from "./support/asking.ts";
import type { TestSocket } from "./support/client.ts";
import { withClock } from "./support/clock.ts";
import { evict, play, PUPPET, query, stubOf, traceOf } from "./support/objects.ts";
import { freshView, replicaOf } from "./support/replicas.ts";
import { answerNext } from "./support/stage.ts";
import { countsOf, openThread } from "./support/threads.ts";
import { Puppet, type Env } from "./worker.ts";

const { HOOKED } = env as unknown as Env;

const { clientTools } = Puppet;
beforeAll(() => void Object.assign(Puppet, { clientTools: { pickDate: {} } }));
afterAll(() => void Object.assign(Puppet, { clientTools }));
afterEach(() => void vi.restoreAllMocks());

const asCron = { as: "system:cron" } as const;
const PAY: Chunk[] = [
  { type: "tool-input-available", toolCallId: "call-1", toolName: "pay", input: { cents: 500 } },
  { type: "tool-approval-request", toolCallId: "call-1", approvalId: "approval-1" },
];

/** What `streamText` gives: chunks, and the usage of their step. */
function resultOf(usage: Usage, ...chunks: Chunk[]): TurnResult {
  return {
    toUIMessageStream: (options) =>
      new ReadableStream<Chunk>({
        start: (controller) => {
          for (const part of [
            { type: "finish-step", usage },
            { type: "finish", totalUsage: usage },
          ])
            options?.messageMetadata?.({ part });
          for (const chunk of chunks) controller.enqueue(chunk);
          controller.close();
        },
      }),
  } as TurnResult;
}

const says = (delta: string): Chunk[] => [
  { type: "text-start", id: "t" },
  { type: "text-delta", id: "t", delta },
  { type: "text-end", id: "t" },
];

const approve = (socket: TestSocket, turnId: string) =>
  accepted(socket, { type: "resolve", id: newId(), epoch: socket.epoch, turnId, approvalId: "approval-1", approved: true });

const state = (threadId: string) => query(threadId, "SELECT state, attempt, due_at FROM cc_turn");

describe("with no client connected", () => {
  it("a turn runs to its end, its answer is stored, and no alarm is left", async () => {
    const threadId = newId();
    await getThread(PUPPET, { threadId }, { ...asCron, create: { owner: "user-1" } }).send("u1");
    await withClock(async (move) => {
      await play(threadId, async (run) => {
        for (let minute = 0; minute < 3; minute++) {
          run.text(`minute ${minute}. `);
          for (let half = 0; half < 2; half++) {
            move(30_001);
            await scheduler.wait(0);
            await runDurableObjectAlarm(stubOf(threadId));
          }
        }
        run.end();
      });
    });
    await vi.waitFor(async () => expect(await countsOf(threadId)).toMatchObject([{ messages: 2, turns: 0 }]));
    const { messages } = await freshView(threadId);
    expect(messages.map(textOf)).toEqual(["u1", "minute 0. minute 1. minute 2. "]);
    expect(messages[1]!.facts).toMatchObject({ outcome: "completed", attempts: 1 });
    expect((await traceOf(threadId)).alarm).toBeNull();
  });

  it("onTurnEnd is called, once, and then no alarm is left", async () => {
    const threadId = newId();
    const hooked = HOOKED.get(HOOKED.idFromName(`/${threadId}`));
    const command = { type: "send", id: newId(), messageId: newId(), parts: [{ type: "text", text: "u1" }] };
    const answer = (await hooked.command({
      principal: { id: "system:cron" },
      tenant: "",
      threadId,
      command,
      create: { owner: "user-1" },
    })) as CommandAnswer;
    expect(answer).toMatchObject({ ok: true });
    await runInDurableObject(hooked, async (puppet) => {
      const run = await puppet.nextPlay();
      run.text("a1");
      run.end();
    });
    await vi.waitFor(() => runInDurableObject(hooked, ({ ends }) => expect(ends).toHaveLength(1)));
    await runInDurableObject(hooked, async ({ ends }, { storage }) => {
      expect(ends[0]).toMatchObject({ turnId: command.id, again: false, reply: { id: command.id }, facts: { outcome: "completed" } });
      await vi.waitFor(async () => expect(await storage.getAlarm()).toBeNull());
    });
  });

  it("a turn whose process dies is found by its alarm alone, and ends", async () => {
    const threadId = newId();
    await getThread(PUPPET, { threadId }, { ...asCron, create: { owner: "user-1" } }).send("u1");
    await play(threadId, () => {});
    await evict(threadId);
    expect(await runDurableObjectAlarm(stubOf(threadId))).toBe(true);
    await play(threadId, (run) => {
      expect(run.turn).toMatchObject({ attempt: 2, resume: { kind: "recovery" } });
      run.text("a1");
      run.end();
    });
    await vi.waitFor(async () => expect(await countsOf(threadId)).toMatchObject([{ messages: 2, turns: 0 }]));
    expect((await traceOf(threadId)).alarm).toBeNull();
  });

  it("one that kills its process each time is given up by alarms alone: failed after the cap, no alarm, and the thread works", async () => {
    const threadId = newId();
    await getThread(PUPPET, { threadId }, { ...asCron, create: { owner: "user-1" } }).send("u1");
    let runs = 0;
    for (; (await traceOf(threadId)).alarm !== null && runs < 10; runs++) {
      await play(threadId, ({ turn }) => expect(turn.attempt).toBe(runs + 1));
      await evict(threadId);
      await runDurableObjectAlarm(stubOf(threadId));
    }
    expect(runs).toBe(3);
    const [question] = (await freshView(threadId)).messages;
    expect(question!.facts).toMatchObject({ outcome: "failed", attempts: 3, error: { code: "attempts_exhausted" } });
    expect(await runDurableObjectAlarm(stubOf(threadId))).toBe(false);
    await getThread(PUPPET, { threadId }, asCron).send("u2");
    await play(threadId, (run) => {
      run.text("a2");
      run.end();
    });
    await vi.waitFor(async () => expect(await countsOf(threadId)).toMatchObject([{ messages: 3, turns: 0 }]));
  });

  it("a turn that waits for a person sleeps without an alarm, and costs no attempt however often the object dies", async () => {
    const { threadId, socket } = await openThread();
    const { ref } = await socket.send("u1");
    await answerNext(threadId);
    await play(threadId, (run) => {
      for (const chunk of PAY) run.write(chunk);
      run.end();
    });
    await socket.until(() => replicaOf(socket).turn?.state === "waiting");
    for (let death = 0; death < 5; death++) {
      expect(await state(threadId)).toEqual([{ state: "waiting", attempt: 1, due_at: null }]);
      expect((await traceOf(threadId)).alarm).toBeNull();
      await evict(threadId);
      await stubOf(threadId).page({ principal: { id: "user-1" } });
    }
    await approve(socket, ref);
    await play(threadId, ({ turn }) => expect(turn).toMatchObject({ id: ref, attempt: 1, resume: { kind: "approval" } }));
    expect((await traceOf(threadId)).alarm).toBeGreaterThan(Date.now());
  });
});

describe("over its runs, a turn", () => {
  it("adds up the usage of each, counts attempts from the last answer on, and prefixes chunk ids with the run", async () => {
    const { threadId, socket } = await openThread();
    await answerNext(
      threadId,
      () => resultOf({ inputTokens: 10, outputTokens: 1, totalTokens: 11 }, ...says("one "), ...PAY),
      () =>
        resultOf(
          { inputTokens: 20, outputTokens: 2 },
          { type: "tool-output-available", toolCallId: "call-1", output: "paid" },
          ...says("two"),
        ),
    );
    const { ref } = await socket.send("u1");
    await socket.until(() => replicaOf(socket).turn?.state === "waiting");
    await approve(socket, ref);
    const { ended } = await socket.next("turn");
    expect(ended.facts).toMatchObject({ outcome: "completed", attempts: 1, usage: { inputTokens: 30, outputTokens: 3, totalTokens: 11 } });
    const ids = socket.of("chunks").flatMap(({ items }) => items.flatMap((chunk) => (chunk.type === "text-start" ? [chunk.id] : [])));
    expect(ids).toEqual(["1:t", "2:t"]);
    expect((await freshView(threadId)).messages[1]!.facts!.usage).toEqual(ended.facts.usage);
  });

  it("keeps the usage of a run that fell silent, and goes on counting attempts", async () => {
    const { threadId, socket } = await openThread();
    await withClock(async (move) => {
      await answerNext(threadId, () => {
        const silent = new ReadableStream<Chunk>({ start: () => {} });
        return {
          toUIMessageStream: (options) => {
            options?.messageMetadata?.({ part: { type: "finish-step", usage: { inputTokens: 7 } } } as never);
            return silent;
          },
        } as TurnResult;
      });
      await socket.send("u1");
      await scheduler.wait(0);
      await answerNext(threadId, () => resultOf({ inputTokens: 5 }, ...says("a1")));
      move(61_000);
      await runDurableObjectAlarm(stubOf(threadId));
    });
    const { ended } = await socket.next("turn");
    expect(ended.facts).toMatchObject({ outcome: "completed", attempts: 2, usage: { inputTokens: 12 } });
  });

  it("has all its attempts again after an answer, and its runs go on: the third run of a turn is attempt 2", async () => {
    const { threadId, socket } = await openThread();
    const { ref } = await socket.send("u1");
    await play(threadId, (run) => {
      for (const chunk of PAY) run.write(chunk);
      run.end();
    });
    await socket.until(() => replicaOf(socket).turn?.state === "waiting");
    await approve(socket, ref);
    await play(threadId, ({ turn }) => expect(turn.attempt).toBe(1));
    expect(await query(threadId, "SELECT attempt, json_extract(progress, '$.run') AS run FROM cc_turn")).toEqual([{ attempt: 1, run: 2 }]);
  });

  it("is at work only when it works: an hour of waiting counts for nothing, the minutes around it do", async () => {
    vi.spyOn(Puppet, "configure").mockReturnValue({ limits: { maxWorkMs: 50_000 } });
    const { threadId, socket } = await openThread();
    await withClock(async (move) => {
      const { ref } = await socket.send("u1");
      await play(threadId, async (run) => {
        move(20_000);
        for (const chunk of PAY) run.write(chunk);
        run.end();
      });
      await socket.until(() => replicaOf(socket).turn?.state === "waiting");
      const [row] = await query<{ worked: number }>(threadId, "SELECT json_extract(progress, '$.workedMs') AS worked FROM cc_turn");
      expect(row!.worked).toBe(20_000);
      move(3_600_000);
      await approve(socket, ref);
      await play(threadId, (run) => run.text("Still here. "));
      move(30_000);
      await runDurableObjectAlarm(stubOf(threadId));
      // 50 s at work, not more than may be.
      expect(await state(threadId)).toMatchObject([{ state: "running", attempt: 1 }]);
      await socket.until(() => textOf(replicaOf(socket).live!.message) === "Still here. ");
      move(30_001);
      await runDurableObjectAlarm(stubOf(threadId));
    });
    expect((await socket.next("turn")).ended.facts).toMatchObject({ outcome: "failed", error: { code: "work_exhausted" } });
  });

  it("counts an approval that is given while its run goes on for the next run, which follows at once", async () => {
    const { threadId, socket } = await openThread();
    const { ref } = await socket.send("u1");
    const first = await runInDurableObject(stubOf(threadId), (puppet) => puppet.nextPlay());
    const perform = (act: () => void) => runInDurableObject(stubOf(threadId), act);
    await perform(() => {
      for (const chunk of PAY) first.write(chunk);
    });
    await socket.until(() => JSON.stringify(replicaOf(socket).live).includes("approval-requested"));
    await approve(socket, ref);
    expect(await state(threadId)).toMatchObject([{ state: "running", attempt: 1 }]);
    await perform(() => first.end());
    await play(threadId, (run) => {
      expect(run.turn).toMatchObject({ id: ref, attempt: 1, resume: { kind: "approval" } });
      run.write({ type: "tool-output-available", toolCallId: "call-1", output: "paid" });
      run.text("Done.");
      run.end();
    });
    const { ended } = await socket.next("turn");
    expect(ended.facts).toMatchObject({ outcome: "completed", attempts: 1 });
    expect(socket.of("delta").some(({ turn }) => turn?.state === "waiting")).toBe(false);
  });
});

it("the alarm of a thread in which nothing is due any more does nothing and sets none", async () => {
  const { threadId } = await openTalk(1);
  await runInDurableObject(stubOf(threadId), (puppet) => puppet.alarm());
  expect((await traceOf(threadId)).alarm).toBeNull();
});
