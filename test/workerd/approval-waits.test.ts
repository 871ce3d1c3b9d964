// A turn that waits for a person: at no cost, for days, until it is answered, stopped, given up for a new message, or expires.
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import { LIMITS } from "../../src/protocol/limits.ts";
import { Scripted } from "./scripted.ts";
import { accepted } from "./support/asking.ts";
import { openCall, outcomesIn, partsOf, replicaOf, shownCalls } from "./support/calls.ts";
import { TestSocket } from "./support/client.ts";
import { withClock } from "./support/clock.ts";
import { metered } from "./support/meter.ts";
import { dumpOf, evict, play, query, stubOf, traceOf } from "./support/objects.ts";
import { PAY, payScene, waitingForPay } from "./support/pay-scene.ts";
import { approvalOf, ended, faultsOfScenes, Gate, post, stored, waiting, resolveOf } from "./support/scene.ts";
import { chunkFaults, shown, Tab } from "./support/tab.ts";
import { ask, end, openThread, sendOf } from "./support/threads.ts";
import { Puppet } from "./worker.ts";

const DAY = 24 * 60 * 60_000;
const WEEK = 7 * DAY;

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

afterEach(async () => {
  vi.restoreAllMocks();
  expect(await faultsOfScenes()).toEqual([]);
});

describe("a turn that waits", () => {
  it("costs nothing, however often it is looked at and the object is evicted: no row, no alarm, no attempt, no model call", async () => {
    const scene = await waitingForPay();
    const before = await dumpOf(scene.threadId);
    const bill = await metered(async () => {
      for (let day = 0; day < 3; day++) {
        await evict(scene.threadId);
        const visitor = await TestSocket.open(scene.threadId, "user-1");
        expect(visitor.of("snapshot")[0]!.turn).toMatchObject({ id: scene.turnId, state: "waiting", attempt: 1 });
        visitor.close();
      }
    });
    expect(bill).toMatchObject({ rowsWritten: 0, alarmsSet: 0, alarmsDeleted: 0 });
    await scene.crash();
    expect(await dumpOf(scene.threadId)).toBe(before);
    expect([scene.turns.length, scene.prompts.length]).toEqual([1, 1]);
    await ask(scene.socket, approvalOf(scene, "pay", true));
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 1 });
  });

  it("looks the same to a tab that watched, one that was away and one that comes late, while it waits and after it", async () => {
    const scene = await payScene([["I pay. ", PAY], "Paid."]);
    const [watching, away] = [await Tab.open(scene.threadId), await Tab.open(scene.threadId)];
    away.link.isOnline = false;
    await scene.send();
    await waiting(scene);
    const agree = async (): Promise<void> => {
      away.link.isOnline = true;
      const late = await Tab.open(scene.threadId);
      for (const tab of [watching, away, late]) await tab.caughtUp();
      expect(shown(away)).toEqual(shown(watching));
      expect(shown(late)).toEqual(shown(watching));
      expect([watching, away, late].flatMap(chunkFaults)).toEqual([]);
      late.close();
    };
    await agree();
    away.link.isOnline = false;
    await ask(scene.socket, approvalOf(scene, "pay", true));
    await ended(scene);
    await agree();
    watching.close();
    away.close();
  });

  it("ends when a new message comes instead of the answer: the call is refused, and the new turn starts", async () => {
    const scene = await payScene([[PAY], "Never mind."]);
    const first = await scene.send();
    await waiting(scene);
    const answer = approvalOf(scene, "pay", true);
    const second = await scene.send("Forget it");
    const { facts, id } = await ended(scene, 2);
    expect([id, facts.outcome]).toEqual([second, "completed"]);
    const [, old] = await stored(scene.threadId);
    expect(old).toMatchObject({ id: first, facts: { outcome: "stopped" } });
    expect(old!.parts.at(-1)).toMatchObject({
      state: "output-denied",
      approval: { approved: false, reason: "superseded", by: "system:superseded" },
    });
    expect(await ask(scene.socket, answer)).toMatchObject({ type: "error", code: "already_resolved" });
    expect(scene.effects).toEqual([]);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
  });

  it("keeps those ahead that were in line before the new message", async () => {
    const gate = new Gate();
    const scene = await payScene([[PAY, { tool: "slow", input: {} }], "Second.", "Third."], {
      others: (scene) => ({ slow: scene.tool("slow", () => gate.pass()) }),
    });
    const first = await scene.send("one");
    await scene.reach(gate);
    const second = await scene.send("two");
    await scene.pass(gate);
    await waiting(scene);
    expect(replicaOf(scene.socket).queue.map(({ turnId }) => turnId)).toEqual([second]);
    const third = await scene.send("three");
    await ended(scene, 3);
    const texts = (await stored(scene.threadId)).map(({ role, id, parts }) => [role === "user" ? "" : id, JSON.stringify(parts.at(-1))]);
    expect(texts.map(([id]) => id)).toEqual(["", first, "", second, "", third]);
    expect(scene.effects.map(({ tool }) => tool)).toEqual(["slow"]);
  });

  it("is refused nothing by `busy: reject`: a new message ends it", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue({ ...Scripted.configure(), busy: "reject" });
    const scene = await payScene([[PAY], "Never mind."]);
    await scene.send();
    await waiting(scene);
    await scene.send("Forget it");
    expect((await ended(scene, 2)).facts.outcome).toBe("completed");
  });

  it("is stopped: its call gets an outcome, and nothing runs", async () => {
    const scene = await waitingForPay();
    const answer = approvalOf(scene, "pay", true);
    expect(await end("cancel", scene.socket, scene.socket.epoch, scene.turnId)).toMatchObject({ code: "already_started" });
    expect(await end("stop", scene.socket, scene.socket.epoch, scene.turnId)).toMatchObject({ type: "ack" });
    expect((await ended(scene)).facts.outcome).toBe("stopped");
    expect(await end("stop", scene.socket, scene.socket.epoch, scene.turnId)).toMatchObject({ type: "ack" });
    expect(openCall(scene.socket, "pay").state).toBe("output-error");
    expect(await ask(scene.socket, answer)).toMatchObject({ code: "already_resolved" });
    expect([scene.effects, scene.turns.length]).toEqual([[], 1]);
    expect(await query(scene.threadId, "SELECT * FROM cc_turn")).toEqual([]);
  });
});

