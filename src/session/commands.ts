// The one door for commands: authorise, look the id up, check the epoch, change, remember. A repeat gets the first answer.
import type { Principal } from "../protocol/principal.ts";
import { isAllowed } from "../auth/roles.ts";
import { ChatError } from "../errors.ts";
import type {
  AckFrame,
  Command,
  CommandResult,
  ContinueCommand,
  EditMessageCommand,
  RegenerateCommand,
  SendCommand,
} from "../protocol/frames.ts";
import { utf8Length } from "../protocol/bytes.ts";
import { LIMITS } from "../protocol/limits.ts";
import { hashText } from "../storage/migration.ts";
import type { Tables } from "../storage/tables.ts";
import type { ActingRole } from "./access.ts";
import type { Commit, Committer } from "./commit.ts";
import type { Deps } from "./deps.ts";
import type { Answers } from "./answers.ts";
import type { AppState } from "./app-state.ts";
import type { SessionHooks } from "./hooks.ts";
import type { Turns } from "./turns.ts";

/**
 * The scan that trims runs for one command in so many, or in as many as it has left: so each pays for a few rows read on average,
 * whatever it changes and however many there are.
 */
const TRIM_ONE_IN = 256;

export interface CommandsPorts {
  tables: Tables;
  committer: Committer;
  turns: Turns;
  answers: Answers;
  appState: AppState;
  hooks: SessionHooks;
  deps: Deps;
}

/** Who sends a command: `connectionId` is that of the socket, absent for HTTP and RPC. */
export interface Sender {
  principal: Principal;
  connectionId?: string;
}

/** A command whose form, body and sender have been checked; what is left happens in its transaction. */
export type CheckedCommand = (commit: Commit) => AckFrame;

export class Commands {
  readonly #ports: CommandsPorts;
  /** HIBERNATION: rows that the last scan has left; not knowing costs one scan more. */
  #kept = 0;

  constructor(ports: CommandsPorts) {
    this.#ports = ports;
  }

  /**
   * Carries a command out once. Everything that it changes is stored and broadcast before this returns.
   * @throws {ChatError} and nothing has changed: `forbidden`, `id_reused`, `stale_epoch`, `bad_request` (body), and those of
   * the command itself
   */
  handle(sender: Sender, role: ActingRole, command: Command): AckFrame {
    return this.#ports.committer.run(this.check(sender, role, command));
  }

  /** Checks what needs no transaction. @throws {ChatError} `forbidden`, `bad_request` */
  check(sender: Sender, role: ActingRole, command: Command): CheckedCommand {
    const { hooks } = this.#ports;
    if (role !== "system" && (!isAllowed(role, command.type) || hooks.authorize(sender.principal, role, command) !== true)) {
      throw new ChatError("forbidden", `This principal may not ${command.type} in this thread.`);
    }
    return (commit) => this.#once(commit, sender, command);
  }

  /** The ack of a command that was accepted before; undefined when it was not. @throws {ChatError} `id_reused` */
  repeated(principal: Principal, command: Command): AckFrame | undefined {
    const known = this.#ports.tables.commands.find(command.id);
    if (!known) return undefined;
    if (known.fingerprint !== fingerprintOf(principal, command)) {
      throw new ChatError("id_reused", "Another command was accepted with this id. Use a new id for a new command.");
    }
    return { type: "ack", ref: command.id, rev: known.rev, ...(known.result ? { result: known.result } : {}) };
  }

  #once(commit: Commit, sender: Sender, command: Command): AckFrame {
    const { principal } = sender;
    const repeated = this.repeated(principal, command);
    if (repeated) return repeated;
    if (command.epoch !== commit.session.epoch && !isFirst(commit, command)) {
      throw new ChatError("stale_epoch", "The history was replaced since this command was made. Reload the thread and try again.");
    }
    const result = this.#carryOut(commit, sender, command);
    const { rev } = commit.session;
    const { tables, deps } = this.#ports;
    tables.commands.insert(command.id, { fingerprint: fingerprintOf(principal, command), rev, result }, deps.now());
    if (deps.random() * Math.max(TRIM_ONE_IN, this.#kept) < 1) this.#kept = tables.commands.trim(deps.now());
    return { type: "ack", ref: command.id, rev, result };
  }

  #carryOut(commit: Commit, { principal, connectionId }: Sender, command: Command): CommandResult {
    const { turns, answers, appState } = this.#ports;
    switch (command.type) {
      case "edit":
        if ("turnId" in command) return turns.line.edit(commit, principal, command, this.#bodyOf(command, "may be missing"));
        return this.#accept(commit, principal, command);
      case "send":
      case "regenerate":
      case "continue":
        return this.#accept(commit, principal, command);
      case "append":
        return turns.line.accept(commit, principal, command, {});
      case "stop":
      case "cancel":
        return turns.end(commit, command.turnId, { type: command.type });
      case "resolve":
        return answers.resolve(commit, principal, command, connectionId);
      case "claim":
        return answers.claim(commit, command, connectionId);
      case "set":
        appState.set(commit, command);
        return {};
    }
  }

  #accept(commit: Commit, principal: Principal, command: AskingCommand): CommandResult {
    const body = this.#bodyOf(command);
    const state = this.#ports.appState.of(commit.session);
    return this.#ports.turns.line.accept(commit, principal, command, {
      ...(body !== undefined ? { body } : {}),
      ...(state !== undefined ? { state } : {}),
    });
  }

  /** The validated per-request input. A queued message keeps the one that it has when its edit brings none. */
  #bodyOf({ body }: { body?: unknown }, missing?: "may be missing"): unknown {
    return body === undefined && missing ? undefined : this.#ports.hooks.parseBody(boundedBody(body));
  }
}

/** A command that calls `onTurn`. */
type AskingCommand = SendCommand | EditMessageCommand | RegenerateCommand | ContinueCommand;

function boundedBody(body: unknown): unknown {
  if (body !== undefined && utf8Length(JSON.stringify(body)) > LIMITS.maxBodyBytes) {
    throw new ChatError("too_large", `The \`body\` of a command may have at most ${LIMITS.maxBodyBytes} bytes as JSON.`);
  }
  return body;
}

/** The message that makes a thread comes before any epoch. */
function isFirst(commit: Commit, command: Command): boolean {
  const { type, epoch } = command;
  return (type === "send" || type === "append") && epoch === undefined && commit.session.rev === 0;
}

/** What makes two requests with one id the same request. Not the epoch: a repeat may know one that the first did not. */
function fingerprintOf(principal: Principal, { epoch: _epoch, ...command }: Command): string {
  return hashText(JSON.stringify([principal.id, Object.entries(command).sort(([a], [b]) => (a < b ? -1 : 1))]));
}
