// The same command again and again: over two sockets and HTTP, across a SIGKILL, before and after its turn has ended, and after
// it was cancelled. It has one effect and one answer.
import { beforeEach, describe, expect, it } from "vitest";
import { newId, type SnapshotFrame } from "../../src/entries/protocol.ts";
import { errandOf, formatErrand, formatScore, type Errand } from "./score.ts";
import { callsIn } from "./support/errand.ts";
import { createRandom, SEED, type Random } from "./support/random.ts";
import { askTicket, postCommand, RawSocket, type Answer, type BareCommand, type Place } from "./support/raw.ts";
import { useServer } from "./support/server.ts";
import { pause } from "./support/until.ts";
import { textOf } from "./support/witness.ts";

const setting = useServer("continue");
let random: Random;
let tags = 0;

beforeEach(() => {
  random = createRandom(SEED + tags);
});

/** A text that asks for a short answer after some time. */
const short = (name: string, afterMs = 0): string => formatScore({ tag: `${name}-${tags++}`, words: 3, everyMs: 0, afterMs });
const partsOf = (text: string): [{ type: "text"; text: string }] => [{ type: "text", text }];

/** A thread with one message, whose turn is under way, and a socket of its owner. */
class Stage {
  readonly place: Place = { url: setting.server.url, threadId: newId(), user: "user-1" };
  readonly messageId = newId();
  readonly turnId = newId();
  socket!: RawSocket;
  /** Of the thread before the command. */
  rev = 0;

  static async open(text: string): Promise<Stage> {
    const stage = new Stage();
    const { messageId, turnId: id } = stage;
    await askTicket(stage.place, { create: true, command: { type: "send", id, messageId, parts: partsOf(text) } });
    stage.socket = await RawSocket.open(stage.place);
    return stage;
  }

  /** Waits for the end of a turn, and shows the thread as who comes anew sees it. */
  async ended(turnId: string): Promise<SnapshotFrame> {
    const socket = await RawSocket.open(this.place);
    const { turn, queue } = socket.snapshot;
    const isLive = turn?.id === turnId || queue.some((item) => item.turnId === turnId);
    if (isLive) await socket.until(() => socket.frames.some((frame) => frame.type === "turn" && frame.ended.turnId === turnId), "the end");
    socket.close();
    return this.view();
  }

  async view(): Promise<SnapshotFrame> {
    const socket = await RawSocket.open(this.place);
    socket.close();
    return socket.snapshot;
  }

  /** Three times: over two sockets, one of which has been open for long, and by HTTP; all at once. */
  async deliver(command: BareCommand): Promise<Answer[]> {
    const other = await RawSocket.open(this.place);
    const answers = await Promise.all([
      this.socket.ask(command),
      other.ask(command),
      postCommand(this.place, { ...command, epoch: other.epoch }),
    ]);
    other.close();
    return answers;
  }

  /** Lets the process die at once after the command has left, or in the middle of what it began; the answer may have come or not. */
  async deliverIntoCrash(command: BareCommand): Promise<Answer[]> {
    this.socket.send(command);
    const { socket } = this;
    if (random.next() < 0.7) await socket.until(() => socket.answerTo(command) !== undefined, "the first answer");
    else await pause(random.between(0, 4));
    await crash();
    const first = socket.answerTo(command);
    this.socket = await RawSocket.open(this.place);
    return first ? [first] : [];
  }
}

async function crash(): Promise<void> {
  await setting.server.kill();
  await setting.server.restart();
}

/** All acks are one. */
function expectOneAck(answers: readonly Answer[], command: BareCommand): void {
  expect(answers[0]).toMatchObject({ type: "ack", ref: command.id });
  for (const answer of answers) expect(answer).toEqual(answers[0]);
}

const sendOf = (text: string): BareCommand & { type: "send" } => ({ type: "send", id: newId(), messageId: newId(), parts: partsOf(text) });
const branchOf = ({ messages }: SnapshotFrame): string[] =>
  messages.map(({ role, parts }) => (role === "user" ? textOf({ parts }) : "reply"));

