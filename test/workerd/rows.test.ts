// What a thread costs, as the platform counts it: the sums of docs/STORAGE.md §2, and bytes on the wire.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { getThread } from "../../src/entries/index.ts";
import { newId } from "../../src/protocol/ids.ts";
import { getTicket, TestSocket } from "./support/client.ts";
import { withClock } from "./support/clock.ts";
import { openDirect } from "./support/direct.ts";
import { EPOCH, threadOf } from "./support/history.ts";
import { billedWrites, metered, type Bill } from "./support/meter.ts";
import { evict, play, PUPPET, query, reply, stubOf } from "./support/objects.ts";
import { firstSend, openThread, openUsedThread } from "./support/threads.ts";
import type { Env } from "./worker.ts";

const START = 6;
const END = 6;
/** A thread's own rows, and those of the app's migration in `Puppet`: the table (2) and its row in cc_migration. */
const CREATE = 26;
const APP_STEP = 3;

const expectWrites = (bill: Bill, rows: number): void => expect(billedWrites(bill), JSON.stringify(bill, null, 1)).toBe(rows);
const flushesOf = (socket: TestSocket): number => socket.of("chunks").length;

describe("a turn writes", () => {
  it("6 rows at its start and 6 at its end, 1 for each flush, the alarm counted", async () => {
    const { threadId, socket } = await openThread();
    const start = await metered(async () => void (await socket.send("Hello")));
    expectWrites(start, START);
    expect(start).toMatchObject({ alarmsSet: 1, alarmsDeleted: 0 });
    const flush = await metered(async () => {
      await play(threadId, (run) => {
        run.write({ type: "text-start", id: "t" });
        run.write({ type: "text-delta", id: "t", delta: "Hi" });
      });
      await socket.next("chunks");
    });
    expectWrites(flush, 1);
    // The stop is a command of its own, with its row.
    const stop = { type: "stop", id: newId(), epoch: socket.epoch, turnId: socket.of("ack")[0]!.ref };
    const end = await metered(async () => void (await socket.ask(stop)));
    expectWrites(end, END + 1);
    expect(end).toMatchObject({ alarmsSet: 0, alarmsDeleted: 1 });
  });

  it("12 rows and one for each flush when it streams 300 chunks over 10 s: under 40", async () => {
    const { threadId, socket } = await openThread();
    const words = Array.from({ length: 300 }, (_, n) => `word-${n} `);
    const bill = await metered(async () => {
      await socket.send("Hello");
      vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
      try {
        await play(threadId, async (run) => {
          run.write({ type: "text-start", id: "t" });
          for (const delta of words) {
            run.write({ type: "text-delta", id: "t", delta });
            await vi.advanceTimersByTimeAsync(33);
            // A turn of the real event loop, in which the stream is read.
            await scheduler.wait(0);
          }
          run.write({ type: "text-end", id: "t" });
          run.end();
        });
      } finally {
        vi.useRealTimers();
      }
      await socket.next("turn");
    });
    const { startedAt, endedAt } = socket.of("turn")[0]!.ended.facts;
    expect(endedAt - startedAt).toBeGreaterThan(9_000);
    // What the end adds goes out with its own transaction, not with a flush.
    const flushes = flushesOf(socket) - 1;
    expect(flushes).toBeGreaterThan(15);
    expect(flushes).toBeLessThanOrEqual(25);
    expectWrites(bill, START + flushes + END);
    expect(billedWrites(bill)).toBeLessThan(40);
    expect(bill).toMatchObject({ alarmsSet: 1, alarmsDeleted: 1 });

    const sent = socket.texts.join("\n");
    for (const word of words) expect(sent.split(word), word).toHaveLength(2);
  });

  it("as many rows when it was queued: one to start it, none for its alarm", async () => {
    const { threadId, socket } = await openThread();
    const bill = await metered(async () => {
      await socket.send("first");
      await socket.send("second");
      await reply(threadId, "one");
      await reply(threadId, "two");
      await socket.next("turn", 2);
    });
    expectWrites(bill, 2 * (START + 1 + END));
  });

  it("the facts to its user message in place of the reply when it has no output", async () => {
    const { threadId, socket } = await openThread();
    const bill = await metered(async () => {
      await socket.send("first");
      await play(threadId, (run) => run.end());
      await socket.next("turn");
    });
    expectWrites(bill, START + END - 1);
  });

  it("one row more for each block of 32 KB", async () => {
    const { threadId, socket } = await openThread();
    const bill = await metered(async () => {
      await socket.send("first");
      await play(threadId, (run) => {
        for (let n = 0; n < 10; n++) run.text("x".repeat(10_000));
        run.end();
      });
      await socket.next("turn");
    });
    const flushes = flushesOf(socket) - 1;
    expectWrites(bill, START + flushes + END - 1 + Math.ceil(flushes / 3));
  });

  it("2 rows for each 30 s of its lease", async () => {
    const { threadId, socket } = await openThread();
    await withClock(async (move) => {
      await socket.send("first");
      move(30_001);
      const bill = await metered(async () => void (await runDurableObjectAlarm(stubOf(threadId))));
      // The test's own way to fire an alarm deletes it first.
      expect(bill).toMatchObject({ rowsWritten: 1, alarmsSet: 1 });
    });
  });

  it("2 rows more in a class with onTurnEnd", async () => {
    const { HOOKED } = env as unknown as Env;
    const threadId = newId();
    const hooked = HOOKED.get(HOOKED.idFromName(`/${threadId}`));
    const socket = await openDirect(hooked, threadId, { id: "user-1" });
    const bill = await metered(async () => {
      await socket.send("first");
      await runInDurableObject(hooked, async (puppet) => {
        const run = await puppet.nextPlay();
        run.text("answer");
        run.end();
      });
      await socket.next("turn");
      await vi.waitFor(() => runInDurableObject(hooked, ({ ends }) => expect(ends).toHaveLength(1)));
    });
    expectWrites(bill, START + 1 + END + 2);
  });
});

