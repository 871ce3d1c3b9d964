// set: the app's typed value of a thread and its title. Validated, merged, compared, told to every client as what changed, and
// held for a turn as it was when its message was accepted.
import { runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { getThread, type ChatError } from "../../src/entries/index.ts";
import type { SetCommand } from "../../src/protocol/frames.ts";
import { newId } from "../../src/protocol/ids.ts";
import { accepted, continueOf, editOf, editQueuedOf, openTalk, post, regenerateOf } from "./support/asking.ts";
import { TestSocket } from "./support/client.ts";
import { dumpOf, evict, play, PUPPET, query, reply, stubOf } from "./support/objects.ts";
import { caughtUp, freshView, replicaOf, returned, viewOf } from "./support/replicas.ts";
import { expectSameView } from "./support/same-view.ts";
import { ask, end, openThread, sendOf } from "./support/threads.ts";
import { Puppet } from "./worker.ts";

const STATE = z.object({
  mode: z.enum(["chat", "code"]).default("chat"),
  tasks: z.array(z.string()).default([]),
  note: z.string().optional(),
});
const FIRST = { mode: "chat", tasks: [] };
/** Another schema for every object that wakes from now on, and for those that are awake. */
const deploy = (state: z.ZodType | undefined): void => void Object.assign(Puppet, { state });

beforeEach(() => deploy(STATE));
afterEach(() => {
  deploy(undefined);
  vi.restoreAllMocks();
});

const setOf = (epoch: string, value: object, ifRev?: number): SetCommand => ({
  type: "set",
  id: newId(),
  epoch,
  field: "state",
  value: value as Record<string, unknown>,
  ...(ifRev !== undefined ? { ifRev } : {}),
});
const titleOf = (epoch: string, value: string | null, ifRev?: number): SetCommand => ({
  type: "set",
  id: newId(),
  epoch,
  field: "title",
  value,
  ...(ifRev !== undefined ? { ifRev } : {}),
});

describe("the app state", () => {
  it("is what the schema makes of nothing before it is first set, for clients and for turns, and is not stored", async () => {
    const { threadId, socket, epoch } = await openThread();
    expect(replicaOf(socket).session).toMatchObject({ state: FIRST, stateRev: 0 });
    await accepted(socket, sendOf(epoch));
    await play(threadId, ({ turn, end }) => {
      expect(turn.state).toEqual(FIRST);
      end();
    });
    expect(await query(threadId, "SELECT state FROM cc_session")).toEqual([{ state: null }]);
  });

  it("is merged at its top level, and every client hears of the whole at its new revision before the ack", async () => {
    const { threadId, socket, epoch } = await openThread();
    const other = await TestSocket.open(threadId, "user-1");
    const set = setOf(epoch, { tasks: ["read"] });
    expect(await accepted(socket, set)).toEqual({ type: "ack", ref: set.id, rev: 1, result: {} });
    expect(socket.frames.at(-2)).toEqual({
      type: "delta",
      from: 0,
      to: 1,
      session: { state: { mode: "chat", tasks: ["read"] }, stateRev: 1 },
      turn: null,
    });
    await accepted(other, setOf(epoch, { mode: "code" }));
    await caughtUp(socket);
    expect(replicaOf(socket).session).toMatchObject({ state: { mode: "code", tasks: ["read"] }, stateRev: 2, rev: 2 });
    await expectSameView(threadId, socket, other);
    await evict(threadId);
    await expectSameView(threadId, socket, other);
  });

  it("is refused when the whole does not fit, with bad_request, and when it is too long, with too_large; then nothing has changed", async () => {
    const { threadId, socket, epoch } = await openThread();
    await accepted(socket, setOf(epoch, { mode: "code" }));
    const before = await dumpOf(threadId);
    expect(await ask(socket, setOf(epoch, { mode: "poem" }))).toMatchObject({
      code: "bad_request",
      message: expect.stringContaining("mode") as string,
    });
    expect(await ask(socket, setOf(epoch, { tasks: "read" }))).toMatchObject({ code: "bad_request" });
    expect(await ask(socket, setOf(epoch, { note: null }))).toMatchObject({ code: "bad_request" });
    expect(await ask(socket, setOf(epoch, { note: "x".repeat(65_536) }))).toMatchObject({ code: "too_large" });
    expect(await ask(socket, setOf(epoch, { note: "字".repeat(21_840) }))).toMatchObject({ code: "too_large" });
    expect(await dumpOf(threadId)).toBe(before);
    const rest = JSON.stringify({ mode: "code", tasks: [], note: "" }).length;
    await accepted(socket, setOf(epoch, { note: "x".repeat(65_536 - rest) }));
    expect(await ask(socket, setOf(epoch, { tasks: ["x"] }))).toMatchObject({ code: "too_large" });
  });

  it.each(["__proto__", "constructor", "toString", "unknown"])(
    "takes a key %s of the wire for data, which this schema drops",
    async (key) => {
      const { threadId, socket, epoch } = await openThread();
      const json = JSON.stringify(setOf(epoch, { mode: "code" })).replace('"mode":"code"', `"mode":"code","${key}":{"admin":true}`);
      socket.sendText(json);
      await socket.next("ack");
      expect(replicaOf(socket).session!.state).toStrictEqual({ mode: "code", tasks: [] });
      expect(({} as { admin?: unknown }).admin).toBeUndefined();
      expect(await query(threadId, "SELECT state FROM cc_session")).toEqual([{ state: '{"mode":"code","tasks":[]}' }]);
    },
  );

  it("is compared with ifRev: of two tabs that saw the same, the first wins and the other is told what there is", async () => {
    const { threadId, socket, epoch } = await openThread();
    const other = await TestSocket.open(threadId, "user-1");
    await accepted(socket, setOf(epoch, { mode: "code" }, 0));
    const answers = await Promise.all([ask(socket, setOf(epoch, { tasks: ["one"] }, 1)), ask(other, setOf(epoch, { tasks: ["two"] }, 1))]);
    expect(answers.map(({ type }) => type).sort()).toEqual(["ack", "error"]);
    await caughtUp(socket, other);
    const { state, stateRev } = replicaOf(socket).session!;
    expect(stateRev).toBe(2);
    expect(answers.find(({ type }) => type === "error")).toMatchObject({
      code: "state_conflict",
      retryable: false,
      details: { value: state, rev: 2 },
    });
    await expectSameView(threadId, socket, other);
    // Made again upon what there is, as a new command.
    await accepted(other, setOf(epoch, { note: "again" }, 2));
    expect(await ask(other, setOf(epoch, { mode: "chat" }, 99))).toMatchObject({ code: "state_conflict", details: { rev: 3 } });
  });

  it("has a revision of its own: messages and titles do not touch it", async () => {
    const { threadId, socket, epoch } = await openThread();
    await accepted(socket, setOf(epoch, { mode: "code" }));
    await accepted(socket, sendOf(epoch));
    await reply(threadId, "a1");
    await accepted(socket, titleOf(epoch, "Dates"));
    expect(await accepted(socket, setOf(epoch, { mode: "chat" }, 1))).toMatchObject({ rev: 5 });
  });

  it("is not there in a class without a schema: set is refused with bad_request, and clients see none", async () => {
    deploy(undefined);
    const { threadId, socket, epoch } = await openThread();
    expect(replicaOf(socket).session).not.toHaveProperty("state");
    const before = await dumpOf(threadId);
    expect(await ask(socket, setOf(epoch, {}))).toMatchObject({ code: "bad_request" });
    expect(await dumpOf(threadId)).toBe(before);
    await accepted(socket, sendOf(epoch));
    await play(threadId, ({ turn, end }) => {
      expect(turn.state).toBeUndefined();
      end();
    });
  });

  it("that was stored under an older schema is shown as it is, turns get it too, and a valid set brings it up to date", async () => {
    const { threadId, socket, epoch } = await openThread();
    await accepted(socket, setOf(epoch, { mode: "code" }));
    deploy(z.object({ mode: z.enum(["chat", "draw"]), tasks: z.array(z.string()), size: z.number().default(1) }));
    await evict(threadId);
    expect((await freshView(threadId)).session!.state).toEqual({ mode: "code", tasks: [] });
    await accepted(socket, sendOf(epoch));
    await play(threadId, ({ turn, end }) => {
      expect(turn.state).toEqual({ mode: "code", tasks: [] });
      end();
    });
    expect(await ask(socket, setOf(epoch, { size: 2 }))).toMatchObject({ code: "bad_request" });
    await accepted(socket, setOf(epoch, { mode: "draw" }));
    expect(replicaOf(socket).session!.state).toEqual({ mode: "draw", tasks: [], size: 1 });
    await expectSameView(threadId, socket);
  });

  it("that is damaged in storage keeps no thread from opening", async () => {
    const { threadId, socket, epoch } = await openThread();
    for (const damaged of ["{not json", "null", "7", '"text"', "[]"]) {
      await query(threadId, "UPDATE cc_session SET state = ?", damaged);
      await evict(threadId);
      expect((await freshView(threadId)).session).toHaveProperty("state");
    }
    await accepted(socket, setOf(epoch, { mode: "code" }));
  });
});

describe("the title", () => {
  it("is set and taken away, with a revision of its own, and compared like the state", async () => {
    const { threadId, socket, epoch } = await openThread();
    const other = await TestSocket.open(threadId, "user-1");
    expect(await accepted(socket, titleOf(epoch, "Dates"))).toMatchObject({ rev: 1 });
    expect(socket.of("delta").at(-1)).toEqual({ type: "delta", from: 0, to: 1, session: { title: "Dates", metaRev: 1 }, turn: null });
    expect(await ask(other, titleOf(epoch, "Times", 0))).toMatchObject({ code: "state_conflict", details: { value: "Dates", rev: 1 } });
    await accepted(other, titleOf(epoch, null, 1));
    expect((await freshView(threadId)).session).toMatchObject({ title: null, metaRev: 2 });
    await accepted(other, titleOf(epoch, "字".repeat(200)));
    await expectSameView(threadId, socket, other);
  });
});

describe("turn.state", () => {
  it("is the state when the message was accepted, also for one that waits, is run again, or is edited", async () => {
    const { threadId, socket, epoch } = await openThread();
    await accepted(socket, sendOf(epoch, "u1"));
    const queued = sendOf(epoch, "u2");
    await accepted(socket, queued);
    await accepted(socket, setOf(epoch, { mode: "code" }));
    await accepted(socket, editQueuedOf(epoch, queued.id, "u2, better"));
    await accepted(socket, sendOf(epoch, "u3"));
    await evict(threadId);
    await caughtUp(socket);
    const states: unknown[] = [];
    for (let n = 0; n < 3; n++) {
      await play(threadId, ({ turn, text, end }) => {
        states.push(turn.state);
        text(`a${n}`);
        end();
      });
    }
    expect(states).toEqual([FIRST, FIRST, { ...FIRST, mode: "code" }]);
    await socket.next("turn", 3);
  });

  it("does not count against the length of the queue: twenty messages wait with the largest state", async () => {
    const { socket, epoch } = await openThread();
    await accepted(socket, setOf(epoch, { note: "x".repeat(65_000) }));
    for (let n = 0; n < 21; n++) expect(await accepted(socket, sendOf(epoch, `u${n}`))).toMatchObject({ result: { position: n } });
  });

  it("is that of an edit, a regenerate and a continue too", async () => {
    const { threadId, socket, epoch, ids } = await openTalk(1);
    await accepted(socket, setOf(epoch, { mode: "code" }));
    const seen: unknown[] = [];
    const look = (then: (stop: string) => Promise<unknown>) => async (command: { id: string }) => {
      await accepted(socket, command);
      await play(threadId, ({ turn, text }) => {
        seen.push((turn.state as { mode: string }).mode);
        text("words");
      });
      await then(command.id);
    };
    const stop = look(async (turnId) => {
      await socket.until(() => (replicaOf(socket).live?.seq ?? 0) > 0);
      await end("stop", socket, epoch, turnId);
    });
    const edit = editOf(epoch, ids[0]!, "v1");
    await stop(edit);
    await stop(continueOf(epoch, edit.id));
    await stop(regenerateOf(epoch, edit.newMessageId));
    expect(seen).toEqual(["code", "code", "code"]);
  });
});

describe("setState of the class", () => {
  it("merges, stores and tells the clients in the middle of a turn, and `this.state` is what there is then", async () => {
    const { threadId, socket, epoch } = await openThread();
    await accepted(socket, sendOf(epoch));
    const away = replicaOf(socket);
    await play(threadId, async (run) => {
      run.text("Looking.");
    });
    await socket.until(() => (replicaOf(socket).live?.seq ?? 0) > 0);
    await runInDurableObject(stubOf(threadId), (puppet) => {
      const own = puppet as unknown as { state: unknown; setState(change: object): void };
      expect(own.state).toEqual(FIRST);
      own.setState({ mode: "code" });
      expect(own.state).toEqual({ ...FIRST, mode: "code" });
      expect(() => own.setState({ mode: "poem" })).toThrowError(expect.objectContaining<Partial<ChatError>>({ code: "bad_request" }));
      expect(own.state).toEqual({ ...FIRST, mode: "code" });
    });
    await caughtUp(socket);
    expect(socket.of("delta").at(-1)).toMatchObject({ session: { state: { mode: "code" }, stateRev: 2 }, turn: { state: "running" } });
    await expectSameView(threadId, socket);
    const back = await returned(threadId, away);
    expect(viewOf(back.replica)).toEqual(viewOf(replicaOf(socket)));
    await end("stop", socket, epoch, replicaOf(socket).turn!.id);
    await expectSameView(threadId, socket);
  });

  it("throws not_found where there is no thread, and stores nothing", async () => {
    const threadId = newId();
    await runInDurableObject(stubOf(threadId), (puppet) => {
      const own = puppet as unknown as { state: unknown; setState(change: object): void };
      expect(own.state).toBeUndefined();
      expect(() => own.setState({ mode: "code" })).toThrowError(expect.objectContaining<Partial<ChatError>>({ code: "not_found" }));
    });
  });
});

describe("getThread", () => {
  const asCron = { as: "system:cron" } as const;

  it("sets the state, also over HTTP's road of another principal, and compares it", async () => {
    const { threadId, socket, epoch } = await openThread();
    const thread = getThread(PUPPET, { threadId }, asCron);
    expect(await thread.setState({ mode: "code" })).toEqual({ rev: 1 });
    await caughtUp(socket);
    expect(replicaOf(socket).session).toMatchObject({ state: { mode: "code", tasks: [] }, stateRev: 1 });
    await expect(thread.setState({ mode: "chat" }, { ifRev: 0 })).rejects.toMatchObject({
      name: "ChatError",
      code: "state_conflict",
      details: { value: { mode: "code", tasks: [] }, rev: 1 },
    });
    await expect(thread.setState({ mode: "poem" })).rejects.toMatchObject({ code: "bad_request" });
    expect(await thread.setState({ mode: "chat" }, { ifRev: 1 })).toEqual({ rev: 2 });
    const response = await post(threadId, "user-1", setOf(epoch, { mode: "code" }, 1));
    expect([response.status, await response.json()]).toMatchObject([409, { error: { code: "state_conflict", details: { rev: 2 } } }]);
  });

  it("makes no thread by a state", async () => {
    const threadId = newId();
    const thread = getThread(PUPPET, { threadId }, { ...asCron, create: { owner: "user-1" } });
    await expect(thread.setState({ mode: "code" })).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("a client that was away", () => {
  it("gets exactly the fields that have changed since its cursor, and ends where the others are", async () => {
    const { threadId, socket, epoch } = await openTalk(1);
    const steps = [
      () => accepted(socket, setOf(epoch, { mode: "code" })),
      () => accepted(socket, titleOf(epoch, "Dates")),
      () => accepted(socket, sendOf(epoch, "u2")),
      () => accepted(socket, setOf(epoch, { tasks: ["read"] })),
      () => accepted(socket, sendOf(epoch, "u3")),
    ];
    const helds = [replicaOf(socket)];
    for (const step of steps) {
      await step();
      helds.push(replicaOf(socket));
    }
    const session = { status: "active", title: "Dates", metaRev: 4 };
    const own = { state: { mode: "code", tasks: ["read"] }, stateRev: 6 };
    const expected = [{ ...session, ...own }, { ...session, ...own }, own, own, undefined, undefined];
    for (const [index, held] of helds.entries()) {
      const away = await TestSocket.open(threadId, "user-1", { cursor: `${epoch}.${held.session!.rev}` });
      expect(away.of("delta")[0]!.session, `after step ${index}`).toEqual(expected[index]);
      expect(viewOf(replicaOf(away, { ...held, turn: null, live: null }))).toEqual(viewOf(await freshView(threadId)));
    }
    expect((await returned(threadId, helds[0]!)).types).toEqual(["delta"]);
  });
});