interface Case {
  name: string;
  /** A thread in which the command can be given. */
  prepare(): Promise<Stage>;
  make(stage: Stage): BareCommand | Promise<BareCommand>;
  /** Ends what has kept the command's turn from running. */
  release?(stage: Stage): Promise<unknown>;
  /** Sees in the thread, once all has ended, that it happened exactly once. */
  verify(view: SnapshotFrame, stage: Stage, command: BareCommand): void;
}

const QUESTION = "first";

/** A thread whose first turn has ended. */
async function answered(): Promise<Stage> {
  const stage = await Stage.open(short(QUESTION));
  await stage.ended(stage.turnId);
  return stage;
}

/** A thread whose turn waits for an approval. */
async function asking(): Promise<Stage> {
  const step = { words: 2, everyMs: 0, afterMs: 0 };
  const errand: Errand = errandOf(`ask-${tags++}`, [
    { ...step, calls: [{ tool: "pay", ms: 10 }] },
    { ...step, calls: [] },
  ]);
  const stage = await Stage.open(formatErrand(errand));
  const { socket } = stage;
  const isWaiting = (): boolean =>
    socket.snapshot.turn?.state === "waiting" || socket.frames.some((frame) => frame.type === "delta" && frame.turn?.state === "waiting");
  await socket.until(isWaiting, "the question");
  return stage;
}

async function approvalOf(stage: Stage, approved: boolean): Promise<BareCommand> {
  const call = callsIn((await stage.view()).live!.message.parts).find(({ approval }) => approval !== undefined);
  return { type: "resolve", id: newId(), turnId: stage.turnId, approvalId: call!.approval!.id, approved };
}

const CASES: Case[] = [
  {
    name: "send",
    prepare: answered,
    make: () => sendOf(short("second")),
    verify: (view) =>
      expect(branchOf(view)).toEqual([expect.stringContaining(QUESTION), "reply", expect.stringContaining("second"), "reply"]),
  },
  {
    name: "edit of a message",
    prepare: answered,
    make: ({ messageId }) => ({ type: "edit", id: newId(), messageId, newMessageId: newId(), parts: partsOf(short("edited")) }),
    verify: (view) => expect(branchOf(view)).toEqual([expect.stringContaining("edited"), "reply"]),
  },
  {
    name: "edit of a queued message",
    prepare: async () => {
      const stage = await Stage.open(short(QUESTION, 60_000));
      const queued = sendOf(short("queued"));
      await stage.socket.ask({ ...queued, id: `${stage.turnId}-q` });
      return stage;
    },
    make: ({ turnId }) => ({ type: "edit", id: newId(), turnId: `${turnId}-q`, parts: partsOf(short("edited")) }),
    release: ({ socket, turnId }) => socket.ask({ type: "stop", id: newId(), turnId }),
    verify: (view) => expect(branchOf(view)).toEqual([expect.stringContaining(QUESTION), expect.stringContaining("edited"), "reply"]),
  },
  {
    name: "regenerate",
    prepare: answered,
    make: ({ messageId }) => ({ type: "regenerate", id: newId(), messageId }),
    verify: (view, _stage, { id }) => {
      expect(branchOf(view)).toEqual([expect.stringContaining(QUESTION), "reply"]);
      expect(view.messages[1]!.id).toBe(id);
    },
  },
  {
    name: "resolve",
    prepare: asking,
    make: (stage) => approvalOf(stage, true),
    verify: (view, { turnId }) => {
      expect(setting.outside.effectsOf(turnId).length).toBeLessThanOrEqual(1);
      const [call] = callsIn(view.messages.at(-1)!.parts);
      expect(call).toMatchObject({ state: expect.stringMatching(/^output-/), approval: { approved: true, by: "user-1" } });
    },
  },
  {
    name: "set",
    prepare: answered,
    make: () => ({ type: "set", id: newId(), field: "state", value: { note: "once" } }),
    verify: ({ session }, stage) => {
      expect(session.state).toEqual({ note: "once", other: "" });
      expect([session.rev, session.stateRev]).toEqual([stage.rev + 1, stage.rev + 1]);
    },
  },
];

