// One Durable Object that runs an app's own class: storage, alarm and sockets last; instances of the class come and go.
// Whatever arrives wakes it. What an instance still does after its death counts for nothing.
import type { AdmitAnswer, AdmitRequest } from "../../auth/admissions.ts";
import type { CommandAnswer, CommandRequest, PageAnswer, PageRequest } from "../../auth/rpc.ts";
import type { ChatSessionObject } from "../../session/chat-session-object.ts";
import type { Platform } from "../../session/platform.ts";
import { VirtualAlarm } from "../world/virtual-alarm.ts";
import type { VirtualClock } from "../world/virtual-clock.ts";
import { VirtualServerSocket, type ConnectionHost, type VirtualConnection } from "../world/virtual-connection.ts";
import { Incarnation } from "../world/virtual-incarnation.ts";
import type { NetworkObject } from "../world/virtual-network.ts";
import { ObjectReset } from "../world/object-reset.ts";
import { VirtualStorage, type StorageProbe } from "../world/virtual-storage.ts";
import { objectContext } from "./object-context.ts";

/** A class of an app. */
export type ChatClass = new (ctx: DurableObjectState, env: never) => ChatSessionObject;

export interface UserObjectPorts {
  name: string;
  Class: ChatClass;
  env: object;
  clock: VirtualClock;
  newId: () => string;
  random: () => number;
  probe: StorageProbe;
  report: (error: unknown) => void;
  /** How the clients of a dead object find out. */
  wreck: () => { clientAfterMs?: number | undefined; isFlushed: boolean };
}

interface Life {
  incarnation: Incarnation;
  object: ChatSessionObject;
  sockets: Map<VirtualConnection, VirtualServerSocket>;
  /** True once it has called `onTurn`. */
  hasRun: boolean;
  /** While no event may be delivered. */
  blocked: Promise<void> | null;
  /** Rejects at its death. */
  death: { promise: Promise<never>; reject: (error: unknown) => void };
}

/** Hooks of the app that may take their time: while one of them does, the object is at work. */
const HOOKS = ["onTurn", "onTurnEnd", "onConnect", "onDisconnect"] as const;
/** A handler of the alarm that died is called again after this, as in workerd. */
const RETRY_MS = 2_000;

export class UserObject implements ConnectionHost, NetworkObject {
  readonly alarm: VirtualAlarm;
  readonly storage: VirtualStorage;
  readonly #ports: UserObjectPorts;
  readonly #connections = new Set<VirtualConnection>();
  /** Upgrades on their way through the class. */
  readonly #upgrades = new WeakMap<Request, VirtualConnection>();
  #life: Life | null = null;
  #hasThread = false;
  /** Grows with each call of the app's code: for those who wait until it has nothing to do. */
  calls = 0;