describe("beside a send, these write:", () => {
  const text = (said: string) => [{ type: "text", text: said }];
  /** Row writes of commands in a thread of one question and its answer. */
  const COMMANDS: Record<string, [rows: number, make: (of: { epoch: string; userId: string }) => object]> = {
    "an edit of a message, as a send": [
      START,
      ({ userId }) => ({ type: "edit", messageId: userId, newMessageId: newId(), parts: text("v1") }),
    ],
    "a regenerate: turn, command, alarm": [3, ({ userId }) => ({ type: "regenerate", messageId: userId })],
    "a set of the title: session, command": [2, () => ({ type: "set", field: "title", value: "Sums" })],
  };

  it.each(Object.entries(COMMANDS))("%s", async (_name, [rows, make]) => {
    const { socket, epoch } = await openUsedThread();
    const userId = socket.of("delta")[0]!.messages![0]!.id;
    const bill = await metered(async () => void (await socket.ask({ id: newId(), epoch, ...make({ epoch, userId }) })));
    expectWrites(bill, rows);
  });

  it("an edit of a queued message: turn, session, command", async () => {
    const { socket, epoch } = await openThread();
    await socket.send("u1");
    const { ref } = await socket.send("u2");
    const edit = { type: "edit", id: newId(), epoch, turnId: ref, parts: text("v2") };
    expectWrites(await metered(async () => void (await socket.ask(edit))), 3);
  });

  it("the end of a regenerate as that of a send; without output the message that it is about in place of a reply", async () => {
    for (const [said, rows] of [
      ["b1", END],
      [null, END - 1],
    ] as const) {
      const { threadId, socket, epoch } = await openUsedThread();
      await socket.ask({ type: "regenerate", id: newId(), epoch, messageId: socket.of("delta")[0]!.messages![0]!.id });
      const before = flushesOf(socket);
      const bill = await metered(async () => {
        await play(threadId, (run) => {
          if (said) run.text(said);
          run.end();
        });
        await socket.next("turn", 2);
      });
      // The last chunks go out with the end.
      const flushes = said ? flushesOf(socket) - before - 1 : 0;
      expectWrites(bill, rows + flushes);
    }
  });

  it("a continue: as a regenerate, and at its end the reply that goes on (2)", async () => {
    const { threadId, socket, epoch } = await openThread();
    const { ref } = await socket.send("u1");
    await play(threadId, (run) => run.text("So far"));
    await socket.next("chunks");
    await socket.ask({ type: "stop", id: newId(), epoch, turnId: ref });
    const start = await metered(async () => void (await socket.ask({ type: "continue", id: newId(), epoch, messageId: ref })));
    expectWrites(start, 3);
    const before = flushesOf(socket);
    const end = await metered(async () => {
      await reply(threadId, "and on");
      await socket.next("turn", 2);
    });
    expectWrites(end, END + flushesOf(socket) - before - 1);
  });

  it("a wait for a person: turn, alarm; an answer that ends it: log, turn, alarm, command", async () => {
    const { threadId, socket, epoch } = await openThread();
    const { ref } = await socket.send("u1");
    const wait = await metered(async () => {
      await play(threadId, (run) => {
        run.write({ type: "tool-input-available", toolCallId: "call-1", toolName: "pay", input: {} });
        run.write({ type: "tool-approval-request", toolCallId: "call-1", approvalId: "approval-1" });
        run.end();
      });
      await socket.until(({ frames }) => frames.some((frame) => frame.type === "delta" && frame.turn?.state === "waiting"));
    });
    expectWrites(wait, flushesOf(socket) + 2);
    const answer = { type: "resolve", id: newId(), epoch, turnId: ref, approvalId: "approval-1", approved: true };
    expectWrites(await metered(async () => void (await socket.ask(answer))), 4);
  });

  it("an append of the server: message (2), session, command", async () => {
    const { threadId } = await openUsedThread();
    const thread = getThread(PUPPET, { threadId }, { as: "system:cron" });
    expectWrites(await metered(async () => void (await thread.append("noted"))), 4);
  });
});