/** The turn that ends last of those that a command begins or touches. */
function turnOf(command: BareCommand, stage: Stage): string {
  if (command.type === "edit" && "turnId" in command) return command.turnId;
  return command.type === "resolve" || command.type === "set" ? stage.turnId : command.id;
}

describe.each(CASES)(`the same command given many times (CHATCELL_SEED=${SEED}): $name`, ({ name, prepare, make, release, verify }) => {
  it.each([1, 2])("has one effect and one answer across a crash (%i)", async () => {
    const stage = await prepare();
    const command = await make(stage);
    stage.rev = (await stage.view()).session.rev;
    const answers = await stage.deliverIntoCrash(command);
    answers.push(...(await stage.deliver(command)));
    await release?.(stage);
    const turnId = turnOf(command, stage);
    const view = await stage.ended(turnId);
    verify(view, stage, command);
    const models = setting.outside.models.length;
    await crash();
    stage.socket = await RawSocket.open(stage.place);
    answers.push(...(await stage.deliver(command)));
    expectOneAck(answers, command);
    expect(await stage.view()).toEqual(view);
    // An attempt for each process at the most.
    const calls = setting.outside.modelsOf(turnId).length;
    expect(calls).toBeLessThanOrEqual(name === "resolve" ? 3 : 2);
    expect(setting.outside.models.length).toBe(models);
  });
});

/** Commands that begin a turn, given while another one runs. */
const QUEUED: Pick<Case, "name" | "make">[] = CASES.filter(({ name }) => ["send", "edit of a message", "regenerate"].includes(name));

describe.each(QUEUED)("a command that was cancelled: $name", ({ make }) => {
  it("stays cancelled when it is given again, before and after a crash", async () => {
    const stage = await answered();
    const blocker = sendOf(short("blocker", 60_000));
    await stage.socket.ask(blocker);
    const command = await make(stage);
    const answers = [await stage.socket.ask(command)];
    const { epoch } = stage.socket;
    const cancel: BareCommand = { type: "cancel", id: newId(), turnId: command.id };
    const cancelled = [await stage.socket.ask(cancel)];
    answers.push(...(await stage.deliver(command)));
    await crash();
    stage.socket = await RawSocket.open(stage.place);
    answers.push(...(await stage.deliver(command)));
    cancelled.push(...(await stage.deliver(cancel)));
    expectOneAck(answers, command);
    expectOneAck(cancelled, cancel);
    expect((await stage.view()).queue).toEqual([]);
    await postCommand(stage.place, { type: "stop", id: newId(), epoch, turnId: blocker.id });
    const { messages, turn, queue } = await stage.ended(blocker.id);
    expect({ turn, queue, ids: messages.map(({ id }) => id) }).toEqual({
      turn: null,
      queue: [],
      ids: [stage.messageId, stage.turnId, (blocker as { messageId: string }).messageId],
    });
    expect(setting.outside.modelsOf(command.id)).toEqual([]);
  });
});

describe("an answer of a person", () => {
  it("is answered as it was when it is given again after its turn was stopped and the process killed", async () => {
    const stage = await asking();
    const resolve = await approvalOf(stage, false);
    const stop: BareCommand = { type: "stop", id: newId(), turnId: stage.turnId };
    const answers = [await stage.socket.ask(resolve)];
    await stage.socket.ask(stop);
    await crash();
    stage.socket = await RawSocket.open(stage.place);
    answers.push(...(await stage.deliver(resolve)));
    expectOneAck(answers, resolve);
    // Another answer to the same question comes too late.
    expect(await stage.socket.ask({ ...resolve, id: newId() })).toMatchObject({ type: "error", code: "already_resolved" });
    expect(setting.outside.effectsOf(stage.turnId)).toEqual([]);
  });
});
