// What the Worker asks of the object without a socket: tickets, commands by HTTP and RPC, pages. Every answer is data, since
// errors lose their type over RPC; a refusal has changed nothing.
import type { Admissions, AdmitAnswer, AdmitRequest } from "../auth/admissions.ts";
import { isSystem, type CommandAnswer, type CommandRequest, type PageAnswer, type PageRequest } from "../auth/rpc.ts";
import { ChatError, type ErrorBody } from "../errors.ts";
import { parseCommand, parseFirstCommand } from "../protocol/client-frames.ts";
import type { AckFrame, Command } from "../protocol/frames.ts";
import type { Tables } from "../storage/tables.ts";
import { noSuchThread, type Access } from "./access.ts";
import type { Commands } from "./commands.ts";
import type { SessionHooks } from "./hooks.ts";
import type { Reads } from "./reads.ts";
import type { Thread } from "./thread.ts";

export interface RequestsPorts {
  thread: Thread;
  tables: Tables;
  access: Access;
  commands: Commands;
  reads: Reads;
  admissions: Admissions;
  hooks: Pick<SessionHooks, "authorizeCreate">;
  errorBody: (error: unknown) => ErrorBody;
}

export class Requests {
  readonly #ports: RequestsPorts;

  constructor(ports: RequestsPorts) {
    this.#ports = ports;
  }

  /** Says whether a principal may open a socket, and makes the thread and takes its first message where the request asks so. */
  admit(request: AdmitRequest): AdmitAnswer {
    const { thread, admissions, errorBody } = this.#ports;
    try {
      const ack = thread.isReady() ? this.#admitToThread(request) : this.#createThread(request);
      return { ok: true, ...admissions.admit(request), ...(ack ? { ack } : {}) };
    } catch (error) {
      return { ok: false, error: errorBody(error) };
    }
  }

  /** Carries out a command that came by HTTP or RPC: the same door, the same rules, the same ack as over a socket. */
  command(request: CommandRequest): CommandAnswer {
    try {
      return { ok: true, ack: this.#command(request) };
    } catch (error) {
      return { ok: false, error: this.#ports.errorBody(error) };
    }
  }

  /** Reads a page of settled history. Only the server itself gets large payloads in it. */
  page({ principal, before }: PageRequest): PageAnswer {
    const { thread, access, reads, errorBody } = this.#ports;
    try {
      thread.require();
      return { ok: true, ...reads.page(before, { isWhole: access.actingRoleOf(principal) === "system" }) };
    } catch (error) {
      return { ok: false, error: errorBody(error) };
    }
  }

  #command({ principal, tenant, threadId, create, command }: CommandRequest): AckFrame {
    const { thread, access, commands } = this.#ports;
    const sender = { principal };
    if (thread.isReady()) {
      const completed = isSystem(principal) ? this.#completed(command) : command;
      return commands.handle(sender, access.actingRoleOf(principal), parseCommand(completed));
    }
    const canMake = isOfType(command, "send") || isOfType(command, "append");
    if (!create || !isSystem(principal) || !canMake) throw noSuchThread();
    return thread.make({ tenant, threadId, owner: create.owner }, commands.check(sender, "system", parseCommand(command)));
  }

  /** A command of the server itself means the present epoch and, for `stop`, the turn that runs now. */
  #completed(command: unknown): unknown {
    if (typeof command !== "object" || command === null) return command;
    const { session, turns } = this.#ports.tables;
    const { epoch, head } = session.read();
    const isBareStop = isOfType(command, "stop") && !("turnId" in command);
    // Where nothing runs or waits, the last message stands for its turn, which has ended: a quiet success.
    const turnId = isBareStop ? (turns.first()?.id ?? head) : null;
    return { epoch, ...(turnId !== null ? { turnId } : {}), ...command };
  }

  #admitToThread({ principal, command }: AdmitRequest): AckFrame | undefined {
    const { access, commands } = this.#ports;
    access.roleOf(principal);
    // A first message that was accepted before gets the same ack. Another one waits for the epoch and comes by socket.
    return command === undefined ? undefined : commands.repeated(principal, parseFirstCommand(command));
  }

  /** One transaction: schema, thread, owner, and the first message's turn. A refusal leaves a blank object. */
  #createThread({ principal, tenant, threadId, create, command }: AdmitRequest): AckFrame | undefined {
    const { thread, hooks, commands } = this.#ports;
    if (!create) throw noSuchThread();
    if (hooks.authorizeCreate(principal, threadId) !== true) {
      throw new ChatError("forbidden", "This principal may not make a thread with this id.");
    }
    const first = command === undefined ? null : parseFirstCommand(command);
    // Checked inside, so that the app's rules find its tables; a refusal rolls all of it back.
    return (
      thread.make({ tenant, threadId, owner: principal.id }, (commit) => first && commands.check({ principal }, "owner", first)(commit)) ??
      undefined
    );
  }
}

function isOfType(command: unknown, type: Command["type"]): boolean {
  return typeof command === "object" && command !== null && "type" in command && command.type === type;
}