describe("an approval that expires", () => {
  it("is denied by the alarm, also of an object that was evicted, and the turn goes on without the tool", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue({ ...Scripted.configure(), approvalExpiresMs: WEEK });
    await withClock(async (move) => {
      const scene = await waitingForPay();
      const due = Date.now() + WEEK;
      expect(await scene.turnRows()).toMatchObject([{ state: "waiting", due_at: due }]);
      expect((await traceOf(scene.threadId)).alarm).toBe(due);
      expect(openCall(scene.socket, "pay").approval).toMatchObject({ expiresAt: due });
      await evict(scene.threadId);
      move(WEEK - 1);
      await runDurableObjectAlarm(stubOf(scene.threadId));
      expect(scene.turns).toHaveLength(1);
      expect((await traceOf(scene.threadId)).alarm).toBe(due);
      const answer = approvalOf(scene, "pay", true);
      move(1);
      await runDurableObjectAlarm(stubOf(scene.threadId));
      await ended(scene);
      expect(openCall(scene.socket, "pay")).toMatchObject({
        state: "output-denied",
        approval: { approved: false, reason: "expired", by: "system:expiry", at: due },
      });
      expect(scene.effects).toEqual([]);
      expect(JSON.stringify(scene.prompts[1])).toContain("expired");
      expect(await ask(scene.socket, answer)).toMatchObject({ code: "already_resolved" });
      expect((await traceOf(scene.threadId)).alarm).toBeNull();
    });
  });

  it("and is answered in time has no alarm of its own left", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue({ ...Scripted.configure(), approvalExpiresMs: WEEK });
    const scene = await waitingForPay();
    await ask(scene.socket, approvalOf(scene, "pay", true));
    await ended(scene);
    expect(scene.effects).toHaveLength(1);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
  });

  it("and was answered while the run still went on is not denied after that", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue({ ...Scripted.configure(), approvalExpiresMs: 60_000 });
    await withClock(async (move) => {
      const scene = await payScene([[PAY, { tool: "pay", input: { euros: 6 } }], "Done."]);
      await scene.send();
      await waiting(scene);
      const [first, second] = shownCalls(scene.socket).map(({ approval }) => approval!.id);
      await ask(scene.socket, { ...resolveOf(scene), approvalId: first!, approved: true });
      move(60_000);
      await runDurableObjectAlarm(stubOf(scene.threadId));
      await ended(scene);
      expect(second).toBeDefined();
      expect(shownCalls(scene.socket)).toMatchObject([
        { state: "output-available", approval: { by: "user-1" } },
        { state: "output-denied", approval: { by: "system:expiry" } },
      ]);
      expect(scene.effects).toHaveLength(1);
    });
  });

  it("is denied in time after an alarm that was lost: the next wake sets it again", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue({ ...Scripted.configure(), approvalExpiresMs: WEEK });
    const scene = await waitingForPay();
    const { alarm } = await traceOf(scene.threadId);
    await runInDurableObject(stubOf(scene.threadId), (_object, { storage }) => storage.deleteAlarm());
    await evict(scene.threadId);
    const visitor = await TestSocket.open(scene.threadId, "user-1");
    expect(alarm).not.toBeNull();
    expect((await traceOf(scene.threadId)).alarm).toBe(alarm);
    visitor.close();
  });

  it.each(["approved", "expired"])("in a message that is full is %s all the same; the run after it finds no room", async (how) => {
    vi.spyOn(Puppet, "configure").mockReturnValue({ approvalExpiresMs: 60_000 });
    await withClock(async (move) => {
      const { threadId, socket, epoch } = await openThread();
      const send = sendOf(epoch);
      await accepted(socket, send);
      await play(threadId, ({ turn, end }) => {
        turn.write({ type: "text-start", id: "t" });
        turn.write({ type: "text-delta", id: "t", delta: "x".repeat(LIMITS.maxMessageBytes - 1_000) });
        turn.write({ type: "text-end", id: "t" });
        turn.write({ type: "tool-input-available", toolCallId: "c1", toolName: "pay", input: {} });
        turn.write({ type: "tool-approval-request", toolCallId: "c1", approvalId: "a1" });
        const fill = (): void => {
          for (;;) turn.write({ type: "data-fill", data: 0 });
        };
        expect(fill).toThrow("at most");
        end();
      });
      await socket.until(() => socket.of("delta").some(({ turn }) => turn?.state === "waiting"));
      const answer = { type: "resolve", id: newId(), epoch, turnId: send.id, approvalId: "a1", approved: true };
      if (how === "approved") expect(await ask(socket, answer)).toMatchObject({ type: "ack" });
      else {
        move(60_000);
        await runDurableObjectAlarm(stubOf(threadId));
      }
      await play(threadId, ({ turn }) => expect(() => turn.write({ type: "data-more", data: 0 })).toThrow("at most"));
      await end("stop", socket, epoch, send.id);
      expect((await socket.next("turn")).ended.facts).toMatchObject({ outcome: "stopped" });
      const reply = (await stored(threadId)).at(-1);
      expect(reply!.parts.find(({ type }) => type === "tool-pay")).toMatchObject({ approval: { id: "a1", approved: how === "approved" } });
      expect((await traceOf(threadId)).alarm).toBeNull();
    });
  });

  it("while a tool beside it is still at work is denied once the run has ended", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue({ ...Scripted.configure(), approvalExpiresMs: 60_000 });
    await withClock(async (move) => {
      const gate = new Gate();
      const scene = await payScene([[PAY, { tool: "slow", input: {} }], "Too late."], {
        others: (scene) => ({ slow: scene.tool("slow", () => gate.pass()) }),
      });
      await scene.send();
      await scene.reach(gate);
      await scene.socket.until((socket) => shownCalls(socket).length === 2 && openCall(socket, "pay").state === "approval-requested");
      move(61_000);
      // The lease: the tool is at work, so the turn goes on.
      await runDurableObjectAlarm(stubOf(scene.threadId));
      expect(openCall(scene.socket, "pay").state).toBe("approval-requested");
      await scene.pass(gate);
      await waiting(scene);
      // Overdue already: the platform calls at once.
      expect((await traceOf(scene.threadId)).alarm).toBeLessThan(Date.now());
      await runDurableObjectAlarm(stubOf(scene.threadId));
      await ended(scene);
      expect(openCall(scene.socket, "pay")).toMatchObject({ state: "output-denied", approval: { by: "system:expiry" } });
      expect(scene.effects.map(({ tool }) => tool)).toEqual(["slow"]);
    });
  });
});

