// One thread in a simulated world: the object with its watches, the network before it, and the pages that look at it.
import { anonymous } from "../../src/auth/anonymous.ts";
import { bearer } from "../../src/auth/bearer.ts";
import { checkFrame } from "../../src/protocol/client-frames.ts";
import { DEFAULT_RECOVERY } from "../../src/session/recovery.ts";
import { Database } from "../../src/storage/database.ts";
import { createSchema } from "../../src/storage/migrate.ts";
import { LIBRARY_MIGRATIONS } from "../../src/storage/schema.ts";
import { createTables } from "../../src/storage/tables.ts";
import { DEFAULT_FLUSH } from "../../src/stream/flush-policy.ts";
import { SeededRandom } from "../../src/testing/world/seeded-random.ts";
import { VirtualClock } from "../../src/testing/world/virtual-clock.ts";
import { VirtualConnection } from "../../src/testing/world/virtual-connection.ts";
import { VirtualNetwork } from "../../src/testing/world/virtual-network.ts";
import { ObjectReset, VirtualObject } from "../../src/testing/world/virtual-object.ts";
import { parseState, SimulatedApp } from "./app.ts";
import { CommitWatch } from "./commit-watch.ts";
import { Faults, InjectedFailure } from "./faults.ts";
import { Findings } from "./findings.ts";
import { FrameWatch, isCommand } from "./frame-watch.ts";
import type { Schedule } from "./schedule.ts";
import { SERVER } from "./state-watch.ts";
import { isClientTool } from "./world-tools.ts";

export const START = 1_790_000_000_000;
export const THREAD_ID = "thread-in-simulation-1";
export const URL = "https://chat.example/chat";
const SECRET = "a secret of a simulation, 32 bytes or more";

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
  readonly app: SimulatedApp;
  /** True when a turn that waits is not answered at the end: it has to wait for as long as nobody does. */
  isLeftWaiting = false;
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
      afterCommit: () => this.#isBuilding || this.#lookAtCommit(),
      tell: (text) => this.tell(text),
    });
    const newId = (): string => `id-${String(++this.#ids).padStart(8, "0")}`;
    this.object = new VirtualObject({
      clock: this.clock,
      newId,
      random: () => chance.next(),
      hooks: (life) => this.app.hooks(life),
      flush: DEFAULT_FLUSH,
      recovery: { ...DEFAULT_RECOVERY, policy: schedule.recovery },
      tools: { timeoutMs: schedule.toolTimeoutMs, approvalExpiresMs: schedule.approvalExpiresMs, isStrict: true },
      busy: schedule.busy,
      probe: this.faults,
      report: (error) => this.app.report(error),
      onCommand: (command, by) => this.#carriesOut(command, by),
      onSend: (connection, data) => {
        this.trace?.push(`${this.#time()} object → ${connection.id}: ${data.slice(0, 3000)}`);
        this.frames.look(connection, data);
      },
      wreck: () => ({
        isFlushed: wreckage.chance(0.5),
        clientAfterMs: this.isCalm || wreckage.chance(0.9) ? wreckage.between(0, wreckage.chance(0.8) ? 400 : 15_000) : undefined,
      }),
    });
    this.commits = new CommitWatch({
      object: this.object,
      now: this.clock.now,
      findings: this.findings,
      busy: schedule.busy,
      isClientTool,
      parseState,
      connectionOf: (id) => this.frames.connections.get(id),
      principalOf: (connection) => this.frames.principalOf(connection),
    });
    this.app = new SimulatedApp(this);
    this.frames = new FrameWatch(this.object, this.commits, this.findings);
    this.network = this.#makeNetwork(newId);

    if (schedule.history !== null) this.#makeThread(schedule.history);
  }

  #lookAtCommit(): void {
    this.commits.look();
    this.app.lookAtCommit();
  }

  /** The app's class sets its state. */
  setState(value: Record<string, unknown>): void {
    this.commits.present = {
      command: { type: "set", id: SERVER, epoch: "", field: "state", value },
      principalId: SERVER,
      connection: null,
    };
    try {
      this.object.setState(value);
    } catch (error) {
      if (!(error instanceof ObjectReset || error instanceof InjectedFailure)) throw error;
    } finally {
      this.commits.present = null;
    }
  }

  #carriesOut(given: unknown, by: object | null): void {
    this.commits.present = null;
    if (by === null) this.app.lookAtOrphan();
    if (given === null || given === undefined || by === null) return;
    const value =
      typeof given === "string" ? (given.startsWith("{") ? (JSON.parse(given) as { type?: string }) : null) : (given as { type?: string });
    const parsed = checkFrame({ epoch: "none", ...value });
    const { session, turns } = this.commits;
    // A stop of the server itself means the first in line.
    const isBareStop = "error" in parsed && value?.type === "stop";
    const stop = isBareStop ? checkFrame({ epoch: "none", turnId: turns[0]?.id ?? session?.head, ...value }) : parsed;
    if ("error" in stop || !isCommand(stop.frame)) return;
    this.commits.present = {
      command: stop.frame,
      principalId: by instanceof VirtualConnection ? this.frames.principalOf(by) : (by as { id: string }).id,
      connection: by instanceof VirtualConnection ? by : null,
    };
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
}
