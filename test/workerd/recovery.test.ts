// What becomes of a turn whose run died or fell silent: repeated when it had shown next to nothing, else kept or gone on with.
import { env } from "cloudflare:workers";
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { emptyLive, foldChunks } from "../../src/protocol/fold.ts";
import { newId } from "../../src/protocol/ids.ts";
import type { Message } from "../../src/protocol/messages.ts";
import { TestSocket } from "./support/client.ts";
import { withClock } from "./support/clock.ts";
import { evict, play, query, reply, stubOf, traceOf } from "./support/objects.ts";
import { Puppet } from "./worker.ts";

const SHORT = "A few words";
const LONG = "A few words. ".repeat(20);

afterEach(() => void vi.restoreAllMocks());

/** A thread whose first turn runs and has shown `text`. */
async function running(text?: string): Promise<{ threadId: string; socket: TestSocket; turnId: string }> {
  const threadId = newId();
  const socket = await TestSocket.open(threadId, "user-1", { create: true });
  const { ref } = await socket.send("Hello");
  await play(threadId, (run) => (text === undefined ? undefined : run.text(text)));
  if (text !== undefined) await socket.until(() => textOf(socket, ref) === text);
  return { threadId, socket, turnId: ref };
}

/** The live message as this socket has folded it. */
function foldOf(socket: TestSocket, turnId: string) {
  return foldChunks(
    emptyLive(turnId),
    socket.of("chunks").flatMap(({ items }) => items),
  ).message;
}

function textOf(socket: TestSocket, turnId: string): string {
  return foldOf(socket, turnId)
    .parts.map((part) => (part.type === "text" ? part.text : ""))
    .join("");
}

async function messagesOf(threadId: string): Promise<Message[]> {
  return (await TestSocket.open(threadId, "user-1")).of("snapshot")[0]!.messages;
}

/** Wakes the object as a visitor would. */
const visit = (threadId: string) => TestSocket.open(threadId, "user-1");

