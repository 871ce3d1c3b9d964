// What people and clients say to calls that wait for them: approvals, outputs of client tools, and who runs a client tool.
// The first answer wins. Only what the session has put up, and is in the log, can be answered.
import { ChatError } from "../errors.ts";
import { utf8Length } from "../protocol/bytes.ts";
import type { ApproveCommand, ClaimCommand, CommandResult, ResolveCommand, ToolOutputCommand } from "../protocol/frames.ts";
import type { Chunk, Part } from "../protocol/messages.ts";
import type { Principal } from "../protocol/principal.ts";
import { toolNameOf, type ToolPart } from "../protocol/tool-part.ts";
import type { Tables } from "../storage/tables.ts";
import type { TurnRow } from "../storage/turn-table.ts";
import type { TurnLog } from "../stream/turn-log.ts";
import type { Commit } from "./commit.ts";
import type { Deps } from "./deps.ts";
import type { SessionHooks } from "./hooks.ts";
import { noSuchTurn } from "./line.ts";
import { approvalChunk, findApproval, findCall, isAwaitingApproval, isAwaitingClient } from "./open-calls.ts";
import type { Turns } from "./turns.ts";

export interface AnswersPorts {
  tables: Tables;
  turns: Turns;
  hooks: Pick<SessionHooks, "isClientTool" | "parseToolOutput">;
  deps: Deps;
  /** Principal id of a connection that is open, as far as is known: one whose line has died in silence still is. */
  holderOf(connectionId: string): string | undefined;
}

export class Answers {
  readonly #ports: AnswersPorts;

  constructor(ports: AnswersPorts) {
    this.#ports = ports;
  }

  /**
   * Takes an answer; the turn goes on when it was the last one.
   * @param connectionId of the socket that it came by; undefined for HTTP and RPC
   * @throws {ChatError} `not_found`, `already_resolved`, `already_claimed`, `bad_request` (an output that is not valid), `too_large`
   * (one that the reply has no room for)
   */
  resolve(commit: Commit, principal: Principal, command: ResolveCommand, connectionId: string | undefined): CommandResult {
    const turn = this.#liveTurn(command);
    const log = this.#ports.turns.log(turn);
    if ("approvalId" in command) this.#approve(commit, principal, command, turn, log);
    else this.#output(commit, principal, command, turn, log, connectionId);
    return { turnId: turn.id };
  }

  /**
   * Gives a client tool call to one connection, as long as that is open.
   * @throws {ChatError} `not_found`, `already_resolved`, `already_claimed`, `bad_request` without a connection
   */
  claim(commit: Commit, command: ClaimCommand, connectionId: string | undefined): CommandResult {
    const { turns, hooks } = this.#ports;
    if (connectionId === undefined) throw new ChatError("bad_request", "A call is claimed for a connection: send the claim over a socket.");
    const turn = this.#liveTurn(command);
    const call = findCall(ownParts(turn, turns.log(turn)), command.callId);
    if (!call) throw noSuchCall();
    if (!isAwaitingClient(call, hooks.isClientTool)) throw alreadyResolved(call);
    if (this.#claimOf(turn, command.callId, connectionId) !== undefined) throw alreadyClaimed();
    const claims = { ...this.#openClaims(turn), [command.callId]: connectionId };
    turns.update(commit, { ...turn, progress: { ...turn.progress, claims } });
    return { turnId: turn.id };
  }

  /** Frees what connections that are gone have claimed. */
  release(commit: Commit): void {
    const turn = this.#ports.tables.turns.live();
    if (!turn?.progress.claims) return;
    const claims = this.#openClaims(turn);
    if (Object.keys(claims).length === Object.keys(turn.progress.claims).length) return;
    this.#ports.turns.update(commit, { ...turn, progress: { ...turn.progress, claims } });
  }

  /** The turn that a command is about. @throws {ChatError} `already_resolved` when it has ended, `not_found` */
  #liveTurn(command: ResolveCommand | ClaimCommand): TurnRow {
    const { tables, turns } = this.#ports;
    const { turnId } = command;
    const turn = tables.turns.live();
    if (turn?.id === turnId) return turn;
    if (turns.line.isKnown(turnId) && !tables.turns.list().some(({ id }) => id === turnId)) {
      const parts = tables.messages.find(turnId)?.parts ?? [];
      const call = "approvalId" in command ? findApproval(parts, command.approvalId) : findCall(parts, command.callId);
      if (call) throw alreadyResolved(call);
      throw new ChatError("already_resolved", "This turn has ended: nothing in it waits for an answer.");
    }
    throw noSuchTurn();
  }

  #approve(commit: Commit, principal: Principal, command: ApproveCommand, turn: TurnRow, log: TurnLog): void {
    const { turns, deps } = this.#ports;
    const call = findApproval(ownParts(turn, log), command.approvalId);
    if (!call) throw noSuchCall();
    if (!isAwaitingApproval(call)) throw alreadyResolved(call);
    const { approved, reason } = command;
    const chunk = approvalChunk(command.approvalId, { approved, reason, by: principal.id, at: deps.now() });
    const provider = call.providerExecuted === undefined ? {} : { providerExecuted: call.providerExecuted };
    turns.answer(commit, turn, log, [{ ...chunk, ...provider }], "approval");
  }