describe("a thread is made with", () => {
  it("26 rows and those of the app's own steps, and no alarm call when it has no message yet", async () => {
    const bill = await metered(async () => void (await getTicket(newId(), "user-1", { create: true })));
    expectWrites(bill, CREATE + APP_STEP);
  });

  it("26 rows and the start of its first turn when a message makes it", async () => {
    const bill = await metered(async () => void (await getTicket(newId(), "user-1", firstSend())));
    expectWrites(bill, CREATE + APP_STEP + START);
  });
});

describe("nothing is written by", () => {
  it("a connection, a reconnect, a read or a refusal", async () => {
    const { threadId, socket } = await openThread();
    const { ref } = await socket.send("first");
    await reply(threadId, "answer");
    await socket.next("turn");
    const bill = await metered(async () => {
      await TestSocket.open(threadId, "user-1");
      await TestSocket.open(threadId, "user-1", { cursor: `${socket.epoch}.1` });
      await socket.ask({ type: "page", id: newId(), before: ref });
      await socket.ask({ type: "stop", id: newId(), epoch: socket.epoch, turnId: newId() });
      socket.close();
      await socket.until(({ closed }) => closed !== null);
    });
    expectWrites(bill, 0);
  });
});

describe("rows read do not grow with history:", () => {
  it.each([
    [10, 20],
    [5_000, 35],
  ])("a thread of %i messages that sleeps is opened with %i rows", async (count, rows) => {
    const threadId = await threadOf(count);
    let socket: TestSocket | undefined;
    const bill = await metered(async () => void (socket = await TestSocket.open(threadId, "user-1")));
    expect(bill.rowsRead, JSON.stringify(bill.reads, null, 1)).toBe(rows);
    expect(bill.rowsRead).toBeLessThanOrEqual(80);
    expect(socket!.of("snapshot")[0]!.messages).toHaveLength(Math.min(count, 25));
    expectWrites(bill, 0);
  });

  it.each([
    ["at the end", 5_000, 12],
    ["five messages behind", 4_995, 16],
    ["one page behind", 4_975, 36],
    ["far behind", 1, 61],
  ])("a reconnect %s of 5,000 messages (rev %i) reads %i rows when the thread sleeps", async (_name, rev, rows) => {
    const threadId = await threadOf(5_000);
    const bill = await metered(async () => void (await TestSocket.open(threadId, "user-1", { cursor: `${EPOCH}.${rev}` })));
    expect(bill.rowsRead, JSON.stringify(bill.reads, null, 1)).toBe(rows);
  });

  it("a full queue adds a row for each turn in it, and 92 rows in all open a sleeping one whose interrupted turn has to be ended first", async () => {
    const threadId = await threadOf(5_000);
    const socket = await TestSocket.open(threadId, "user-1");
    for (let n = 0; n < 21; n++) await socket.send(`text ${n}`);
    await play(threadId, (run) => run.text("So far ".repeat(40)));
    await socket.next("chunks");
    const open = () => metered(async () => void (await TestSocket.open(threadId, "user-1")));
    expect((await open()).rowsRead).toBe(50);
    await evict(threadId);
    expect((await open()).rowsRead).toBeLessThanOrEqual(92);
  });

  it("a turn and a page read as much at 5,000 messages as at 30", async () => {
    const billOf = async (count: number) => {
      const threadId = await threadOf(count);
      const socket = await TestSocket.open(threadId, "user-1");
      return metered(async () => {
        await socket.send("Hello");
        await reply(threadId, "answer");
        await socket.next("turn");
        await socket.ask({ type: "page", id: newId(), before: `message-${count}` });
      });
    };
    const [short, long] = [await billOf(30), await billOf(5_000)];
    expect(long.reads).toEqual(short.reads);
    expect(long.rowsRead).toBeLessThan(60);
  });

  it("a message whose facts changed reaches a client that is behind, without a scan", async () => {
    const threadId = await threadOf(5_000);
    await query(threadId, "UPDATE cc_message SET facts = '{}', changed = 5001 WHERE rev = 2500");
    await query(threadId, "UPDATE cc_session SET rev = 5001");
    let socket: TestSocket | undefined;
    const bill = await metered(async () => void (socket = await TestSocket.open(threadId, "user-1", { cursor: `${EPOCH}.4999` })));
    expect(socket!.of("delta")[0]!.messages!.map(({ id }) => id)).toEqual(["message-2500", "message-5000"]);
    expect(bill.rowsRead).toBeLessThan(20);
  });
});

describe("bytes", () => {
  it("up for a message are its own and at most 200 more, whatever the history", async () => {
    const sizes = [];
    for (const count of [1, 5_000]) {
      const socket = await TestSocket.open(await threadOf(count), "user-1");
      const text = "How long is this?";
      const frame = { type: "send", id: newId(), messageId: newId(), epoch: socket.epoch, parts: [{ type: "text", text }] };
      expect((await socket.ask(frame)).type).toBe("ack");
      sizes.push(JSON.stringify(frame).length - text.length);
    }
    expect(sizes[1]).toBe(sizes[0]);
    expect(sizes[0]).toBeLessThanOrEqual(200);
  });
});