describe("after an eviction, a run that", () => {
  it("had shown nothing is repeated: one reply, two attempts", async () => {
    const { threadId, turnId } = await running();
    await evict(threadId);
    const visitor = await visit(threadId);
    expect(visitor.of("snapshot")[0]!.turn).toMatchObject({ id: turnId, attempt: 2 });
    await play(threadId, ({ turn, text, end }) => {
      expect(turn).toMatchObject({ id: turnId, attempt: 2, resume: { kind: "recovery" } });
      text("Here I am");
      end();
    });
    await visitor.next("turn");
    const messages = await messagesOf(threadId);
    expect(messages.map(({ role, facts }) => [role, facts?.outcome, facts?.attempts])).toEqual([
      ["user", undefined, undefined],
      ["assistant", "completed", 2],
    ]);
    expect((await traceOf(threadId)).alarm).toBeNull();
  });

  it("had shown little is repeated, and what it had shown is discarded by a chunk: who saw it and who did not agree", async () => {
    const { threadId, socket, turnId } = await running(SHORT);
    await evict(threadId);
    const late = await visit(threadId);
    await socket.until(() => textOf(socket, turnId) === "");
    expect(socket.of("chunks").at(-1)!.items).toEqual([{ type: "reset-step" }]);
    await reply(threadId, "Again");
    await Promise.all([socket.next("turn"), late.next("turn")]);
    const [, stored] = await messagesOf(threadId);
    expect(stored!.parts).toEqual([{ type: "step-start" }, { type: "text", text: "Again", state: "done" }]);
    expect(foldOf(socket, turnId).parts).toEqual(stored!.parts);
    // One log, one seq, from the first run to the last.
    const froms = socket.of("chunks").map(({ from, items }) => [from, items.length] as const);
    expect(froms.reduce((next, [from, length]) => (from === next ? from + length : NaN), 1)).toBe(socket.of("turn")[0]!.ended.seq + 1);
  });

  it("had shown little in two steps is kept: only the last one could be discarded", async () => {
    const { threadId, socket, turnId } = await running();
    await evict(threadId);
    await visit(threadId);
    await play(threadId, (run) => {
      run.text("One.");
      run.write({ type: "start-step" });
      run.text("Two.");
    });
    await socket.until(() => textOf(socket, turnId) === "One.Two.");
    await evict(threadId);
    await visit(threadId);
    expect((await socket.next("turn")).ended.facts.outcome).toBe("interrupted");
  });

  it("had written data of the app and nothing else is repeated", async () => {
    const { threadId, socket, turnId } = await running();
    await evict(threadId);
    await visit(threadId);
    await play(threadId, (run) => run.write({ type: "data-status", data: "thinking" }));
    await socket.next("chunks");
    await evict(threadId);
    expect((await visit(threadId)).of("snapshot")[0]!.turn).toMatchObject({ id: turnId, attempt: 3 });
  });

  it("had shown much is kept as interrupted, with a notice", async () => {
    const { threadId, socket, turnId } = await running(LONG);
    await evict(threadId);
    await visit(threadId);
    expect((await socket.next("turn")).ended).toMatchObject({ messageId: turnId, facts: { outcome: "interrupted", attempts: 1 } });
    const [, stored] = await messagesOf(threadId);
    expect(stored!.parts).toMatchObject([{ type: "step-start" }, { text: LONG }, { type: "data-notice", data: { kind: "interrupted" } }]);
  });

  it("had called a tool is kept, and the call gets the outcome that is true of it", async () => {
    const { threadId, socket } = await running();
    await evict(threadId);
    await visit(threadId);
    await play(threadId, (run) => run.write({ type: "tool-input-available", toolCallId: "call-1", toolName: "roll", input: {} }));
    await socket.until(() => socket.of("chunks").length > 0);
    await evict(threadId);
    await visit(threadId);
    const [, stored] = await messagesOf(threadId);
    expect(stored!.facts).toMatchObject({ outcome: "interrupted", attempts: 2 });
    expect(stored!.parts[1]).toMatchObject({ state: "output-error", errorText: "Interrupted, outcome unknown." });
  });

  it("dies each time is given up after three attempts, without an alarm, and the thread works", async () => {
    const { threadId, socket } = await running();
    for (let attempt = 2; attempt <= 3; attempt++) {
      await evict(threadId);
      await visit(threadId);
      await play(threadId, ({ turn }) => expect(turn.attempt).toBe(attempt));
    }
    await evict(threadId);
    await visit(threadId);
    const { ended } = await socket.next("turn");
    expect(ended.facts).toMatchObject({ outcome: "failed", attempts: 3, error: { code: "attempts_exhausted" } });
    expect((await traceOf(threadId)).alarm).toBeNull();
    await socket.send("Once more");
    await reply(threadId, "Fine");
    expect((await socket.next("turn", 2)).ended.facts.outcome).toBe("completed");
  });
});

describe("with `recovery: continue`, a run that died", () => {
  it("goes on in the same message: finished steps stay, the unfinished one is discarded, the model sees what is left", async () => {
    vi.spyOn(Puppet, "configure").mockReturnValue({ recovery: "continue" });
    const { threadId, socket, turnId } = await running();
    await evict(threadId);
    await visit(threadId);
    await play(threadId, (run) => {
      run.write({ type: "start-step" });
      run.write({ type: "tool-input-available", toolCallId: "call-1", toolName: "roll", input: { sides: 6 } });
      run.write({ type: "tool-output-available", toolCallId: "call-1", output: 4 });
      run.write({ type: "finish-step" });
      run.write({ type: "start-step" });
      run.text(LONG);
    });
    await socket.until(() => textOf(socket, turnId) === LONG);
    await evict(threadId);
    await visit(threadId);
    await play(threadId, async ({ turn, text, end }) => {
      const prompt = await turn.modelMessages();
      expect(prompt.map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);
      text("You rolled a four");
      end();
    });
    await socket.next("turn");
    const [, stored] = await messagesOf(threadId);
    expect(stored).toMatchObject({ id: turnId, facts: { outcome: "completed", attempts: 3 } });
    expect(stored!.parts).toMatchObject([
      { type: "step-start" },
      { type: "tool-roll", state: "output-available", output: 4 },
      { type: "step-start" },
      { type: "text", text: "You rolled a four" },
    ]);
    expect(foldOf(socket, turnId).parts).toEqual(stored!.parts);
  });
});

