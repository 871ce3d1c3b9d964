// One thread in a simulated world: the object with its watches, the network before it, and the pages that look at it.
import type { ModelMessage } from "ai";
import { anonymous } from "../../src/auth/anonymous.ts";
import { bearer } from "../../src/auth/bearer.ts";
import type { LiveState } from "../../src/protocol/messages.ts";
import { emptyLive, foldChunks } from "../../src/protocol/fold.ts";
import { isChatError } from "../../src/errors.ts";
import { DEFAULT_RECOVERY } from "../../src/session/recovery.ts";
import type { SessionHooks, TurnEndEvent } from "../../src/session/hooks.ts";
import type { Turn } from "../../src/session/turn-context.ts";
import { Database } from "../../src/storage/database.ts";
import { createSchema } from "../../src/storage/migrate.ts";
import { LIBRARY_MIGRATIONS } from "../../src/storage/schema.ts";
import { createTables } from "../../src/storage/tables.ts";
import { DEFAULT_FLUSH } from "../../src/stream/flush-policy.ts";
import { SeededRandom } from "../../src/testing/world/seeded-random.ts";
import { playTurn, ScriptedFailure } from "../../src/testing/world/turn-script.ts";
import { VirtualClock } from "../../src/testing/world/virtual-clock.ts";
import type { VirtualConnection } from "../../src/testing/world/virtual-connection.ts";
import type { Incarnation } from "../../src/testing/world/virtual-incarnation.ts";
import { VirtualNetwork } from "../../src/testing/world/virtual-network.ts";
import { VirtualObject } from "../../src/testing/world/virtual-object.ts";
import { CommitWatch } from "./commit-watch.ts";
import { Faults, InjectedFailure } from "./faults.ts";
import { Findings } from "./findings.ts";
import { FrameWatch } from "./frame-watch.ts";
import type { Schedule } from "./schedule.ts";
import { textOf } from "./page-watch.ts";
import { makeTurn } from "./turn-maker.ts";

export const START = 1_790_000_000_000;
export const THREAD_ID = "thread-in-simulation-1";
export const URL = "https://chat.example/chat";
const SECRET = "a secret of a simulation, 32 bytes or more";

/** One call of `onTurn`. */
export interface ModelCall {
  turnId: string;
  messageId: string;
  /** Texts of the conversation as the model was shown it, by role; null when it did not ask. */
  prompt: { role: string; text: string }[] | null;
  attempt: number;
  /** Text that earlier runs of the turn have left in its message. */
  base: string;
  /** `base`, and all text that this run has handed to the session so far. */
  said: string;
}

/** A hook call of `onTurnEnd`. */
export interface EndCall {
  turnId: string;
  again: boolean;
  hasReturned: boolean;
}

export class SimulatedThread {
  readonly schedule: Schedule;
  readonly random: SeededRandom;
  readonly clock = new VirtualClock(START);
  readonly findings = new Findings(() => this.clock.now() - START);
  readonly object: VirtualObject;
  readonly network: VirtualNetwork;
  readonly faults: Faults;
  readonly commits: CommitWatch;
  readonly frames: FrameWatch;
  /** The runs of each turn. */
  readonly calls = new Map<string, ModelCall[]>();
  readonly endCalls: EndCall[] = [];
  /** Frames of clients as they arrive: for those who repeat them. */
  readonly listeners = new Set<(connection: VirtualConnection, data: string) => void>();
  /** The first commands of new threads, as ticket requests carried them. */
  readonly ticketBodies: string[] = [];
  /** True at the end of a run: nothing goes wrong any more. */
  isCalm = false;
  readonly trace: string[] | null;
  #ids = 0;
  #isBuilding = false;

