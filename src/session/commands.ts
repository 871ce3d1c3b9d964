// The one door for commands: authorise, look the id up, check the epoch, change, remember. A repeat gets the first answer.
import type { Principal } from "../protocol/principal.ts";
import { isAllowed } from "../auth/roles.ts";
import { ChatError } from "../errors.ts";
import type { AckFrame, Command, CommandResult } from "../protocol/frames.ts";
import { utf8Length } from "../protocol/bytes.ts";
import { LIMITS } from "../protocol/limits.ts";
import { hashText } from "../storage/migration.ts";
import type { Tables } from "../storage/tables.ts";
import type { ActingRole } from "./access.ts";
import type { Commit, Committer } from "./commit.ts";
import type { Deps } from "./deps.ts";
import type { SessionHooks } from "./hooks.ts";
import type { Turns } from "./turns.ts";

/** The scan that trims runs for one command in so many, whatever they change: each pays for a few rows read on average. */
const TRIM_ONE_IN = 256;

export interface CommandsPorts {
  tables: Tables;
  committer: Committer;
  turns: Turns;
  hooks: SessionHooks;
  deps: Deps;
}

/** A command whose form, body and sender have been checked; what is left happens in its transaction. */
export type CheckedCommand = (commit: Commit) => AckFrame;

export class Commands {
  readonly #ports: CommandsPorts;

  constructor(ports: CommandsPorts) {
    this.#ports = ports;
  }

  /**
   * Carries a command out once. Everything that it changes is stored and broadcast before this returns.
   * @throws {ChatError} and nothing has changed: `forbidden`, `id_reused`, `stale_epoch`, `bad_request` (body), and those of
   * the command itself
   */
  handle(principal: Principal, role: ActingRole, command: Command): AckFrame {
    return this.#ports.committer.run(this.check(principal, role, command));
  }

  /** Checks what needs no transaction. @throws {ChatError} `forbidden`, `bad_request` */
  check(principal: Principal, role: ActingRole, command: Command): CheckedCommand {
    const { hooks } = this.#ports;
    if (role === "system") return (commit) => this.#once(commit, principal, command);
    if (!isAllowed(role, command.type) || hooks.authorize(principal, role, command) !== true) {
      throw new ChatError("forbidden", `This principal may not ${command.type} in this thread.`);
    }
    return (commit) => this.#once(commit, principal, command);
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

  #once(commit: Commit, principal: Principal, command: Command): AckFrame {
    const repeated = this.repeated(principal, command);
    if (repeated) return repeated;
    if (command.epoch !== commit.session.epoch && !isFirst(commit, command)) {
      throw new ChatError("stale_epoch", "The history was replaced since this command was made. Reload the thread and try again.");
    }
    const body = command.type === "send" ? this.#ports.hooks.parseBody(boundedBody(command.body)) : undefined;
    const result = this.#carryOut(commit, principal, command, body);
    const { rev } = commit.session;
    const { tables, deps } = this.#ports;
    tables.commands.insert(command.id, { fingerprint: fingerprintOf(principal, command), rev, result }, deps.now());
    if (deps.random() * TRIM_ONE_IN < 1) tables.commands.trim(deps.now());
    return { type: "ack", ref: command.id, rev, result };
  }

  #carryOut(commit: Commit, principal: Principal, command: Command, body: unknown): CommandResult {
    const { turns } = this.#ports;
    switch (command.type) {
      case "send":
        return turns.accept(commit, principal, command, body);
      case "stop":
      case "cancel":
        return turns.end(commit, command.turnId, { type: command.type });
    }
  }
}

function boundedBody(body: unknown): unknown {
  if (body !== undefined && utf8Length(JSON.stringify(body)) > LIMITS.maxBodyBytes) {
    throw new ChatError("too_large", `The \`body\` of a send may have at most ${LIMITS.maxBodyBytes} bytes as JSON.`);
  }
  return body;
}

/** The message that makes a thread comes before any epoch. */
function isFirst(commit: Commit, command: Command): boolean {
  return command.type === "send" && command.epoch === undefined && commit.session.rev === 0;
}

/** What makes two requests with one id the same request. Not the epoch: a repeat may know one that the first did not. */
function fingerprintOf(principal: Principal, { epoch: _epoch, ...command }: Command): string {
  return hashText(JSON.stringify([principal.id, Object.entries(command).sort(([a], [b]) => (a < b ? -1 : 1))]));
}