  constructor(ports: UserObjectPorts) {
    this.#ports = ports;
    this.alarm = new VirtualAlarm(ports.clock, () => this.#alarm());
    this.storage = new VirtualStorage(this.alarm, ports.probe);
  }

  get isAwake(): boolean {
    return this.#life !== null;
  }

  /** True while the app's code is at work in it: then nothing but that code knows how long it will take. */
  get isAtWork(): boolean {
    const life = this.#life;
    if (!life) return false;
    // Another run than one of this life works on nothing: it waits to be recovered.
    return life.incarnation.isBusy || life.blocked !== null || (life.hasRun && this.turns[0]?.state === "running");
  }

  /** Turns that have not ended, as they are stored. */
  get turns(): readonly { id: string; state: string }[] {
    return this.hasThread ? this.storage.query("SELECT id, state FROM cc_turn ORDER BY ord") : [];
  }

  /** True once there is a thread. */
  get hasThread(): boolean {
    this.#hasThread ||= this.storage.query("SELECT 1 FROM sqlite_master WHERE name = 'cc_turn'").length > 0;
    return this.#hasThread;
  }

  async admit(request: AdmitRequest): Promise<AdmitAnswer> {
    return structuredClone(await this.#call(({ object }) => object.admit(structuredClone(request))));
  }

  async command(request: CommandRequest): Promise<CommandAnswer> {
    return structuredClone(await this.#call(({ object }) => object.command(structuredClone(request))));
  }

  async page(request: PageRequest): Promise<PageAnswer> {
    return JSON.parse(await this.#call(({ object }) => object.page(structuredClone(request)))) as PageAnswer;
  }

  async upgrade(request: Request, connection: VirtualConnection): Promise<{ status: number; body?: unknown }> {
    this.#upgrades.set(request, connection);
    const response = await this.#call(({ object }) => object.fetch(request));
    if (response.status === 101) return { status: 101 };
    const { error } = await response.json<{ error: unknown }>();
    return { status: response.status, body: error };
  }

  message(connection: VirtualConnection, data: string | ArrayBuffer): void {
    this.#event((life) => life.object.webSocketMessage(platformSocket(life, connection), data));
  }

  closed(connection: VirtualConnection): void {
    this.#event((life) => {
      life.object.webSocketClose(platformSocket(life, connection));
      this.#connections.delete(connection);
    });
  }

  /** Takes it out of memory; its sockets stay. False when it is not in memory, or at work. */
  evict(): boolean {
    if (!this.#life || this.isAtWork) return false;
    this.#end();
    return true;
  }

  /** The machine dies: memory, sockets and every uncommitted statement are gone. */
  crash(): void {
    if (this.#life) this.#end();
    for (const connection of this.#connections) connection.die(this.#ports.wreck());
    this.#connections.clear();
  }

  #end(): void {
    const life = this.#life!;
    this.#life = null;
    life.incarnation.kill();
    life.death.reject(new ObjectReset("The object was reset."));
  }

  #alarm(): boolean {
    try {
      const life = this.#wake();
      if (!life.blocked) {
        life.object.alarm();
        return !life.incarnation.isDead;
      }
      const retry = (): void => void (this.alarm.at ?? this.alarm.set(this.#ports.clock.now() + RETRY_MS));
      this.#call(({ object }) => object.alarm()).catch(retry);
      return true;
    } catch (error) {
      this.#report(error);
      return false;
    }
  }

  #event(deliver: (life: Life) => void): void {
    this.#call(deliver).catch((error: unknown) => this.#report(error));
  }

  /** What dies with its object has nobody left to tell. */
  #report(error: unknown): void {
    if (!(error instanceof ObjectReset)) this.#ports.report(error);
  }

  /** Delivers an event: at once, unless the object is not ready for one. */
  async #call<T>(deliver: (life: Life) => T | Promise<T>): Promise<T> {
    const life = this.#wake();
    if (life.blocked) await Promise.race([life.blocked, life.death.promise]);
    try {
      const result = deliver(life);
      if (life.incarnation.isDead) throw new ObjectReset("The object was reset.");
      return await Promise.race([result, life.death.promise]);
    } catch (error) {
      if (life.incarnation.isDead) throw new ObjectReset("The object was reset.");
      throw error;
    }
  }

  #wake(): Life {
    if (this.#life) return this.#life;
    const { clock, Class, env } = this.#ports;
    const incarnation = new Incarnation(clock, () => {});
    const death = Promise.withResolvers<never>();
    death.promise.catch(() => {}); // Nobody may be waiting.
    const life: Life = { incarnation, object: null as never, sockets: new Map(), hasRun: false, blocked: null, death };
    this.#life = life;
    try {
      life.object = new Class(this.#contextOf(life), env as never);
    } catch (error) {
      this.#end();
      throw error;
    }
    this.#watch(life);
    return life;
  }

  /** Counts the calls of the app's hooks. An instance's own members: they are what its base calls, also where they are fields. */
  #watch(life: Life): void {
    const { object, incarnation } = life;
    const hooks = object as unknown as Record<string, unknown>;
    for (const name of HOOKS) {
      const hook = hooks[name];
      if (typeof hook !== "function") continue;
      hooks[name] = (...given: unknown[]): unknown => {
        this.calls++;
        life.hasRun ||= name === "onTurn";
        const result: unknown = hook.apply(object, given);
        if (result instanceof Promise) keepBusy(incarnation, result);
        return result;
      };
    }
  }

  #contextOf(life: Life): DurableObjectState {
    const { incarnation } = life;
    const storage = this.storage.viewOf(incarnation);
    return objectContext({
      name: this.#ports.name,
      platform: this.#platformOf(life),
      storage,
      alarm: { at: () => this.alarm.at, set: (at) => void (incarnation.isDead || this.alarm.set(at)) },
      sockets: {
        acceptWebSocket: (socket) => {
          const { connection } = socket as unknown as VirtualServerSocket;
          if (incarnation.isDead) return;
          connection.accept(this);
          this.#connections.add(connection);
        },
        getWebSockets: () => (incarnation.isDead ? [] : [...this.#connections].map((connection) => platformSocket(life, connection))),
      },
      waitUntil: (promise) => keepBusy(incarnation, promise),
      block: (promise) => {
        const before = life.blocked;
        const done = (): void => void (life.blocked === blocked && (life.blocked = null));
        const blocked: Promise<void> = Promise.all([before, promise]).then(done, (error: unknown) => {
          done();
          if (this.#life !== life) return;
          // As in workerd: who cannot get ready is reset.
          this.#ports.report(error);
          this.crash();
        });
        life.blocked = blocked;
      },
      abort: () => this.crash(),
    });
  }

  #platformOf(life: Life): Platform {
    const { clock, newId, random, report } = this.#ports;
    const { incarnation } = life;
    return {
      deps: { now: clock.now, newId, random, setTimer: (ms, run) => incarnation.setTimer(ms, run) },
      report: (error) => void (incarnation.isDead || report(error)),
      upgrade: (request, open) => {
        const connection = this.#upgrades.get(request);
        if (!connection) throw new Error("An upgrade has to be handed on as it came: `super.fetch(request)`.");
        open(platformSocket(life, connection));
        // One with this status can only be made in workerd.
        return Object.defineProperty(new Response(null), "status", { value: 101 });
      },
    };
  }
}

function keepBusy(incarnation: Incarnation, promise: Promise<unknown>): void {
  const end = incarnation.begin();
  promise.then(end, end);
}

/** The socket of a connection in this incarnation: another object after each wake, as on the platform. */
function platformSocket({ sockets, incarnation }: Life, connection: VirtualConnection): WebSocket {
  const socket = sockets.get(connection) ?? new VirtualServerSocket(connection, incarnation);
  sockets.set(connection, socket);
  return socket as unknown as WebSocket;
}
