// One Durable Object: its storage, alarm and sockets last; the incarnation that serves them comes and goes. Whatever arrives
// wakes it. It is evicted only when idle, as on the platform, and it may die at any statement of its storage.
import type { AdmitAnswer, AdmitRequest } from "../../auth/admissions.ts";
import type { CommandAnswer, CommandRequest, PageAnswer, PageRequest } from "../../auth/rpc.ts";
import { ticketOfUpgrade, tryReadTicket } from "../../auth/ticket.ts";
import type { Principal } from "../../protocol/principal.ts";
import { ChatError, ERRORS, toErrorBody } from "../../errors.ts";
import type { Deps } from "../../session/deps.ts";
import type { SessionHooks } from "../../session/hooks.ts";
import type { BusyPolicy } from "../../session/line.ts";
import type { RecoveryOptions } from "../../session/recovery.ts";
import type { ToolOptions } from "../../session/runner.ts";
import { Session } from "../../session/session.ts";
import { SocketHub, type SocketPlatform } from "../../sockets/hub.ts";
import { Database } from "../../storage/database.ts";
import { LIBRARY_MIGRATIONS } from "../../storage/schema.ts";
import type { FlushOptions } from "../../stream/flush-policy.ts";
import { ObjectReset } from "./object-reset.ts";
import { VirtualAlarm } from "./virtual-alarm.ts";
import type { VirtualClock } from "./virtual-clock.ts";
import { VirtualServerSocket, type ConnectionHost, type VirtualConnection } from "./virtual-connection.ts";
import { Incarnation } from "./virtual-incarnation.ts";
import { VirtualStorage, type StorageProbe } from "./virtual-storage.ts";

export interface VirtualObjectPorts {
  clock: VirtualClock;
  newId: () => string;
  random: () => number;
  /** The app's side, for one incarnation: what it starts must live in `life`. */
  hooks: (life: Incarnation) => SessionHooks;
  flush: FlushOptions;
  recovery: RecoveryOptions;
  tools: ToolOptions;
  busy: BusyPolicy;
  probe: StorageProbe;
  /** What the session reports to the server's log while it lives. */
  report: (error: unknown) => void;
  /** Sees each frame that leaves the object. */
  onSend: (connection: VirtualConnection, data: string) => void;
  /** Hears of each command before it is carried out, and after it (null). `by`: a principal, or the socket that it came by. */
  onCommand?: (command: unknown, by: Principal | VirtualConnection | null) => void;
  /** How the clients of a dead object find out. */
  wreck(): { clientAfterMs?: number | undefined; isFlushed: boolean };
}

export { ObjectReset } from "./object-reset.ts";

interface Life {
  incarnation: Incarnation;
  session: Session<VirtualServerSocket>;
  sockets: Map<VirtualConnection, VirtualServerSocket>;
}

export class VirtualObject implements ConnectionHost {
  readonly alarm: VirtualAlarm;
  readonly storage: VirtualStorage;
  readonly #ports: VirtualObjectPorts;
  readonly #connections = new Set<VirtualConnection>();
  #life: Life | null = null;
  /** Events that the object was given, whether they woke it or not. */
  deliveries = 0;

  constructor(ports: VirtualObjectPorts) {
    this.#ports = ports;
    this.alarm = new VirtualAlarm(ports.clock, () => this.#enter(({ session }) => session.alarm()));
    this.storage = new VirtualStorage(this.alarm, ports.probe);
  }

  /** True while an incarnation is in memory. */
  get isAwake(): boolean {
    return this.#life !== null;
  }

  /** The connections that the object has not seen close. */
  get connections(): readonly VirtualConnection[] {
    return [...this.#connections];
  }

  /** @throws {ObjectReset} when the object dies under the call */
  admit(request: AdmitRequest): AdmitAnswer {
    return this.#commanded(request.command, request.principal, () =>
      this.#call(({ session }) => session.requests.admit(structuredClone(request))),
    );
  }

  /** @throws {ObjectReset} when the object dies under the call */
  command(request: CommandRequest): CommandAnswer {
    return this.#commanded(request.command, request.principal, () =>
      this.#call(({ session }) => session.requests.command(structuredClone(request))),
    );
  }

  /** @throws {ObjectReset} when the object dies under the call */
  page(request: PageRequest): PageAnswer {
    return this.#call(({ session }) => session.requests.page(structuredClone(request)));
  }

