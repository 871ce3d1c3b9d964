// Whatever people do to questions, answers and the line of them, and whenever the object dies or a client is away: every client
// ends with what a fresh one loads, history only grows, and no command has an effect twice. fast-check names a seed that fails.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { applyFrame, cursorOf, EMPTY_REPLICA, type Replica } from "../../src/client/replica.ts";
import { getThread } from "../../src/entries/index.ts";
import type { Command, ServerFrame } from "../../src/protocol/frames.ts";
import { newId } from "../../src/protocol/ids.ts";
import type { Message } from "../../src/protocol/messages.ts";
import { continueOf, editOf, editQueuedOf, openTalk, regenerateOf } from "./support/asking.ts";
import { TestSocket } from "./support/client.ts";
import { withClock } from "./support/clock.ts";
import { evict, PUPPET, query, stubOf } from "./support/objects.ts";
import { caughtUp, freshView, viewOf } from "./support/replicas.ts";
import { settle } from "./support/stage.ts";
import { ask, sendOf } from "./support/threads.ts";
import type { Play } from "./worker.ts";

const KINDS = [
  "send",
  "edit",
  "editQueued",
  "regenerate",
  "continue",
  "stop",
  "cancel",
  "title",
  "append",
  "again",
  "say",
  "sayMuch",
  "end",
  "fail",
  "cut",
  "evict",
  "leave",
  "return",
] as const;

/** How often each kind comes, by its place in {@link KINDS}. */
const WEIGHTS = [4, 2, 2, 4, 9, 2, 1, 1, 1, 2, 7, 3, 5, 3, 6, 3, 2, 3];

interface Step {
  kind: (typeof KINDS)[number];
  n: number;
}

const steps = fc.array(
  fc.record<Step>({
    kind: fc.oneof(...KINDS.map((kind, at) => ({ arbitrary: fc.constant(kind), weight: WEIGHTS[at]! }))),
    n: fc.nat(99),
  }),
  { minLength: 5, maxLength: 40 },
);

/** A client by the rules of the real one, without its clock: it asks with `sync` where something is missing. */
class Reader {
  replica: Replica = EMPTY_REPLICA;
  socket: TestSocket | null;
  #taken = 0;

  constructor(socket: TestSocket) {
    this.socket = socket;
  }