describe("a run that falls silent", () => {
  /** Lets the time of two leases pass. */
  const minute = async (threadId: string, move: (ms: number) => void) => {
    move(61_000);
    await runDurableObjectAlarm(stubOf(threadId));
  };

  it("is aborted and repeated when it had shown nothing", async () => {
    const { threadId, socket, turnId } = await silent();
    let signal: AbortSignal | undefined;
    await play(threadId, ({ turn }) => void (signal = turn.signal));
    await withClock((move) => minute(threadId, move));
    expect(signal!.aborted).toBe(true);
    await play(threadId, ({ turn, text, end }) => {
      expect(turn).toMatchObject({ id: turnId, attempt: 2 });
      text("Now");
      end();
    });
    expect((await socket.next("turn")).ended.facts).toMatchObject({ outcome: "completed", attempts: 2 });
  });

  it("is kept when it had shown much, and nothing that it still says is heard", async () => {
    const { threadId, socket } = await silent();
    const run = await take(threadId);
    await act(threadId, () => run.text(LONG));
    await socket.next("chunks");
    await withClock((move) => minute(threadId, move));
    expect((await socket.next("turn")).ended.facts).toMatchObject({ outcome: "interrupted", error: { code: "interrupted" } });
    await act(threadId, () => expect(() => run.text("Too late")).toThrow());
    expect(run.turn.signal.aborted).toBe(true);
  });

  it("is heard no more when its signal aborts: what a listener writes is not in the log, and no seq is used twice", async () => {
    const { threadId, socket, turnId } = await silent();
    const run = await take(threadId);
    await act(threadId, () => {
      run.turn.signal.addEventListener("abort", () => run.turn.write({ type: "data-note", data: "x".repeat(9_000) }));
      run.text(SHORT);
    });
    await socket.until(() => textOf(socket, turnId) === SHORT);
    await withClock((move) => minute(threadId, move));
    const second = await take(threadId);
    await act(threadId, () => {
      second.text("Now");
      second.end();
    });
    await socket.next("turn");
    const [, stored] = await messagesOf(threadId);
    expect(stored!.parts).toEqual([{ type: "step-start" }, { type: "text", text: "Now", state: "done" }]);
    expect(foldOf(socket, turnId).parts).toEqual(stored!.parts);
  });

  it("is waited for while a tool streams preliminary outputs", async () => {
    const { threadId, socket } = await silent();
    const run = await take(threadId);
    await act(threadId, () => {
      run.write({ type: "tool-input-available", toolCallId: "call-1", toolName: "roll", input: {} });
      run.write({ type: "tool-output-available", toolCallId: "call-1", output: 1, preliminary: true });
    });
    await socket.next("chunks", 2);
    await withClock((move) => minute(threadId, move));
    await act(threadId, () => {
      run.write({ type: "tool-output-available", toolCallId: "call-1", output: 4 });
      run.end();
    });
    expect((await socket.next("turn")).ended.facts).toMatchObject({ outcome: "completed", attempts: 1 });
  });

  it("is waited for while a tool call is open", async () => {
    const { threadId, socket } = await silent();
    const run = await take(threadId);
    await act(threadId, () => run.write({ type: "tool-input-available", toolCallId: "call-1", toolName: "roll", input: {} }));
    await socket.next("chunks");
    await withClock((move) => minute(threadId, move));
    await act(threadId, () => {
      run.write({ type: "tool-output-available", toolCallId: "call-1", output: 4 });
      run.end();
    });
    expect((await socket.next("turn")).ended.facts).toMatchObject({ outcome: "completed", attempts: 1 });
  });

  it("ends when the turn has worked too long, even if it speaks now and then", async () => {
    vi.spyOn(Puppet, "configure").mockReturnValue({ limits: { maxWorkMs: 45_000 } });
    const { threadId, socket } = await silent();
    const run = await take(threadId);
    await withClock(async (move) => {
      move(61_000);
      await act(threadId, () => run.text(LONG));
      await socket.next("chunks");
      await runDurableObjectAlarm(stubOf(threadId));
    });
    expect((await socket.next("turn")).ended.facts).toMatchObject({ outcome: "failed", error: { code: "work_exhausted" } });
  });

  /** The next run, to be played with `act`: what it says is said inside the object. */
  const take = (threadId: string) => runInDurableObject(stubOf(threadId), (puppet) => puppet.nextPlay());
  const act = (threadId: string, perform: () => void) => runInDurableObject(stubOf(threadId), perform);

  async function silent(): Promise<{ threadId: string; socket: TestSocket; turnId: string }> {
    const threadId = newId();
    const socket = await TestSocket.open(threadId, "user-1", { create: true });
    const { ref } = await socket.send("Hello");
    return { threadId, socket, turnId: ref };
  }
});

