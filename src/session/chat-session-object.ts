// The class that an app extends: thin glue between the platform's handlers and the session. What it needs of the platform
// itself comes from platform.ts, so that it also runs where `cloudflare:workers` does not exist.
import type { z } from "zod";
import type { AdmitAnswer, AdmitRequest } from "../auth/admissions.ts";
import type { CommandAnswer, CommandRequest, PageRequest } from "../auth/rpc.ts";
import { ticketOfUpgrade, tryReadTicket } from "../auth/ticket.ts";
import { ChatError, ERRORS, isChatError, MISCONFIGURED, toErrorBody } from "../errors.ts";
import type { Command, Role } from "../protocol/frames.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Connection } from "../sockets/connection.ts";
import { SocketHub } from "../sockets/hub.ts";
import { Database } from "../storage/database.ts";
import type { Migration } from "../storage/migration.ts";
import { LIBRARY_MIGRATIONS } from "../storage/schema.ts";
import { GENERIC_ERROR_TEXT, type TurnResult } from "../stream/source.ts";
import type { SessionHooks, TurnEndEvent } from "./hooks.ts";
import { busyPolicyOf, flushOptionsOf, recoveryOptionsOf, toolOptionsOf, type ChatOptions } from "./options.ts";
import { DurableObject, platformOf, type Platform } from "./platform.ts";
import { Session } from "./session.ts";
import type { Turn } from "./turn-context.ts";

/** A tool that runs in a client. */
export interface ClientTool {
  /** Schema of what the model gives: the same as the tool's `inputSchema`. */
  input?: z.ZodType;
  /** Schema of what the client answers; without it any JSON value is taken. */
  output?: z.ZodType;
}

/** Ids that a client of chatcell makes: 128 random bits, base64url. */
const RANDOM_THREAD_ID = /^[\w-]{22}$/;

/**
 * One chat thread as a Durable Object: it holds its history in its own SQLite, runs the model turn, and streams to every
 * connected client over hibernating WebSockets. Extend it, implement {@link onTurn}, and bind the class with
 * `new_sqlite_classes`.
 *
 * Instance fields do not survive hibernation or a deploy: what must last goes into tables of your own
 * (`static migrations`, `this.sql`) or into `connection.state`.
 *
 * The object's alarm, its sockets and its `fetch` are chatcell's. Override none of `fetch`, `alarm`, `webSocketMessage`,
 * `webSocketClose`, `webSocketError`, `admit`, `command` and `page`, and call none of `ctx.storage.setAlarm`, `deleteAlarm`,
 * `deleteAll` and `ctx.acceptWebSocket`: a turn whose alarm is gone is not found after a crash. Schedules are Cron Triggers of the
 * Worker with `getThread`.
 *
 * @example
 * import { ChatSessionObject, type Turn } from "chatcell";
 *
 * export class Echo extends ChatSessionObject {
 *   async onTurn(turn: Turn) {
 *     return `You wrote ${turn.message.parts.length} part(s).`;
 *   }
 * }
 */
export abstract class ChatSessionObject<Env = unknown, Body = unknown, State = unknown> extends DurableObject<Env> {
  /** The app's own schema steps, in their own scope; table names may not begin with `cc_`. Run before the first event. */
  static readonly migrations: readonly Migration[] = [];

  /** Schema of the per-request `body` of a `send`; without it a `body` is refused. */
  static readonly body?: z.ZodType;

  /**
   * Schema of the app state: one typed value of the thread, which every client sees and may set. Give each field a default:
   * a new thread begins with what the schema makes of `{}`. At most 65,536 bytes as JSON.
   */
  static readonly state?: z.ZodType;

  /**
   * Tools that run in a client, by name: give the model a tool of the same name without `execute`. The turn waits until a
   * client has given the output, which has to fit the schema.
   */
  static readonly clientTools: Readonly<Record<string, ClientTool>> = {};

  /** Schema of `connection.state`; without it any JSON value up to 12,288 bytes is taken. */
  static readonly connectionState?: z.ZodType;