  async read(): Promise<void> {
    const { socket } = this;
    if (!socket) return;
    for (let round = 0; round < 3; round++) {
      await caughtUp(socket);
      const frames: readonly ServerFrame[] = socket.frames;
      let isMissing = false;
      for (; this.#taken < frames.length; this.#taken++) {
        const next = applyFrame(this.replica, frames[this.#taken]!);
        if (next) this.replica = next;
        else isMissing = true;
      }
      if (!isMissing) return;
      socket.sendText(JSON.stringify({ type: "sync", id: newId(), cursor: cursorOf(this.replica) }));
    }
    throw new Error("A sync does not bring this client up to date.");
  }

  async leave(): Promise<void> {
    await this.read();
    this.socket?.close();
    this.socket = null;
  }

  async comeBack(threadId: string): Promise<void> {
    if (this.socket) return;
    this.socket = await TestSocket.open(threadId, "user-1", { cursor: cursorOf(this.replica) });
    this.#taken = 0;
  }
}

class World {
  readonly threadId: string;
  readonly epoch: string;
  readonly readers: Reader[];
  readonly sent: { command: Command; answer: ServerFrame }[] = [];
  #run: Play | null = null;

  constructor(threadId: string, epoch: string, readers: Reader[]) {
    this.threadId = threadId;
    this.epoch = epoch;
    this.readers = readers;
  }

  async do({ kind, n }: Step): Promise<void> {
    const { epoch, threadId } = this;
    const reader = this.readers[n % this.readers.length]!;
    const { messages, queue, turn } = reader.replica;
    const pick = <Value>(values: readonly Value[]): Value | undefined => values[n % Math.max(values.length, 1)];
    const about = pick(messages.filter(({ role }) => role === "user"))?.id ?? newId();
    const turnIds = [...(turn ? [turn.id, turn.id] : []), ...queue.map(({ turnId }) => turnId)];
    const turnId = pick(turnIds) ?? newId();
    switch (kind) {
      case "send":
        return this.send(reader, sendOf(epoch, `question ${n}`));
      case "edit":
        return this.send(reader, editOf(epoch, about, `other question ${n}`));
      case "editQueued":
        return this.send(reader, editQueuedOf(epoch, turnId, `better question ${n}`));
      case "regenerate":
        return this.send(reader, regenerateOf(epoch, about));
      case "continue":
        return this.send(reader, continueOf(epoch, messages.at(-1)?.id ?? newId()));
      case "stop":
      case "cancel":
        return this.send(reader, { type: kind, id: newId(), epoch, turnId });
      case "title":
        return this.send(reader, { type: "set", id: newId(), epoch, field: "title", value: `title ${n}` });
      case "append":
        return void (await getThread(PUPPET, { threadId }, { as: "system:cron" })
          .append(`note ${n}`)
          .catch(() => {}));
      case "again": {
        const earlier = pick(this.sent);
        if (!earlier || !reader.socket) return;
        const answer = await ask(reader.socket, earlier.command);
        if (earlier.answer.type === "ack") expect(answer).toEqual(earlier.answer);
        return;
      }
      case "say":
        return this.act((run) => run.text(`word ${n} `));
      case "sayMuch":
        return this.act((run) => run.text(`many words ${n} `.repeat(30)));
      case "end":
        return this.act((run) => run.end());
      case "fail":
        return this.act((run) => run.write({ type: "error", errorText: "no" }));
      case "cut":
        await this.act((run) => run.text(`word ${n} `));
        return turn ? this.send(reader, { type: "stop", id: newId(), epoch, turnId: turn.id }) : undefined;
      case "evict":
        this.#run = null;
        await evict(threadId);
        return void (await runDurableObjectAlarm(stubOf(threadId)));
      case "leave":
        return reader.leave();
      case "return":
        return reader.comeBack(threadId);
    }
  }

  async send({ socket }: Reader, command: Command): Promise<void> {
    if (!socket) return;
    this.sent.push({ command, answer: await ask(socket, command) });
  }

  /** Acts in the run that is under way, if there is one. */
  act(perform: (run: Play) => void): Promise<void> {
    return runInDurableObject(stubOf(this.threadId), async (puppet) => {
      this.#run = puppet.plays.splice(0).at(-1) ?? this.#run;
      if (!this.#run || this.#run.turn.signal.aborted) return;
      try {
        perform(this.#run);
      } catch {
        this.#run = null; // Its stream is closed: it has ended already.
      }
      await settle();
    });
  }

  async quiet(): Promise<void> {
    for (let round = 0; round < 60 && (await query(this.threadId, "SELECT id FROM cc_turn")).length > 0; round++) {
      await this.act((run) => run.end());
      await settle();
    }
    expect(await query(this.threadId, "SELECT id FROM cc_turn")).toEqual([]);
  }
}

const rowsOf = (threadId: string) =>
  query<{ id: string; parent: string | null; role: string; body: string }>(threadId, "SELECT * FROM cc_message ORDER BY rev");

/** What was stored is still there, in its place; only a reply that went on says more than before. */
async function expectGrown(threadId: string, before: Awaited<ReturnType<typeof rowsOf>>): Promise<typeof before> {
  const after = await rowsOf(threadId);
  before.forEach(({ id, parent, role, body }, at) => {
    expect(after[at]).toMatchObject({ id, parent, role });
    const [old, now] = [body, after[at]!.body].map((text) =>
      (JSON.parse(text) as Message).parts.filter(({ type }) => type !== "data-notice"),
    );
    expect(now!.slice(0, old!.length)).toEqual(old);
  });
  return after;
}

it(
  "every client ends with what a fresh one loads, after edits, other answers, continues, deaths and absences",
  { timeout: 180_000 },
  async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    await fc.assert(
      fc.asyncProperty(steps, (list) =>
        // A second passes with each step, so that no rate is ever too high.
        withClock(async (move) => {
          const { threadId, socket, epoch } = await openTalk(1);
          const readers = [new Reader(socket), new Reader(await TestSocket.open(threadId, "user-1"))];
          const world = new World(threadId, epoch, readers);
          let rows = await rowsOf(threadId);
          for (const step of list) {
            move(1_000);
            await world.do(step);
            for (const reader of readers) await reader.read();
            const present = readers.filter(({ socket: open }) => open);
            if (present.length === 2) expect(viewOf(present[0]!.replica)).toEqual(viewOf(present[1]!.replica));
            rows = await expectGrown(threadId, rows);
          }
          move(5_000);
          await world.quiet();
          for (const reader of readers) {
            await reader.comeBack(threadId);
            await reader.read();
          }
          const fresh = await freshView(threadId);
          for (const { replica } of readers) expect(viewOf(replica)).toEqual(viewOf(fresh));
          fresh.messages.forEach(({ parent }, at) => expect(parent).toBe(fresh.messages[at - 1]?.id ?? (at === 0 ? parent : null)));
          const { alarm } = await runInDurableObject(stubOf(threadId), async (_puppet, { storage }) => ({
            alarm: await storage.getAlarm(),
          }));
          expect(alarm).toBeNull();
          // One message for each question, one reply for each turn at most, whatever was sent again.
          expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
          for (const { socket: open } of readers) open!.close();
        }),
      ),
      { numRuns: 60, timeout: 20_000, interruptAfterTimeLimit: 120_000, markInterruptAsFailure: true },
    );
  },
);
