// The live side of one thread: wires the modules of one object together and turns what the platform delivers (an upgrade, a
// frame, a close, an alarm) into calls on them. It holds no state of its own.
import { Admissions } from "../auth/admissions.ts";
import { isAllowed } from "../auth/roles.ts";
import { ChatError, isChatError, MISCONFIGURED, toErrorBody, type ErrorBody } from "../errors.ts";
import { parseClientFrame } from "../protocol/client-frames.ts";
import type { Command, Read, Role, ServerFrame, WelcomeFrame } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { ServerSocket, SocketConnection } from "../sockets/connection.ts";
import type { SocketHub } from "../sockets/hub.ts";
import type { Database } from "../storage/database.ts";
import type { SchemaPlan } from "../storage/migrate.ts";
import { createTables, type Tables } from "../storage/tables.ts";
import type { FlushOptions } from "../stream/flush-policy.ts";
import { Access } from "./access.ts";
import { Alarms, type AlarmPlatform } from "./alarms.ts";
import { Answers } from "./answers.ts";
import { AppState } from "./app-state.ts";
import { Commands, type Sender } from "./commands.ts";
import { Committer } from "./commit.ts";
import type { Deps } from "./deps.ts";
import { EndMarks } from "./end-marks.ts";
import type { SessionHooks } from "./hooks.ts";
import { Lease } from "./lease.ts";
import type { BusyPolicy } from "./line.ts";
import type { RecoveryOptions } from "./recovery.ts";
import { Runner, type ToolOptions } from "./runner.ts";
import { Reads } from "./reads.ts";
import { Requests } from "./requests.ts";
import { Thread } from "./thread.ts";
import { Turns } from "./turns.ts";

export interface SessionPorts<Socket extends ServerSocket> {
  db: Database;
  hub: SocketHub<Socket>;
  alarm: AlarmPlatform;
  hooks: SessionHooks;
  deps: Deps;
  schema: SchemaPlan;
  flush: FlushOptions;
  recovery: RecoveryOptions;
  tools: ToolOptions;
  busy: BusyPolicy;
  /** For the log of the server: never throws, and never reaches a client. */
  report: (error: unknown) => void;
}

/** A failing alarm tries again after this, and twice as long each time, up to the cap. */
const ALARM_RETRY_MS = 5_000;
const ALARM_RETRY_CAP_MS = 15 * 60_000;

export class Session<Socket extends ServerSocket = ServerSocket> {
  readonly #ports: SessionPorts<Socket>;
  readonly #tables: Tables;
  readonly #access: Access;
  readonly #alarms: Alarms;
  readonly #committer: Committer;
  readonly #turns: Turns;
  readonly #lease: Lease;
  readonly #answers: Answers;
  readonly #appState: AppState;
  readonly #commands: Commands;
  readonly #endMarks: EndMarks;
  readonly #admissions: Admissions;
  readonly #thread: Thread;
  readonly #reads: Reads;
  readonly #requests: Requests;