  constructor(schedule: Schedule, isTraced: boolean) {
    this.schedule = schedule;
    this.trace = isTraced ? [] : null;
    this.random = new SeededRandom(`run/${schedule.seed}`);
    const chance = this.random.fork("server");
    const wreckage = this.random.fork("wreck");
    this.faults = new Faults({
      crash: () => this.object.crash(),
      afterCommit: () => this.#isBuilding || this.commits.look(),
      tell: (text) => this.tell(text),
    });
    const newId = (): string => `id-${String(++this.#ids).padStart(8, "0")}`;
    this.object = new VirtualObject({
      clock: this.clock,
      newId,
      random: () => chance.next(),
      hooks: (life) => this.#hooks(life),
      flush: DEFAULT_FLUSH,
      recovery: { ...DEFAULT_RECOVERY, policy: schedule.recovery },
      probe: this.faults,
      report: (error) => this.#report(error),
      onSend: (connection, data) => {
        this.trace?.push(`${this.#time()} object → ${connection.id}: ${data.slice(0, 3000)}`);
        this.frames.look(connection, data);
      },
      wreck: () => ({
        isFlushed: wreckage.chance(0.5),
        clientAfterMs: this.isCalm || wreckage.chance(0.9) ? wreckage.between(0, wreckage.chance(0.8) ? 400 : 15_000) : undefined,
      }),
    });
    this.commits = new CommitWatch(this.object, this.clock.now, this.findings);
    this.frames = new FrameWatch(this.object, this.commits, this.findings);
    this.network = this.#makeNetwork(newId);

    if (schedule.history !== null) this.#makeThread(schedule.history);
  }

  newId(): string {
    return `id-${String(++this.#ids).padStart(8, "0")}`;
  }

  tell(text: string): void {
    this.trace?.push(`${this.#time()} ${text}`);
  }

