import { runClientTools } from "../../../../src/client/client-tools.ts";
import { getThread } from "../../../../src/router/get-thread.ts";
import { ChatSessionObject } from "../../../../src/session/chat-session-object.ts";
import type { Turn } from "../../../../src/session/turn-context.ts";
import { scriptedModel } from "../../../../src/testing/scripted-model.ts";
import { createTestThread, type TestThreadOptions } from "../../../../src/testing/thread/test-thread.ts";
import type { ChatClass } from "../../../../src/testing/thread/user-object.ts";
import { afterEach, describe, expect, it, vi } from "vitest";
import { paying, Shop, type ShopEnv } from "./shop.ts";

const HOUR_MS = 3_600_000;
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const thread of open.splice(0)) await thread.close();
});

function threadOf<Class extends ChatClass>(Class: Class, options?: Parameters<typeof createTestThread<Class>>[1]) {
  const thread = createTestThread(Class, options);
  open.push(thread);
  return thread;
}

/** A thread of the shop, and what it has charged. */
function shop(env: Partial<ShopEnv> = {}, options: TestThreadOptions = {}) {
  const charges: string[] = [];
  const charge = async (order: string) => ({ receipt: `r-${charges.push(order)}` });
  const thread = threadOf(Shop, { ...options, env: { model: paying(), charge, ...env } });
  return { thread, charges };
}

const textOf = (message: { parts: readonly object[] } | null | undefined) =>
  message?.parts.map((part) => ("text" in part ? part.text : "")).join("");