describe("a turn that goes from answer to answer in runs too short for its lease alarm", () => {
  it("ends with work_exhausted at the end of the run in which it has worked too long", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue({ ...Scripted.configure(), limits: { toolTimeoutMs: Infinity, maxWorkMs: 50_000 } });
    await withClock(async (move) => {
      const gates = [new Gate(), new Gate(), new Gate()];
      const slow = { tool: "slow", input: {} };
      const scene = await payScene([[slow, PAY], [slow, PAY], [slow, PAY], "Never."], {
        others: (scene) => ({ slow: scene.tool("slow", () => gates[scene.turns.length - 1]!.pass()) }),
      });
      await scene.send();
      for (const [at, gate] of gates.entries()) {
        if (at > 0) {
          await waiting(scene, at);
          await ask(scene.socket, approvalOf(scene, "pay", true));
        }
        await scene.reach(gate);
        move(20_000);
        await scene.pass(gate);
      }
      expect((await ended(scene)).facts).toMatchObject({ outcome: "failed", error: { code: "work_exhausted" } });
      expect([scene.turns.length, (await traceOf(scene.threadId)).alarm]).toEqual([3, null]);
    });
  });
});

describe("a turn that waits, when it is asked again,", () => {
  it("ends by a regenerate of its message: the old reply stays on its own branch", async () => {
    const scene = await payScene([[PAY], "Without paying."]);
    const turnId = await scene.send();
    await waiting(scene);
    const { messages } = replicaOf(scene.socket);
    const again = { type: "regenerate", id: newId(), epoch: scene.socket.epoch, messageId: messages[0]!.id };
    expect(await ask(scene.socket, again)).toMatchObject({ type: "ack" });
    await scene.socket.until((socket) => replicaOf(socket).turn === null && replicaOf(socket).messages.at(-1)!.id === again.id);
    expect(partsOf(scene.socket).at(-1)).toMatchObject({ text: "Without paying." });
    expect(await query(scene.threadId, "SELECT id FROM cc_message WHERE id = ?", turnId)).toHaveLength(1);
    expect(scene.effects).toEqual([]);
    expect(outcomesIn(scene.prompts[1]!)).toEqual([]);
  });
});

describe("an approval over the ends of the AI SDK's reach", () => {
  it("of a tool that the app has taken away since ends the call, not the thread", async () => {
    const scene = await waitingForPay();
    scene.stunts.push(async (turn) => {
      await turn.modelMessages();
      return "There is no such tool any more.";
    });
    await ask(scene.socket, approvalOf(scene, "pay", true));
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(openCall(scene.socket, "pay").state).toBe("output-error");
    expect(scene.effects).toEqual([]);
    expect(partsOf(scene.socket).at(-1)).toMatchObject({ type: "text", text: "There is no such tool any more." });
  });

  it("lasts over a process that dies while it waits, and over all sockets being gone", async () => {
    const scene = await waitingForPay();
    const answer = approvalOf(scene, "pay", true);
    await abortAllDurableObjects();
    expect((await post(scene.threadId, "user-2", answer)).status).toBe(200);
    await vi.waitFor(async () => expect(await query(scene.threadId, "SELECT * FROM cc_turn")).toEqual([]));
    await scene.comeBack();
    await ended(scene);
    expect(openCall(scene.socket, "pay")).toMatchObject({ output: "paid", approval: { by: "user-2" } });
    expect(scene.effects).toHaveLength(1);
  });
});