  constructor(ports: SessionPorts<Socket>) {
    const { db, hub, alarm, hooks, deps, schema, flush, recovery, tools, busy, report } = ports;
    this.#ports = ports;
    const tables = createTables(db);
    this.#tables = tables;
    this.#access = new Access({ tables, hooks, deps, report });
    hub.refusalOf = (principal) => this.#access.refusalOf(principal);
    this.#alarms = new Alarms(alarm, tables, report);
    this.#committer = new Committer({ db, tables, hub, alarms: this.#alarms }, deps.now);
    const committer = this.#committer;
    this.#endMarks = new EndMarks({ tables, committer, deps, hooks, report });
    this.#appState = new AppState({ tables, hooks });
    const { isClientTool } = hooks;
    const runner = new Runner({ db, tables, hub, hooks, deps, flush, tools, report }, (run, end) => this.#lease.runEnded(run, end));
    this.#turns = new Turns({
      tables,
      runner,
      deps,
      busy,
      isClientTool,
      stateOf: (session) => this.#appState.of(session),
      onEnded: (commit, end) => this.#endMarks.add(commit, end),
    });
    const turns = this.#turns;
    this.#lease = new Lease({ tables, committer, runner, turns, deps, recovery, isClientTool, report });
    const holderOf = (connectionId: string) => hub.connections().find(({ id }) => id === connectionId)?.principal.id;
    this.#answers = new Answers({ tables, turns, hooks, deps, holderOf });
    this.#commands = new Commands({ tables, committer, turns, answers: this.#answers, appState: this.#appState, hooks, deps });
    this.#admissions = new Admissions(deps);
    this.#thread = new Thread({ db, tables, committer, alarms: this.#alarms, deps, schema, recover: () => this.#recover() });
    this.#reads = new Reads({ tables, turns, appState: this.#appState });
    this.#requests = new Requests({
      thread: this.#thread,
      tables,
      access: this.#access,
      commands: this.#commands,
      reads: this.#reads,
      admissions: this.#admissions,
      hooks,
      errorBody: (error) => this.#errorBody(error),
    });
  }

  #recover(): void {
    if (this.#lease.recover()) this.#freeClaims();
    this.#endMarks.due();
  }

  /** Brings the schema up to the code; a blank object stays blank. A failure is met again, typed, by the next event. */
  open(): void {
    try {
      this.#thread.open();
    } catch (error) {
      this.#ports.report(error);
    }
  }

  /** For the Worker: tickets, commands and pages. */
  get requests(): Requests {
    return this.#requests;
  }

  /**
   * Opens a socket for the principal whose ticket has this nonce, and sends what its cursor lacks. No `await` in here.
   * @throws {ChatError} `bad_ticket`, `reauthenticate`, `not_found`, `too_many_connections`; no socket was accepted
   */
  connect(socket: Socket, { nonce, origin, cursor }: { nonce: string; origin: string; cursor: string | null }): void {
    const principal = this.#admissions.take(nonce, origin);
    if (!principal) throw new ChatError("bad_ticket", "This ticket was used, has expired, or is from before a restart. Ask for a new one.");
    const { hub, deps, hooks } = this.#ports;
    this.#thread.require();
    const role = this.#access.roleOf(principal);
    if (hub.count >= LIMITS.maxConnections) throw new ChatError("too_many_connections", "This thread has too many open connections.");
    const missing = this.#reads.sync(cursor);
    const connection = hub.accept(socket, { id: deps.newId(), principal });
    connection.deliver(this.#welcome(connection, role), ...missing);
    this.#callHook(() => hooks.onConnect(connection));
  }

  /** Takes one frame of a socket. Never throws: what is wrong with it is answered, and nothing has changed. */
  receive(socket: Socket, data: string | ArrayBuffer): void {
    const connection = this.#ports.hub.connectionOf(socket);
    if (!connection || connection.isClosing) return;
    const role = this.#roleOrClose(connection);
    if (!role) return;
    let ref: string | undefined;
    try {
      // Read before the rate is looked at: without its id in the refusal, the client would wait for an answer for ever.
      const parsed = parseClientFrame(data);
      const frame = "frame" in parsed ? parsed.frame : parsed;
      // Takes nothing of the rate: a client that reads fast would pay for it. An honest one sends as many as it got marks.
      if ("type" in frame && frame.type === "window") return connection.confirm(frame);
      ref = "type" in frame ? frame.id : frame.ref;
      if (!connection.takeCommand(this.#ports.deps.now())) {
        throw new ChatError("rate_limited", `A connection may send ${LIMITS.commandsPerSecond} frames a second.`);
      }
      if ("error" in frame) throw frame.error;
      const sender = { principal: connection.principal, connectionId: connection.id };
      connection.deliver(...this.#answer(sender, role, frame));
    } catch (error) {
      connection.deliver({ type: "error", ...(ref !== undefined ? { ref } : {}), ...this.#bodyForVisitor(error) });
    }
  }

  /** A socket has closed. */
  disconnected(socket: Socket): void {
    const connection = this.#ports.hub.remove(socket);
    if (!connection) return;
    this.#freeClaims();
    this.#callHook(() => this.#ports.hooks.onDisconnect(connection));
  }

  /** What a connection that is gone has claimed is free again. */
  #freeClaims(): void {
    const { report } = this.#ports;
    try {
      if (this.#thread.isOpen && this.#tables.turns.live()?.progress.claims) {
        this.#committer.run((commit) => this.#answers.release(commit));
      }
    } catch (error) {
      report(error); // A claim of a connection that is gone binds nobody, whatever the row says.
    }
  }

  /** The app state as it is now; undefined when the class declares none, or there is no thread. */
  get state(): unknown {
    return this.#thread.isReady() ? this.#appState.of(this.#tables.session.read()) : undefined;
  }

  /** Merges a value into the app state, as the server itself. @throws {ChatError} `not_found`, `bad_request`, `too_large` */
  setState(value: Record<string, unknown>): void {
    this.#thread.require();
    this.#committer.run((commit) => this.#appState.set(commit, { field: "state", value }));
  }

  /** Does what is due. Never throws: a failure is reported and tried again, each time later. */
  alarm(): void {
    this.#alarms.fired();
    try {
      if (!this.#thread.isReady()) return;
      this.#lease.due();
      this.#endMarks.due();
      this.#committer.run(() => {});
    } catch (error) {
      this.#ports.report(error);
      this.#alarms.retryAt(this.#ports.deps.now() + this.#retryDelay());
    }
  }

  /** As long as what is due has been late, so that it doubles whether or not the object slept in between. */
  #retryDelay(): number {
    const lateMs = this.#ports.deps.now() - (this.#alarms.tryEarliest() ?? 0);
    return Math.min(Math.max(lateMs, ALARM_RETRY_MS), ALARM_RETRY_CAP_MS);
  }

  /** The role that the principal of a connection has now; without one the socket is of no use, and is closed with the reason. */
  #roleOrClose(connection: SocketConnection): Role | null {
    try {
      this.#thread.require();
      return this.#access.roleOf(connection.principal);
    } catch (error) {
      const body = this.#bodyForVisitor(error);
      connection.deliver({ type: "error", ...body });
      connection.close(body.code);
      return null;
    }
  }

  #answer(sender: Sender, role: Role, frame: Command | Read): ServerFrame[] {
    if (frame.type === "page" || frame.type === "sync") return this.#read(role, frame);
    return [this.#commands.handle(sender, role, frame)];
  }

  #read(role: Role, read: Read): ServerFrame[] {
    if (!isAllowed(role, read.type)) throw new ChatError("forbidden", "This principal may not read this thread.");
    if (read.type === "sync") return this.#reads.sync(read.cursor);
    if ("part" in read) return [{ type: "page", ref: read.id, part: this.#reads.part(read) }];
    return [{ type: "page", ref: read.id, ...this.#reads.page(read.before) }];
  }

  #welcome({ id, principal }: SocketConnection, role: Role): WelcomeFrame {
    const { maxFrameBytes, maxParts, maxQueue, commandsPerSecond, commandBurst } = LIMITS;
    return {
      type: "welcome",
      connection: id,
      principal: { id: principal.id, ...(principal.name !== undefined ? { name: principal.name } : {}) },
      role,
      limits: { maxFrameBytes, maxParts, maxQueue, commandsPerSecond, commandBurst },
      serverTime: this.#ports.deps.now(),
    };
  }

  /** A hook of the app that throws is reported; it cannot undo what has happened. */
  #callHook(call: () => void | Promise<void>): void {
    const { report } = this.#ports;
    void (async () => call())().catch(report);
  }

  /** For the router, which knows whether a developer asks. */
  #errorBody(error: unknown): ErrorBody {
    if (!isChatError(error) || error.cause !== undefined) this.#ports.report(error);
    return toErrorBody(error);
  }

  #bodyForVisitor(error: unknown): ErrorBody {
    const body = this.#errorBody(error);
    if (body.code !== "configuration") return body;
    this.#ports.report(error);
    return { ...body, message: MISCONFIGURED };
  }
}