it("a repeat writes the attempt before it runs, and an alarm for the case that it dies too", async () => {
  const { threadId } = await running(SHORT);
  await evict(threadId);
  await visit(threadId);
  expect(await query(threadId, "SELECT state, attempt FROM cc_turn")).toEqual([{ state: "running", attempt: 2 }]);
  expect((await traceOf(threadId)).alarm).toBeGreaterThan(Date.now());
});

describe("a run whose turn another instance has taken over on the same storage", () => {
  it.each(["says more", "ends", "fails"] as const)("and put to waiting, and %s, leaves the question open", async (what) => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const { threadId, socket } = await running(SHORT);
    await runInDurableObject(stubOf(threadId), ({ newest }) => {
      newest!.write({ type: "tool-input-available", toolCallId: "c1", toolName: "pay", input: {} });
      newest!.write({ type: "tool-approval-request", toolCallId: "c1", approvalId: "a1" });
    });
    await socket.until(() => JSON.stringify(socket.of("chunks")).includes("tool-approval-request"));
    await withClock(async (move) => {
      move(31_000);
      await runInDurableObject(stubOf(threadId), async (first, state) => {
        const old = first.newest!;
        new Puppet(state, env as never).alarm();
        expect(state.storage.sql.exec("SELECT state FROM cc_turn").toArray()).toEqual([{ state: "waiting" }]);
        const log = (): string => JSON.stringify(state.storage.sql.exec("SELECT * FROM cc_log").toArray());
        const before = log();
        if (what === "says more") old.text(" and more");
        if (what === "ends") old.end();
        if (what === "fails") old.fail(new Error("no"));
        await vi.waitFor(() => expect(old.turn.signal.aborted).toBe(true));
        expect(state.storage.sql.exec("SELECT state FROM cc_turn").toArray()).toEqual([{ state: "waiting" }]);
        expect(log()).toBe(before);
      });
    });
  });

  const cases = ["says more", "ends", "fails", "calls a tool"] as const;
  it.each(cases)("and %s changes nothing, and is aborted", async (what) => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const { threadId, socket, turnId } = await running(SHORT);
    let hasRun = false;
    const tool = { inputSchema: {}, execute: () => (hasRun = true) };
    await withClock(async (move) => {
      move(31_000);
      await runInDurableObject(stubOf(threadId), async (first, state) => {
        const old = first.newest!;
        const second = new Puppet(state, env as never);
        second.alarm();
        const run = await second.nextPlay();
        expect(run.turn.attempt).toBe(2);
        if (what === "says more") old.text(" and more");
        if (what === "ends") old.end();
        if (what === "fails") old.fail(new Error("no"));
        if (what === "calls a tool") {
          const { execute } = old.turn.tools({ tool }).tool as unknown as { execute: (input: unknown, call: object) => Promise<unknown> };
          await expect((async () => execute({}, { toolCallId: "c1", messages: [] }))()).rejects.toMatchObject({ code: "interrupted" });
          old.text(" and more");
        }
        await vi.waitFor(() => expect(old.turn.signal.aborted).toBe(true));
        run.text("Here I am");
        run.end();
      });
    });
    await socket.next("turn");
    expect(hasRun).toBe(false);
    const [, reply] = await messagesOf(threadId);
    expect(reply).toMatchObject({ id: turnId, facts: { outcome: "completed", attempts: 2 } });
    expect(reply!.parts.map((part) => (part.type === "text" ? part.text : ""))).toEqual(["", "Here I am"]);
  });
});