/** A promise that a test keeps when it wants to. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

describe("a thread of an app's class", () => {
  it("answers a message with the class's own model", async () => {
    const { thread } = shop({ model: scriptedModel([["Hello ", "there."]]) });
    const reply = await thread.send("Hi").settled;
    expect(textOf(reply)).toBe("Hello there.");
    expect(thread.messages().map(({ role }) => role)).toEqual(["user", "assistant"]);
    expect(thread.errors).toEqual([]);
  });

  it("does not exist before its first message", async () => {
    const { thread } = shop();
    await thread.settle();
    expect(thread.isAwake).toBe(false);
    expect(thread.sql("SELECT name FROM sqlite_master")).toEqual([]);
  });

  it("runs a tool once after its approval, and a second answer is refused", async () => {
    const { thread, charges } = shop();
    const sending = thread.send("Pay order 7");
    await thread.settle();
    expect(thread.snapshot().status).toBe("waiting");
    const [part] = thread.approvals();
    expect(part).toMatchObject({ type: "tool-pay", input: { order: "7" } });
    expect(charges).toEqual([]);
    await thread.approve(part!, { approved: true });
    await expect(thread.approve(part!, { approved: false })).rejects.toMatchObject({
      code: expect.stringMatching(/already_resolved|not_found/),
    });
    expect(textOf(await sending.settled)).toBe("One moment. It is paid.");
    expect(charges).toEqual(["7"]);
    expect(thread.sql("SELECT * FROM orders")).toEqual([{ id: "7", receipt: "r-1" }]);
  });

  it("waits for the output of a client tool, which a client runs by itself or the test gives", async () => {
    const locating = () => scriptedModel([[{ tool: "locate", input: {} }], "You are there."]);
    const { thread } = shop({ model: locating() });
    const sending = thread.send("Where am I?");
    await thread.settle();
    const [call] = thread.clientCalls();
    await expect(thread.addToolOutput(call!.toolCallId, { output: { town: 1 } })).rejects.toMatchObject({ code: "bad_request" });
    await thread.addToolOutput(call!.toolCallId, { output: { city: "Rome" } });
    expect(textOf(await sending.settled)).toBe("You are there.");

    const { thread: other } = shop({ model: locating() });
    runClientTools(other.client(), { locate: () => ({ city: "Bonn" }) });
    expect(textOf(await other.send("Where am I?").settled)).toBe("You are there.");
  });

  it("shares its state with every client, and refuses what does not fit", async () => {
    const { thread } = shop({ model: scriptedModel(["Hi."]) });
    await thread.send("Hi").settled;
    const tab = thread.client();
    await thread.setState({ mode: "build" });
    await thread.settle();
    expect(tab.getSnapshot().state).toEqual({ mode: "build" });
    await expect(thread.setState({ mode: "rest" as never })).rejects.toMatchObject({ code: "bad_request" });
  });

  it("shows a foreigner nothing, of its own tenant or another", async () => {
    const { thread } = shop({ model: scriptedModel(["Hi."]) }, { tenant: "acme" });
    await thread.send("Hi").settled;
    for (const tenant of ["acme", "other"]) {
      const stranger = thread.client({ id: "stranger", tenant });
      await thread.settle();
      expect(stranger.getSnapshot().connection).toMatchObject({ kind: "stopped", reason: { code: "not_found" } });
    }
  });

  it("is there for the server's own code", async () => {
    const { thread } = shop({ model: scriptedModel(["Good morning."]) });
    const address = { threadId: thread.id };
    await getThread(thread.namespace, address, { as: "system:cron", create: { owner: "user-1" } }).send("Wake up");
    await thread.settle();
    const tab = thread.client();
    await thread.settle();
    expect(tab.getSnapshot().messages.map(textOf)).toEqual(["Wake up", "Good morning."]);
  });

  it("regenerates, edits, stops and continues as in a browser", async () => {
    const { thread } = shop({ model: scriptedModel(["One.", "Two.", "Three.", ["Fo", { stall: true }], "ur."]) });
    await thread.send("Count").settled;
    expect(textOf(await thread.regenerate().settled)).toBe("Two.");
    const { id } = thread.messages()[0]!;
    expect(textOf(await thread.edit({ messageId: id, text: "Count on" }).settled)).toBe("Three.");
    const sending = thread.send("More");
    await sending;
    await vi.waitFor(() => expect(textOf(thread.messages().at(-1))).toBe("Fo"));
    await thread.stop();
    expect((await sending.settled)?.facts?.outcome).toBe("stopped");
    expect(textOf(await thread.continue().settled)).toBe("Four.");
  });

  it("gives the same ids for the same seed", async () => {
    const ids = async (seed: string) => {
      const { thread } = shop({ model: scriptedModel(["Hi."]) }, { seed, now: 1_800_000_000_000 });
      await thread.send("Hi").settled;
      return [thread.id, ...thread.messages().map(({ id, createdAt }) => `${id} ${createdAt}`)];
    };
    expect(await ids("a")).toEqual(await ids("a"));
    expect((await ids("a"))[0]).not.toBe((await ids("b"))[0]);
  });

  it("reports what a hook or the model throws, and tells people less", async () => {
    const heard: unknown[] = [];
    const boom = new Error("no such key");
    const { thread } = shop({ model: scriptedModel([[{ throws: boom }]]) }, { onError: (error) => heard.push(error) });
    expect(await thread.send("Hi").settled).toBeNull();
    expect(thread.messages().at(-1)?.facts).toMatchObject({ outcome: "failed", error: { code: "model_error" } });
    expect(JSON.stringify(thread.messages())).not.toContain("no such key");
    expect(thread.errors).toEqual(heard);
    expect(String(heard[0])).toContain("no such key");
  });

  it("refuses what is no class of chatcell", () => {
    expect(() => createTestThread(class {} as never)).toThrow(/extends ChatSessionObject/);
    expect(() => new Shop({} as never, {} as never)).toThrow(/createTestThread[\s\S]*workerd/);
  });
});

describe("a crash", () => {
  it("in mid-answer ends or repeats the turn, and every client hears of it", async () => {
    const { passed, open: letGo } = gate();
    class Slow extends ChatSessionObject {
      async onTurn(turn: Turn) {
        if (turn.attempt === 1) await passed;
        return turn.attempt === 1 ? "Never to be heard." : "At last.";
      }
    }
    const thread = threadOf(Slow);
    const sending = thread.send("Hi");
    await sending;
    thread.crash();
    expect(thread.isAwake).toBe(false);
    const reply = await sending.settled;
    expect(textOf(reply)).toBe("At last.");
    expect(reply?.facts).toMatchObject({ outcome: "completed", attempts: 2 });
    letGo();
    await thread.settle();
    expect(thread.messages()).toHaveLength(2);
  });

  it("in a tool runs it no second time, and says so to the model", async () => {
    const charges: string[] = [];
    const { open: letGo, passed } = gate();
    const thread = threadOf(Shop, {
      env: {
        model: paying(),
        recovery: "continue",
        charge: async (order) => {
          charges.push(order);
          await passed;
          return { receipt: "late" };
        },
      },
    });
    const sending = thread.send("Pay order 7");
    await thread.settle();
    await thread.approve(thread.approvals()[0]!, { approved: true });
    await vi.waitFor(() => expect(charges).toEqual(["7"]));
    thread.crash();
    const reply = await sending.settled;
    expect(charges).toEqual(["7"]);
    expect(reply?.parts.find(({ type }) => type === "tool-pay")).toMatchObject({
      state: "output-error",
      errorText: expect.stringContaining("outcome unknown"),
    });
    letGo();
    await thread.settle();
    // What the dead instance still wanted to store never came to be.
    expect(thread.sql("SELECT * FROM orders")).toEqual([]);
  });

  it("with no client there is found by the alarm", async () => {
    const { thread } = shop({ model: scriptedModel(() => "Good morning.") });
    await getThread(thread.namespace, { threadId: thread.id }, { as: "system:cron", create: { owner: "user-1" } }).send("Wake up");
    thread.crash();
    const due = thread.alarm!;
    expect(due).toBeGreaterThan(thread.now());
    await thread.settle();
    expect(thread.now()).toBeGreaterThanOrEqual(due);
    expect(thread.sql("SELECT role FROM cc_message")).toEqual([{ role: "user" }, { role: "assistant" }]);
    expect(thread.alarm).toBeNull();
  });

  it("before onTurnEnd has returned calls it again, and tells it so", async () => {
    const told: boolean[] = [];
    const { passed } = gate();
    const ended = async ({ again }: { again: boolean }) => {
      if (told.push(again) === 1) await passed;
    };
    const { thread } = shop({ model: scriptedModel(["Hi."]), ended });
    await thread.send("Hi").settled;
    await vi.waitFor(() => expect(told).toEqual([false]));
    thread.crash();
    await thread.settle();
    expect(told).toEqual([false, true]);
  });

  it("loses fields, and keeps tables, state and what was said", async () => {
    const { thread } = shop({ model: scriptedModel(["One.", "Two."]) });
    await thread.send("Hi").settled;
    await thread.setState({ mode: "build" });
    await thread.settle();
    const before = thread.messages();
    thread.crash();
    await thread.settle();
    expect(thread.snapshot().connection.kind).toBe("live");
    expect(thread.messages()).toEqual(before);
    expect(thread.snapshot().state).toEqual({ mode: "build" });
    expect(textOf(await thread.send("Again").settled)).toBe("Two.");
  });
});

describe("an eviction", () => {
  it("keeps sockets and a waiting turn, and loses fields", async () => {
    const { thread } = shop();
    const sending = thread.send("Pay order 7");
    await thread.settle();
    await thread.evict();
    expect(thread.isAwake).toBe(false);
    expect(thread.snapshot().connection.kind).toBe("live");
    await thread.advance(72 * HOUR_MS);
    expect(thread.isAwake).toBe(false);
    await thread.approve(thread.approvals()[0]!, { approved: true });
    const reply = await sending.settled;
    // The first turn of a new instance.
    expect(reply?.parts.find(({ type }) => type === "tool-pay")).toMatchObject({ output: { receipt: "r-1", since: 1 } });
  });

  it("is refused while a turn runs", async () => {
    const { thread } = shop({ model: scriptedModel([[{ stall: true }]]) });
    await thread.send("Hi");
    await expect(thread.evict()).rejects.toMatchObject({ code: "turn_active" });
    await thread.stop();
  });
});

describe("time", () => {
  it("passes as it really does while a model waits for something real", async () => {
    const { thread } = shop({ model: scriptedModel([["Slowly. ", { delayMs: 60 }, "Done."]]) });
    const before = thread.now();
    expect(textOf(await thread.send("Hi").settled)).toBe("Slowly. Done.");
    expect(thread.now() - before).toBeGreaterThan(0);
    expect(thread.now() - before).toBeLessThan(5_000);
  });

  it("strikes a stalled model, a slow tool and a silent line when it is advanced", async () => {
    const { thread } = shop({ model: scriptedModel([["Hm", { stall: true }], "Ready."]) });
    const sending = thread.send("Hi");
    await sending;
    await thread.advance(2 * 60_000);
    expect(textOf(await sending.settled)).toBe("Ready.");

    const { thread: other } = shop({ charge: () => new Promise(() => {}) });
    const paying = other.send("Pay");
    await other.settle();
    await other.approve(other.approvals()[0]!, { approved: true });
    await other.advance(301_000);
    expect((await paying.settled)?.parts.find(({ type }) => type === "tool-pay")).toMatchObject({ state: "output-error" });
  });

  it("denies an approval that nobody gives", async () => {
    class Strict extends Shop {
      static override configure(env: ShopEnv) {
        return { ...Shop.configure(env), approvalExpiresMs: HOUR_MS };
      }
    }
    const thread = threadOf(Strict, { env: { model: paying() } });
    const sending = thread.send("Pay order 7");
    await thread.settle();
    expect(thread.alarm! - thread.now()).toBeGreaterThan(HOUR_MS - 10_000);
    await thread.advance(HOUR_MS + 1);
    expect((await sending.settled)?.parts.find(({ type }) => type === "tool-pay")).toMatchObject({ state: "output-denied" });
  });

  it("does not need the timers that a test has replaced", async () => {
    vi.useFakeTimers();
    const { thread } = shop({ model: scriptedModel(["Hi."]) });
    expect(textOf(await thread.send("Hi").settled)).toBe("Hi.");
    thread.crash();
    await thread.settle();
    expect(thread.snapshot().connection.kind).toBe("live");
  });

  it("carries a long day of turns", async () => {
    const { thread } = shop({ model: scriptedModel(() => Array.from({ length: 60 }, (_, index) => `word ${index} `)) });
    for (let turn = 0; turn < 30; turn++) await thread.send(`Turn ${turn}`).settled;
    expect(thread.messages()).toHaveLength(60);
  });
});

describe("what an app finds in its object", () => {
  class Full extends ChatSessionObject<{ later: Promise<void> }> {
    ready = false;
    constructor(ctx: DurableObjectState, env: { later: Promise<void> }) {
      super(ctx, env);
      void ctx.blockConcurrencyWhile(async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        this.ready = true;
      });
    }

    async onTurn() {
      const { storage, id } = this.ctx;
      storage.kv.put("seen", (storage.kv.get<number>("seen") ?? 0) + 1);
      this.sql.exec("CREATE TABLE IF NOT EXISTS notes (body BLOB, flag TEXT)");
      this.sql.exec("INSERT INTO notes VALUES (?, ?)", new Uint8Array([1, 2]).buffer, true);
      const cursor = this.sql.exec("SELECT body, flag FROM notes LIMIT 1");
      const { columnNames } = cursor;
      const { body, flag } = cursor.one();
      this.ctx.waitUntil(this.env.later);
      return JSON.stringify({
        ready: this.ready,
        seen: storage.kv.get("seen"),
        name: id.name,
        columnNames,
        isBuffer: body instanceof ArrayBuffer,
        flag,
        size: storage.sql.databaseSize > 0,
      });
    }
  }

  it("is as in workerd: kv, cursors, ids, a constructor that takes its time", async () => {
    const { passed, open: letGo } = gate();
    const thread = threadOf(Full, { env: { later: passed } });
    const sending = thread.send("Hi");
    const first = JSON.parse(textOf(await sending.settled)!) as object;
    expect(first).toEqual({
      ready: true,
      seen: 1,
      name: `/${thread.id}`,
      columnNames: ["body", "flag"],
      isBuffer: true,
      flag: "true",
      size: true,
    });
    // `waitUntil` keeps it in memory.
    letGo();
    await thread.evict();
    expect(thread.isAwake).toBe(false);
    expect(JSON.parse(textOf(await thread.send("Hi").settled)!)).toMatchObject({ seen: 2, ready: true });
  });

  it("says what is not there", async () => {
    class Reaching extends ChatSessionObject {
      onTurn() {
        this.ctx.container?.start();
        return "";
      }
    }
    const thread = threadOf(Reaching, { onError: () => {} });
    await thread.send("Hi").settled;
    expect(String((thread.errors[0] as Error).message)).toMatch(/ctx\.container is not there in a simulated world/);
  });

  it("fails the test of a class that cannot be made", async () => {
    class Broken extends ChatSessionObject {
      constructor(ctx: DurableObjectState, env: unknown) {
        super(ctx, env);
        throw new Error("no binding");
      }
      onTurn() {
        return "";
      }
    }
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const thread = threadOf(Broken, { onError: () => {} });
    void thread.send("Hi").catch(() => {});
    await expect(thread.settle()).rejects.toThrow(/does not come to rest/);
    log.mockRestore();
  });

  it("runs hooks that are fields", async () => {
    const told: string[] = [];
    class Fields extends ChatSessionObject {
      override onTurnEnd = async () => void told.push("end");
      override onConnect = async () => void told.push("connect");
      onTurn() {
        return "Hi.";
      }
    }
    const thread = threadOf(Fields);
    await thread.send("Hi").settled;
    await thread.settle();
    expect(told.sort()).toEqual(["connect", "end"]);
  });
});

it("refuses what waits for an answer when it is closed", async () => {
  const { thread } = shop({ model: scriptedModel([[{ stall: true }]]) });
  const sending = thread.send("Hi");
  const rejected = expect(sending).rejects.toMatchObject({ code: "interrupted" });
  await thread.close();
  await rejected;
  expect(() => thread.crash()).toThrow(/closed/);
});