  #time(): string {
    return `+${this.clock.now() - START}`;
  }

  #makeNetwork(newId: () => string): VirtualNetwork {
    const latency = this.random.fork("latency");
    const loss = this.random.fork("loss");
    return new VirtualNetwork({
      clock: this.clock,
      latencyMs: () => {
        if (this.isCalm || this.schedule.latency === "fast") return latency.between(1, 5);
        return this.schedule.latency === "slow" ? latency.between(80, 400) : latency.between(1, latency.chance(0.05) ? 2_000 : 80);
      },
      loss: () => (this.isCalm || !loss.chance(this.schedule.loss) ? "none" : loss.pick(["request", "answer"])),
      router: {
        secret: SECRET,
        authenticate: this.schedule.people === "anonymous" ? anonymous() : bearer((token) => ({ id: token })),
      },
      deps: { now: this.clock.now, newId },
      object: () => this.object,
      onClientFrame: (connection, data) => {
        this.trace?.push(`${this.#time()} ${connection.id} → object: ${data.slice(0, 200)}`);
        const frame = data.startsWith('{"type":"sync"') ? (JSON.parse(data) as { cursor: string }) : null;
        if (frame) this.frames.asks(connection, frame.cursor);
        for (const listen of this.listeners) listen(connection, data);
      },
      onRequest: (path, body, answer) => {
        this.trace?.push(`${this.#time()} POST ${path} ${body.slice(0, 200)} → ${answer.slice(0, 200)}`);
        if (body.includes('"command"')) this.ticketBodies.push(body);
      },
    });
  }

  /** A thread as an earlier day left it. */
  #makeThread(turns: number): void {
    const db = new Database(this.object.storage.viewOf({ isDead: false }));
    const tables = createTables(db);
    const now = START - 1_000_000;
    this.#isBuilding = true;
    db.transaction(() => {
      createSchema(db, { library: LIBRARY_MIGRATIONS, app: [], now: () => now, mode: "strict", report: () => {} });
      tables.session.create({ threadId: THREAD_ID, tenant: "", epoch: "epoch-1", now });
      tables.members.put(this.ownerId, "owner");
      let head: string | null = null;
      let rev = 0;
      for (let turn = 0; turn < turns; turn++) {
        for (const role of ["user", "assistant"] as const) {
          const id: string = `old-${role}-${turn}`;
          const facts = { outcome: "completed" as const, startedAt: now, endedAt: now, attempts: 1 };
          const parts = [{ type: "text" as const, text: `${role} ${turn}`, ...(role === "assistant" ? { state: "done" as const } : {}) }];
          tables.messages.insert(++rev, {
            id,
            parent: head,
            role,
            parts,
            createdAt: now,
            ...(role === "assistant" ? { facts } : { author: this.ownerId }),
          });
          head = id;
        }
      }
      tables.session.update({ rev, head }, now);
    });
    this.#isBuilding = false;
    this.commits.adopt();
  }

  get ownerId(): string {
    return this.schedule.people === "anonymous" ? "anon:nobody" : "user-0";
  }

  #hooks(life: Incarnation): SessionHooks {
    const { hook, people } = this.schedule;
    return {
      onTurn: (turn) => this.#onTurn(turn, life),
      ...(hook ? { onTurnEnd: (event: TurnEndEvent) => this.#onTurnEnd(event, life) } : {}),
      onConnect: (connection) => (this.clock.now() % 2 ? connection.setState({ since: this.clock.now() }) : undefined),
      onDisconnect: () => {},
      authorize: () => true,
      authorizeCreate: () => true,
      authorizeThread: () => (people === "one" ? null : "member"),
      parseBody: (value) => value,
    };
  }

  async #onTurn(turn: Turn, life: Incarnation): Promise<Awaited<ReturnType<typeof playTurn>>> {
    const text = textOf(turn.message);
    const random = this.random.fork(`turn/${text}/${turn.attempt}`);
    const former = this.calls.get(turn.id) ?? [];
    const log = this.commits.logs.get(turn.id) ?? [];
    const left = foldChunks(emptyLive(turn.id), log);
    const base = textOf(left.message);
    const call: ModelCall = { turnId: turn.id, messageId: turn.message.id, prompt: null, attempt: turn.attempt, base, said: base };
    this.#lookAtRun(call, former.at(-1));
    this.#lookAtLeft(call, left);
    this.calls.set(turn.id, [...former, call]);
    this.tell(`onTurn ${turn.id} "${text}", run ${turn.attempt}`);
    if (random.chance(0.5)) {
      const messages = turn.modelMessages();
      // The AI SDK is loaded at the first call, which takes real time.
      this.clock.hold(messages);
      call.prompt = promptOf(await messages);
    }
    return playTurn(makeTurn(random, turn.attempt, this.isCalm), turn, life, (chunk) => {
      if (chunk.type === "text-delta") call.said += chunk.delta;
    });
  }

  /** A run is stored and counted before it begins, and goes on from what the one before it said. */
  #lookAtRun({ turnId, attempt, base }: ModelCall, former: ModelCall | undefined): void {
    const [row] = this.commits.turns;
    if (row?.id !== turnId || row.attempt !== attempt)
      this.findings.say("run before stored", `run ${attempt} of ${turnId} began, stored is ${JSON.stringify(row)}`);
    if (former && former.attempt >= attempt) this.findings.say("run once", `run ${attempt} of ${turnId} began after run ${former.attempt}`);
    if (attempt > DEFAULT_RECOVERY.maxAttempts) this.findings.say("run once", `${turnId} runs for the ${attempt}th time`);
    if (former && !former.said.startsWith(base))
      this.findings.say("recovery", `"${base}" was kept of ${turnId}, said was "${former.said}"`);
  }

  /** What a run goes on from is whole: a step without a call was discarded, and nothing of the rest is open. */
  #lookAtLeft({ turnId, attempt }: ModelCall, { message: { parts }, open }: LiveState): void {
    const step = parts.slice(parts.findLastIndex(({ type }) => type === "step-start") + 1);
    const isUnfinished = step.length > 0 && !step.some((part) => "toolCallId" in part);
    const isOpen = Object.keys({ ...open.text, ...open.reasoning }).length > 0;
    if (isUnfinished || isOpen) this.findings.say("recovery", `run ${attempt} of ${turnId} goes on from ${JSON.stringify(parts)}`);
  }

  async #onTurnEnd(event: TurnEndEvent, life: Incarnation): Promise<void> {
    const call: EndCall = { turnId: event.turnId, again: event.again, hasReturned: false };
    this.endCalls.push(call);
    const random = this.random.fork(`end/${event.turnId}/${this.endCalls.length}`);
    const { hook } = this.schedule;
    const end = life.begin();
    try {
      if (hook === "slow") await life.sleep(random.between(0, 20_000));
      if (hook === "throws" && !this.isCalm && random.chance(0.4)) throw new ScriptedFailure("onTurnEnd throws.");
      call.hasReturned = true;
    } finally {
      end();
    }
  }

  /** What the session logs must be what a run made go wrong. */
  #report(error: unknown): void {
    // A hook that is cut off or throws five times is given up.
    if (this.schedule.hook && this.schedule.hook !== "calm" && String(error).includes("given up")) return;
    this.tell(`reported ${error instanceof Error ? error.stack : String(error)}`);
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof InjectedFailure || cause instanceof ScriptedFailure) return;
      if (isChatError(cause) && cause.code === "model_error" && cause.cause === undefined) return;
    }
    this.findings.say("reported", error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

function promptOf(messages: readonly ModelMessage[]): { role: string; text: string }[] {
  return messages.map(({ role, content }) => ({
    role,
    text: typeof content === "string" ? content : content.map((part) => (part.type === "text" ? part.text : "")).join(""),
  }));
}