  #output(
    commit: Commit,
    principal: Principal,
    command: ToolOutputCommand,
    turn: TurnRow,
    log: TurnLog,
    connectionId: string | undefined,
  ): void {
    const { turns, hooks } = this.#ports;
    const { callId: toolCallId, errorText } = command;
    const call = findCall(ownParts(turn, log), toolCallId);
    if (!call) throw noSuchCall();
    if (!hooks.isClientTool(toolNameOf(call))) throw new ChatError("forbidden", "The output of this tool is not a client's to give.");
    if (!isAwaitingClient(call, hooks.isClientTool)) throw alreadyResolved(call);
    // The tool may outlive the connection that claimed it, of which nobody has told us yet: who it was may answer over another one.
    const claim = this.#claimOf(turn, toolCallId, connectionId);
    if (claim !== undefined && this.#ports.holderOf(claim) !== principal.id) throw alreadyClaimed();
    const kind = call.type === "dynamic-tool" ? { dynamic: true } : {};
    const chunk: Chunk =
      errorText !== undefined
        ? { type: "tool-output-error", toolCallId, errorText, ...kind }
        : { type: "tool-output-available", toolCallId, output: hooks.parseToolOutput(toolNameOf(call), command.output) ?? null, ...kind };
    // An error is short, and lets the turn come to its end.
    if (errorText === undefined && utf8Length(JSON.stringify(chunk)) > log.room)
      throw new ChatError("too_large", "The reply has no room for this output: give an error.");
    turns.answer(commit, withoutClaim(turn, toolCallId), log, [chunk], "client-tool");
  }

  #openClaims({ progress }: TurnRow): Record<string, string> {
    return Object.fromEntries(Object.entries(progress.claims ?? {}).filter(([, id]) => this.#ports.holderOf(id) !== undefined));
  }

  /** The other open connection that has claimed a call. */
  #claimOf(turn: TurnRow, callId: string, connectionId: string | undefined): string | undefined {
    const claim = new Map(Object.entries(this.#openClaims(turn))).get(callId);
    return claim === connectionId ? undefined : claim;
  }
}

function alreadyClaimed(): ChatError {
  return new ChatError("already_claimed", "Another connection runs this call.");
}

/** The parts of the live message that this turn has made. */
function ownParts({ base }: TurnRow, { live }: TurnLog): Part[] {
  return live.message.parts.slice(base);
}

function withoutClaim(turn: TurnRow, callId: string): TurnRow {
  if (!turn.progress.claims) return turn;
  const { [callId]: _claim, ...claims } = turn.progress.claims;
  return { ...turn, progress: { ...turn.progress, claims } };
}

function noSuchCall(): ChatError {
  return new ChatError("not_found", "There is no such call in this turn.");
}

function alreadyResolved(call: ToolPart): ChatError {
  const { approved, by } = (call.approval ?? {}) as { approved?: boolean; by?: string };
  return new ChatError("already_resolved", "Somebody was faster: this call has its answer.", {
    details: { state: call.state, ...(approved !== undefined ? { approved } : {}), ...(by !== undefined ? { by } : {}) },
  });
}
