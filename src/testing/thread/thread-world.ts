// Wires one test thread: the object with the app's class, the network before it, its clients, and the pace of it all.
import { ChatError } from "../../errors.ts";
import type { Principal } from "../../protocol/principal.ts";
import { SeededRandom } from "../world/seeded-random.ts";
import { VirtualNetwork } from "../world/virtual-network.ts";
import { openClient, type WatchedClient } from "./client-watch.ts";
import { Faults, type Fault } from "./faults.ts";
import { Pace } from "./pace.ts";
import { UserObject, type ChatClass } from "./user-object.ts";
import { CountedClock, WorldClock } from "./world-clock.ts";

const URL = "https://chat.example/chat";
const SECRET = "the secret of a simulated world, which guards nothing";
/** States of a connection that lead to another one by themselves. */
const CONNECTING = new Set(["ticketing", "connecting", "syncing", "waiting"]);

export interface WorldOptions {
  Class: ChatClass;
  env: object;
  principal: Principal;
  threadId: string | undefined;
  seed: string;
  now: number;
  faults: readonly Fault[];
  latency: Latency;
  onError: (error: unknown) => void;
}

/** Time of one way through the network. */
export type Latency = "none" | "fast" | "slow";

export class ThreadWorld {
  readonly clock: WorldClock;
  readonly object: UserObject;
  readonly threadId: string;
  /** Of the thread's own client. */
  readonly principal: Principal;
  readonly clients: WatchedClient[] = [];
  readonly errors: unknown[] = [];
  readonly faults: Faults;
  readonly pace: Pace;
  readonly network: VirtualNetwork;
  readonly #options: WorldOptions;
  readonly #random: SeededRandom;
  readonly #transit: CountedClock;
  readonly #people: Principal[] = [];
  /** Objects of other names, which only a principal of another tenant can ask for. */
  readonly #others = new Map<string, UserObject>();
  /** Clients that were there before the thread. */
  #early: WatchedClient[] = [];
  #mustEvict = false;
  #isCalm = false;
  isClosed = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.principal = options.principal;
    this.#random = new SeededRandom(`thread/${options.seed}`);
    const latency = this.#random.fork("latency");
    const ids = this.#random.fork("ids");
    const newId = (): string => idOf(ids);
    this.threadId = options.threadId ?? newId();
    this.clock = new WorldClock(options.now, () => this.pace?.wake());
    this.#transit = new CountedClock(this.clock);
    // Loaded at the first call of a model, which would be real time in the middle of a turn.
    this.clock.hold(import("../../history/ai-runtime.ts"));
    this.faults = new Faults(options.faults, {
      crash: () => this.object.crash(),
      evict: () => void (this.#mustEvict = true),
      drop: () => void this.clock.setTimer(0, () => this.#drop()),
      spoilAlarm: () => this.object.alarm.spoil({ lateMs: 40_000, againMs: 100 }),
    });
    const name = `${options.principal.tenant ?? ""}/${this.threadId}`;
    this.object = this.#makeObject(name, newId, this.faults);
    this.network = new VirtualNetwork({
      clock: this.#transit,
      latencyMs: () => {
        if (options.latency === "none" || this.#isCalm) return 1;
        return options.latency === "fast" ? latency.between(1, 60) : latency.between(50, latency.chance(0.1) ? 3_000 : 500);
      },
      loss: () => "none",
      router: { secret: SECRET, authenticate: (request) => this.#principalOf(request) },
      deps: { now: this.clock.now, newId },
      object: (asked) => (asked === name ? this.object : this.#otherObject(asked, newId)),
    });
    this.pace = new Pace({
      clock: this.clock,
      underWay: () => this.underWay(),
      isAtWork: () => this.object.isAtWork,
      isInTransit: () => this.#transit.underWay > 0,
      activity: () => this.faults.statements + this.object.calls,
      between: () => this.#between(),
      report: (error) => this.#report(error),
    });
  }

  /** What has to come to an end before the thread is at rest; null when it is. */
  underWay(): string | null {
    if (this.isClosed) return null;
    const { object } = this;
    const [turn] = object.turns;
    if (turn && turn.state !== "waiting") return `turn ${turn.id} is ${turn.state}`;
    if (object.isAtWork) return "a hook or `waitUntil` has not returned";
    if (this.#transit.underWay > 0) return "frames are on their way";
    if (object.hasThread && this.#hasEndMarks()) return "`onTurnEnd` has not returned";
    for (const { client, pending, principal } of this.clients) {
      const { connection } = client.getSnapshot();
      if (CONNECTING.has(connection.kind)) return `a client of ${principal.id} is ${connection.kind}`;
      const [command] = pending;
      if (command !== undefined && connection.kind === "live") return `a client of ${principal.id} waits for the answer to ${command}`;
    }
    return null;
  }

  /** A client that connects by itself: `create`, with its first message; any other, as soon as there is a thread. */
  openClient(principal: Principal, { create = false } = {}): WatchedClient {
    this.requireOpen();
    const token = String(this.#people.push(principal) - 1);
    const random = this.#random.fork(`client/${token}`);
    const watched = openClient(principal, this.network.browser(), {
      url: URL,
      threadId: this.threadId,
      create,
      token,
      deps: {
        now: this.clock.now,
        random: () => random.next(),
        newId: () => idOf(random),
        setTimer: (run, delayMs) => this.clock.setTimer(delayMs, run),
        schedule: (run) => queueMicrotask(run),
      },
    });
    this.clients.push(watched);
    if (create || this.object.hasThread) watched.client.connect();
    else this.#early.push(watched);
    return watched;
  }

  /** True for the name of a tool that clients run. */
  isClientTool(name: string): boolean {
    const { clientTools } = this.#options.Class as unknown as { clientTools?: object };
    return Object.hasOwn(clientTools ?? {}, name);
  }

  /** @throws {ChatError} `turn_active` */
  async evict(): Promise<void> {
    this.requireOpen();
    const [turn] = this.object.turns;
    if (turn && turn.state !== "waiting")
      throw new ChatError("turn_active", "An object whose turn runs is not evicted. Wait for the end of the turn, or let it crash.");
    await this.pace.settle();
    this.object.evict();
  }

  /** Nothing goes wrong from here on. */
  heal(): void {
    this.#isCalm = true;
    this.#mustEvict = false;
    this.faults.heal();
    this.object.alarm.heal();
  }

  /** @throws {Error} once it is closed */
  requireOpen(): void {
    if (this.isClosed) throw new ChatError("configuration", "This test thread is closed.");
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.pace.stop();
    for (const { client } of this.clients) client.close();
    for (const object of [this.object, ...this.#others.values()]) {
      object.crash();
      object.storage.close();
    }
  }

  #makeObject(name: string, newId: () => string, probe: Faults): UserObject {
    const { Class, env } = this.#options;
    const random = this.#random.fork(`object/${name}`);
    const wreckage = this.#random.fork("wreck");
    return new UserObject({
      name,
      Class,
      env,
      clock: this.clock,
      newId,
      random: () => random.next(),
      probe,
      report: (error) => this.#report(error),
      wreck: () => {
        const isCalm = this.#isCalm || this.#options.latency === "none";
        return isCalm
          ? { clientAfterMs: 0, isFlushed: true }
          : { clientAfterMs: wreckage.between(0, 2_000), isFlushed: wreckage.chance(0.5) };
      },
    });
  }

  #otherObject(name: string, newId: () => string): UserObject {
    const known = this.#others.get(name);
    if (known) return known;
    const object = this.#makeObject(
      name,
      newId,
      new Faults([], { crash: () => {}, evict: () => {}, drop: () => {}, spoilAlarm: () => {} }),
    );
    this.#others.set(name, object);
    return object;
  }

  #principalOf(request: Request): Principal | null {
    const token = /^Bearer (\d+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
    return this.#people[Number(token)] ?? null;
  }

  #hasEndMarks(): boolean {
    return this.object.storage.query("SELECT 1 FROM cc_session WHERE end_marks IS NOT NULL").length > 0;
  }

  /** The line of one client dies. */
  #drop(): void {
    const connections = this.clients.flatMap(({ browser }) => browser.connections);
    if (connections.length === 0) return;
    const random = this.#random.fork(`drop/${this.clock.now()}`);
    random.pick(connections).cut({ clientAfterMs: random.between(0, 200), serverAfterMs: random.between(0, 5_000) });
  }

  #between(): void {
    if (this.#early.length > 0 && this.object.hasThread) this.#openEarly();
    if (this.#mustEvict && this.object.evict()) this.#mustEvict = false;
  }

  #openEarly(): void {
    this.#early = this.#early.filter(({ client }) => {
      const { kind } = client.getSnapshot().connection;
      // It has asked already, and will be told that there is no thread.
      if (CONNECTING.has(kind)) return true;
      client.connect();
      return false;
    });
  }

  #report(error: unknown): void {
    this.errors.push(error);
    this.#options.onError(error);
  }
}

/** 22 characters, as the ids of a real client and a real session have. */
function idOf(random: SeededRandom): string {
  const bytes = Uint8Array.from({ length: 16 }, () => random.between(0, 255));
  return Buffer.from(bytes).toString("base64url");
}
