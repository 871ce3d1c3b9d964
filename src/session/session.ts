// The live side of one thread: wires the modules of one object together and turns what the platform delivers (a ticket
// request, an upgrade, a frame, a close, an alarm) into calls on them. It holds no state of its own but whether it is open.
import { Admissions, type AdmitAnswer, type AdmitRequest } from "../auth/admissions.ts";
import { isAllowed } from "../auth/roles.ts";
import { isSystem, type CommandAnswer, type CommandRequest, type PageAnswer, type PageRequest } from "../auth/rpc.ts";
import { ChatError, isChatError, toErrorBody } from "../errors.ts";
import { readPage } from "../history/page.ts";
import { parseClientFrame, parseCommand, parseFirstCommand } from "../protocol/client-frames.ts";
import { tryParseCursor } from "../protocol/cursor.ts";
import type { AckFrame, Command, PartRead, Read, Role, ServerFrame, WelcomeFrame } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Part } from "../protocol/messages.ts";
import { stubMessage } from "../protocol/stubs.ts";
import type { ServerSocket, SocketConnection } from "../sockets/connection.ts";
import type { SocketHub } from "../sockets/hub.ts";
import type { Database } from "../storage/database.ts";
import { createSchema, openSchema, type SchemaPlan } from "../storage/migrate.ts";
import { createTables, type Tables } from "../storage/tables.ts";
import type { FlushOptions } from "../stream/flush-policy.ts";
import { Access, noSuchThread } from "./access.ts";
import { Alarms, type AlarmPlatform } from "./alarms.ts";
import { Answers } from "./answers.ts";
import { AppState } from "./app-state.ts";
import { Commands, type Sender } from "./commands.ts";
import { Committer, type Commit } from "./commit.ts";
import type { Deps } from "./deps.ts";
import { EndMarks } from "./end-marks.ts";
import type { SessionHooks } from "./hooks.ts";
import { Lease } from "./lease.ts";
import type { BusyPolicy } from "./line.ts";
import type { RecoveryOptions } from "./recovery.ts";
import { Runner, type ToolOptions } from "./runner.ts";
import { syncFrames } from "./sync.ts";
import { liveIdOf, viewOf } from "./turn-view.ts";
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
  /** HIBERNATION: `blank` and `ready` are read again from storage; an orphan is looked for once each wake. */
  #schema: "unknown" | "blank" | "ready" = "unknown";
  #isRecovered = false;

  constructor(ports: SessionPorts<Socket>) {
    const { db, hub, alarm, hooks, deps, flush, recovery, tools, busy, report } = ports;
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
    const isConnected = (connectionId: string) => hub.connections().some(({ id }) => id === connectionId);
    this.#answers = new Answers({ tables, turns, hooks, deps, isConnected });
    this.#commands = new Commands({ tables, committer, turns, answers: this.#answers, appState: this.#appState, hooks, deps });
    this.#admissions = new Admissions(deps);
  }

  /** Brings the schema up to the code; a blank object stays blank. A failure is met again, typed, by the next event. */
  open(): void {
    try {
      this.#schema = openSchema(this.#ports.db, this.#ports.schema);
    } catch (error) {
      this.#ports.report(error);
    }
  }

  /** Says whether a principal may open a socket, and makes the thread and takes its first message where the request asks so. */
  admit(request: AdmitRequest): AdmitAnswer {
    try {
      const ack = this.#isReady() ? this.#admitToThread(request) : this.#createThread(request);
      return { ok: true, ...this.#admissions.admit(request), ...(ack ? { ack } : {}) };
    } catch (error) {
      return { ok: false, error: this.#errorBody(error) };
    }
  }

  /** Carries out a command that came by HTTP or RPC: the same door, the same rules, the same ack as over a socket. */
  command(request: CommandRequest): CommandAnswer {
    try {
      const { principal, tenant, threadId, create } = request;
      const isNew = !this.#isReady();
      if (isNew && !(create && isSystem(principal) && (isOfType(request.command, "send") || isOfType(request.command, "append")))) {
        throw noSuchThread();
      }
      const completed = isSystem(principal) && !isNew ? this.#completed(request.command) : request.command;
      const command = parseCommand(completed);
      const ack = isNew
        ? this.#makeThread({ tenant, threadId, owner: create!.owner }, this.#commands.check({ principal }, "system", command))
        : this.#commands.handle({ principal }, this.#access.actingRoleOf(principal), command);
      return { ok: true, ack };
    } catch (error) {
      return { ok: false, error: this.#errorBody(error) };
    }
  }

  /** Reads a page of settled history, for code that has no socket. Only the server itself gets large payloads in it. */
  page({ principal, before }: PageRequest): PageAnswer {
    try {
      this.#requireThread();
      const role = this.#access.actingRoleOf(principal);
      const last = before === undefined ? this.#tables.session.read().head : this.#parentOf(before);
      const page = readPage(this.#tables.messages, last);
      return { ok: true, ...page, messages: role === "system" ? page.messages : page.messages.map(stubMessage) };
    } catch (error) {
      return { ok: false, error: this.#errorBody(error) };
    }
  }

  /** A command of the server itself means the present epoch and, for `stop`, the turn that runs now. */
  #completed(command: unknown): unknown {
    if (typeof command !== "object" || command === null) return command;
    const { epoch, head } = this.#tables.session.read();
    const isBareStop = isOfType(command, "stop") && !("turnId" in command);
    // Where nothing runs or waits, the last message stands for its turn, which has ended: a quiet success.
    const turnId = isBareStop ? (this.#tables.turns.first()?.id ?? head) : null;
    return { epoch, ...(turnId !== null ? { turnId } : {}), ...command };
  }

  /**
   * Opens a socket for the principal whose ticket has this nonce, and sends what its cursor lacks. No `await` in here.
   * @throws {ChatError} `bad_ticket`, `reauthenticate`, `not_found`, `too_many_connections`; no socket was accepted
   */
  connect(socket: Socket, { nonce, origin, cursor }: { nonce: string; origin: string; cursor: string | null }): void {
    const principal = this.#admissions.take(nonce, origin);
    if (!principal) throw new ChatError("bad_ticket", "This ticket was used, has expired, or is from before a restart. Ask for a new one.");
    const { hub, deps, hooks } = this.#ports;
    this.#requireThread();
    const role = this.#access.roleOf(principal);
    if (hub.count >= LIMITS.maxConnections) throw new ChatError("too_many_connections", "This thread has too many open connections.");
    const missing = this.#sync(cursor);
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
      connection.deliver({ type: "error", ...(ref !== undefined ? { ref } : {}), ...this.#errorBody(error) });
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
      if (this.#schema === "ready" && this.#tables.turns.live()?.progress.claims) {
        this.#committer.run((commit) => this.#answers.release(commit));
      }
    } catch (error) {
      report(error); // A claim of a connection that is gone binds nobody, whatever the row says.
    }
  }

  /** The app state as it is now; undefined when the class declares none, or there is no thread. */
  get state(): unknown {
    return this.#isReady() ? this.#appState.of(this.#tables.session.read()) : undefined;
  }

  /** Merges a value into the app state, as the server itself. @throws {ChatError} `not_found`, `bad_request`, `too_large` */
  setState(value: Record<string, unknown>): void {
    this.#requireThread();
    this.#committer.run((commit) => this.#appState.set(commit, { field: "state", value }));
  }

  /** Does what is due. Never throws: a failure is reported and tried again, each time later. */
  alarm(): void {
    this.#alarms.fired();
    try {
      if (!this.#isReady()) return;
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

  /** True when there is a thread. Opens the schema where that failed before, and ends a turn that a crash left open. */
  #isReady(): boolean {
    if (this.#schema !== "ready") this.#schema = openSchema(this.#ports.db, this.#ports.schema);
    if (this.#schema === "blank") return false;
    if (!this.#isRecovered) {
      if (this.#lease.recover()) this.#freeClaims();
      this.#endMarks.due();
      this.#isRecovered = true;
    }
    return true;
  }

  /** @throws {ChatError} `not_found` */
  #requireThread(): void {
    if (!this.#isReady()) throw noSuchThread();
  }

  #admitToThread({ principal, command }: AdmitRequest): AckFrame | undefined {
    this.#access.roleOf(principal);
    // A first message that was accepted before gets the same ack. Another one waits for the epoch and comes by socket.
    return command === undefined ? undefined : this.#commands.repeated(principal, parseFirstCommand(command));
  }

  /** One transaction: schema, thread, owner, and the first message's turn. A refusal leaves a blank object. */
  #createThread({ principal, tenant, threadId, create, command }: AdmitRequest): AckFrame | undefined {
    const { hooks } = this.#ports;
    if (!create) throw noSuchThread();
    if (hooks.authorizeCreate(principal, threadId) !== true)
      throw new ChatError("forbidden", "This principal may not make a thread with this id.");
    const first = command === undefined ? null : parseFirstCommand(command);
    // Checked inside, so that the app's rules find its tables; a refusal rolls all of it back.
    return (
      this.#makeThread(
        { tenant, threadId, owner: principal.id },
        (commit) => first && this.#commands.check({ principal }, "owner", first)(commit),
      ) ?? undefined
    );
  }

  /** Schema, thread and owner, and what `body` does, in one transaction. */
  #makeThread<T>({ tenant, threadId, owner }: { tenant: string; threadId: string; owner: string }, body: (commit: Commit) => T): T {
    const { db, deps, schema } = this.#ports;
    const result = this.#committer.run(body, () => {
      createSchema(db, schema);
      this.#alarms.fired(); // A blank object has none, which need not be said again.
      this.#tables.session.create({ threadId, tenant, epoch: deps.newId(), now: deps.now() });
      this.#tables.members.put(owner, "owner");
    });
    this.#schema = "ready";
    this.#isRecovered = true;
    return result;
  }

  /** The role that the principal of a connection has now; without one the socket is of no use, and is closed with the reason. */
  #roleOrClose(connection: SocketConnection): Role | null {
    try {
      this.#requireThread();
      return this.#access.roleOf(connection.principal);
    } catch (error) {
      const body = this.#errorBody(error);
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
    if (read.type === "sync") return this.#sync(read.cursor);
    if ("part" in read) return [{ type: "page", ref: read.id, part: this.#partOf(read) }];
    return [{ type: "page", ref: read.id, ...readPage(this.#tables.messages, this.#parentOf(read.before)) }];
  }

  /** A part with its whole payload: of the live message, else of the stored one of this id. */
  #partOf({ message: id, part: index }: PartRead): Part {
    const turn = this.#tables.turns.live();
    const message = turn && liveIdOf(turn) === id ? this.#turns.live(turn).message : this.#tables.messages.find(id);
    const part = message?.parts[index];
    if (!part) throw new ChatError("not_found", "There is no such part.");
    return part;
  }

  #parentOf(messageId: string): string | null {
    const message = this.#tables.messages.find(messageId);
    if (!message) throw new ChatError("not_found", "There is no message with this id.");
    return message.parent;
  }

  #sync(cursor: string | null): ServerFrame[] {
    const turn = this.#tables.turns.live();
    const source = {
      tables: this.#tables,
      stateOf: (session: { state: string | null }) => this.#appState.of(session),
      queue: this.#turns.line.items(),
      turn: turn ? viewOf(turn) : null,
      live: turn ? this.#turns.live(turn) : null,
    };
    return syncFrames(source, cursor === null ? null : tryParseCursor(cursor));
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

  #errorBody(error: unknown): ReturnType<typeof toErrorBody> {
    if (!isChatError(error) || error.cause !== undefined) this.#ports.report(error);
    return toErrorBody(error);
  }
}

function isOfType(command: unknown, type: Command["type"]): boolean {
  return typeof command === "object" && command !== null && "type" in command && command.type === type;
}