  /** An upgrade: 101, or the status of the refusal. @throws {ObjectReset} when the object dies under the call */
  upgrade(request: Request, connection: VirtualConnection): { status: number; body?: unknown } {
    return this.#call((life) => {
      try {
        const ticket = tryReadTicket(ticketOfUpgrade(request));
        if (!ticket) throw new ChatError("bad_ticket", "The ticket cannot be read.");
        const origin = request.headers.get("origin") ?? "";
        life.session.connect(socketOf(life, connection), {
          nonce: ticket.nonce,
          origin,
          cursor: new URL(request.url).searchParams.get("cursor"),
        });
        return { status: 101 };
      } catch (error) {
        if (life.incarnation.isDead) throw error;
        const body = toErrorBody(error);
        if (body.code === "internal") this.#ports.report(error);
        return { status: ERRORS[body.code].status, body };
      }
    });
  }

  message(connection: VirtualConnection, data: string | ArrayBuffer): void {
    this.#commanded(data, connection, () => this.#enter((life) => life.session.receive(socketOf(life, connection), data)));
  }

  /** The app's class merges a value into its state. @throws {ObjectReset} when the object dies under the call */
  setState(value: Record<string, unknown>): void {
    this.#call(({ session }) => session.setState(value));
  }

  closed(connection: VirtualConnection): void {
    this.#enter((life) => life.session.disconnected(socketOf(life, connection)));
    this.#connections.delete(connection);
  }

  /** True when nothing of it is under way: then the platform may evict it. */
  get isIdle(): boolean {
    return !this.#life?.incarnation.isBusy;
  }

  /** Takes an idle object out of memory; its sockets stay. False when it is not idle. */
  evict(): boolean {
    if (!this.#life || !this.isIdle) return false;
    this.#life.incarnation.kill();
    this.#life = null;
    return true;
  }

  /** The machine dies: memory, sockets and every uncommitted statement are gone. */
  crash(): void {
    this.#life?.incarnation.kill();
    this.#life = null;
    for (const connection of this.#connections) connection.die(this.#ports.wreck());
    this.#connections.clear();
  }

  #commanded<T>(command: unknown, by: Principal | VirtualConnection, call: () => T): T {
    this.#ports.onCommand?.(command, by);
    try {
      return call();
    } finally {
      this.#ports.onCommand?.(null, null);
    }
  }

  /** Delivers an event; false when the object died in it. What else it throws is a fault of the session. */
  #enter(deliver: (life: Life) => void): boolean {
    try {
      this.#call(deliver);
      return true;
    } catch (error) {
      if (error instanceof ObjectReset) return false;
      throw error;
    }
  }

  #call<T>(deliver: (life: Life) => T): T {
    let life: Life | null = null;
    this.deliveries++;
    try {
      life = this.#wake();
      const result = deliver(life);
      if (!life.incarnation.isDead) return result;
    } catch (error) {
      if (life && !life.incarnation.isDead) throw error;
    }
    throw new ObjectReset("The object was reset.");
  }

  #wake(): Life {
    if (this.#life) return this.#life;
    const { clock, hooks, flush, recovery, tools, busy, random, newId, report } = this.#ports;
    const incarnation = new Incarnation(clock, this.#ports.onSend);
    const sockets: Life["sockets"] = new Map();
    const deps: Deps = { now: clock.now, newId, random, setTimer: (ms, run) => incarnation.setTimer(ms, run) };
    const session = new Session<VirtualServerSocket>({
      db: new Database(this.storage.viewOf(incarnation)),
      hub: new SocketHub(this.#platformOf({ incarnation, sockets }), { parseState: (value) => value, now: clock.now, newId }),
      alarm: {
        setAlarm: async (at) => void (incarnation.isDead || this.alarm.set(at)),
        deleteAlarm: async () => void (incarnation.isDead || this.alarm.set(null)),
      },
      hooks: hooks(incarnation),
      deps,
      schema: { library: LIBRARY_MIGRATIONS, app: [], now: clock.now, mode: "strict", report: () => {} },
      flush,
      recovery,
      tools,
      busy,
      report: (error) => void (incarnation.isDead || report(error)),
    });
    const life = { incarnation, session, sockets };
    this.#life = life;
    session.open();
    return life;
  }

  #platformOf(life: Pick<Life, "incarnation" | "sockets">): SocketPlatform<VirtualServerSocket> {
    return {
      acceptWebSocket: ({ connection }) => {
        if (life.incarnation.isDead) return;
        connection.accept(this);
        this.#connections.add(connection);
      },
      getWebSockets: () => (life.incarnation.isDead ? [] : this.connections.map((connection) => socketOf(life, connection))),
    };
  }
}

/** The socket of a connection in this incarnation: another object after each wake, as on the platform. */
function socketOf({ sockets, incarnation }: Pick<Life, "sockets" | "incarnation">, connection: VirtualConnection): VirtualServerSocket {
  const known = sockets.get(connection);
  if (known) return known;
  const socket = new VirtualServerSocket(connection, incarnation);
  sockets.set(connection, socket);
  return socket;
}