  /**
   * Settings of the object. Called once each time the object wakes; static, so that no stub can reach it.
   * @throws (by what it returns) {ChatError} `configuration` for a setting that cannot be: then every request of the object fails
   */
  static configure(_env: unknown): ChatOptions {
    return {};
  }

  readonly #session: Session<WebSocket>;
  readonly #hub: SocketHub<WebSocket>;
  readonly #platform: Platform;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const app = this.constructor as typeof ChatSessionObject;
    const options = app.configure(env);
    this.#platform = platformOf(ctx);
    const { deps, report } = this.#platform;
    this.#hub = new SocketHub<WebSocket>(ctx, {
      parseState: (value) => parseWith(app.connectionState, value, "connection state"),
      now: deps.now,
      newId: deps.newId,
    });
    this.#session = new Session({
      db: new Database(ctx.storage),
      hub: this.#hub,
      alarm: ctx.storage,
      hooks: this.#hooks(),
      deps,
      schema: {
        library: LIBRARY_MIGRATIONS,
        app: app.migrations,
        now: deps.now,
        mode: options.development ? "strict" : "report",
        report: (problem) => report(new Error(`Migration ${problem.scope} ${problem.id} is ${problem.kind} since it was applied.`)),
      },
      flush: flushOptionsOf(options),
      recovery: recoveryOptionsOf(options),
      tools: toolOptionsOf(options),
      busy: busyPolicyOf(options),
      report,
    });
    void ctx.blockConcurrencyWhile(async () => this.#session.open());
  }

  /** The object's SQLite, for the app's own tables. Synchronous; tables named `cc_…` belong to chatcell. */
  protected get sql(): SqlStorage {
    return this.ctx.storage.sql;
  }

  /**
   * Answers one user message. Called after the turn is stored, one turn at a time, in the order of acceptance. May return
   * before the model has finished: the result is read to its end, stored and streamed. What it throws ends the turn as
   * `failed`; clients see a general text (that of a `ChatError`, but for `configuration` without `development`; or what {@link errorText} makes of it), the log of the Worker the
   * error.
   */
  abstract onTurn(turn: Turn<Body, State>): TurnResult | Promise<TurnResult>;

  /**
   * Called after a turn has ended and is stored, once for each turn and in their order; the next turn does not wait for it. After a
   * crash in between, or when it threw, it is called again with `again: true`. Given up, and logged, after it has thrown five times
   * or has not returned for five minutes.
   */
  onTurnEnd?(event: TurnEndEvent): void | Promise<void>;

  /**
   * What people are shown of an error of the model, of a tool or of `onTurn`; undefined for a general text. The error itself
   * goes to the log of the Worker. Never called for an error of chatcell itself.
   */
  errorText(_error: unknown): string | undefined {
    return undefined;
  }

  /** Called when a client has connected and was sent what it lacked. What it throws is logged only. */
  onConnect(_connection: Connection): void | Promise<void> {}

  /** Called when a client's socket has closed. Not called for sockets that die with the machine. What it throws is logged only. */
  onDisconnect(_connection: Connection): void | Promise<void> {}

  /** Narrows what a role may do: false refuses the command with `forbidden`. Synchronous; may read `this.sql`. */
  authorize(_principal: Principal, _role: Role, _command: Command): boolean {
    return true;
  }

  /** Whether a principal may make this thread. By default thread ids are 22 random characters, which a client cannot choose to clash. */
  authorizeCreate(_principal: Principal, threadId: string): boolean {
    return RANDOM_THREAD_ID.test(threadId);
  }

  /** Grants a role beyond the stored ones, for example to a whole organisation; null grants none. Synchronous. */
  authorizeThread(_principal: Principal): Role | null {
    return null;
  }

  /** The app state as it is now, as its schema gives it. Read it again after an `await`: clients may set it. */
  protected get state(): State {
    return this.#session.state as State;
  }

  /**
   * Merges fields into the app state, stores it and sends it to every client.
   * @throws {ChatError} `bad_request` when the whole does not fit the schema, `too_large`, `not_found` without a thread
   */
  protected setState(change: Partial<State>): void {
    this.#session.setState(change);
  }

  /** Sends a transient event to every connected client: not stored, not replayed. */
  protected broadcast(event: string, data?: unknown): void {
    this.#hub.broadcast({ type: "event", event, ...(data !== undefined ? { data } : {}) });
  }

  /** For `routeChatRequest`: says whether a principal may open a socket. The answer is data, since errors lose their type over RPC. */
  admit(request: AdmitRequest): AdmitAnswer {
    return this.#session.requests.admit(request);
  }

  /** For `POST /threads/:id/commands` and `getThread`: carries out one command. */
  command(request: CommandRequest): CommandAnswer {
    return this.#session.requests.command(request);
  }

  /** For `getThread`: reads a page of settled history, as JSON text: the types of messages are too deep for those of RPC. */
  page(request: PageRequest): string {
    return JSON.stringify(this.#session.requests.page(request));
  }

  /** Opens a socket for a ticket that this object let the Worker sign. Every other request is refused and changes nothing. */
  override async fetch(request: Request): Promise<Response> {
    try {
      const ticket = tryReadTicket(ticketOfUpgrade(request));
      if (!ticket) throw new ChatError("bad_ticket", "The ticket cannot be read.");
      const origin = request.headers.get("origin") ?? "";
      const cursor = new URL(request.url).searchParams.get("cursor");
      return this.#platform.upgrade(request, (socket) => this.#session.connect(socket, { nonce: ticket.nonce, origin, cursor }));
    } catch (error) {
      const body = toErrorBody(error);
      if (body.code === "internal" || body.code === "configuration") this.#platform.report(error);
      if (body.code === "configuration") body.message = MISCONFIGURED;
      return Response.json({ error: body }, { status: ERRORS[body.code].status, headers: { "cache-control": "no-store" } });
    }
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    this.#session.receive(socket, data);
  }

  override webSocketClose(socket: WebSocket): void {
    this.#session.disconnected(socket);
    try {
      socket.close();
    } catch {
      // Answered already: compatibility dates from 2026-04-07 on do it by themselves.
    }
  }

  override webSocketError(socket: WebSocket): void {
    this.#session.disconnected(socket);
  }

  override alarm(): void {
    this.#session.alarm();
  }

  #errorText(error: unknown): string {
    if (isChatError(error)) return error.message;
    try {
      const text: unknown = this.errorText(error);
      return typeof text === "string" && text !== "" ? text : GENERIC_ERROR_TEXT;
    } catch (failure) {
      this.#platform.report(failure);
      return GENERIC_ERROR_TEXT;
    }
  }

  #hooks(): SessionHooks {
    const { body, state, clientTools } = this.constructor as typeof ChatSessionObject;
    const app = () => this;
    return {
      onTurn: (turn) => this.onTurn(turn as Turn<Body, State>),
      // Asked for each time: a class may define it as a field, which does not exist yet in the constructor of the base.
      get onTurnEnd() {
        return app().onTurnEnd?.bind(app());
      },
      onConnect: (connection) => this.onConnect(connection),
      onDisconnect: (connection) => this.onDisconnect(connection),
      authorize: (principal, role, command) => this.authorize(principal, role, command),
      authorizeCreate: (principal, threadId) => this.authorizeCreate(principal, threadId),
      authorizeThread: (principal) => this.authorizeThread(principal),
      parseBody: (value) => {
        if (!body && value !== undefined) throw new ChatError("bad_request", "This chat takes no `body`: the class has no `static body`.");
        return body && parseWith(body, value, "body");
      },
      parseState: state && ((value) => parseWith(state, value, "state")),
      isClientTool: (name) => Object.hasOwn(clientTools, name),
      parseToolOutput: (name, output) => parseWith(clientTools[name]?.output, output, `output of ${name}`),
      errorText: (error) => this.#errorText(error),
    };
  }
}

function parseWith(schema: z.ZodType | undefined, value: unknown, what: string): unknown {
  if (!schema) return value;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.length ? ` at ${issue.path.join(".").slice(0, 80)}` : "";
  throw new ChatError("bad_request", `The ${what} is not valid${where}: ${issue?.message ?? "unknown reason"}`);
}
