// What `onTurn` is given. It reads storage when asked and holds nothing that another turn could see.
import type { ModelMessage, UIMessage, UIMessageChunk } from "ai";
import { ChatError } from "../errors.ts";
import { toModelMessages } from "../history/model-view.ts";
import { readBranch } from "../history/page.ts";
import type { Message, ResumeKind } from "../protocol/messages.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Tables } from "../storage/tables.ts";
import type { TurnRow } from "../storage/turn-table.ts";
import { checkChunk } from "../stream/chunk-check.ts";
import type { Deps } from "./deps.ts";
import type { IsClientTool } from "./open-calls.ts";
import type { Run } from "./run.ts";
import type { ToolOptions } from "./runner.ts";
import { hasContent } from "./settlement.ts";
import { rerunnableCalls } from "./tool-facts.ts";
import { wrapTools } from "./tools.ts";

/**
 * One turn, as the app's `onTurn` sees it: a user message that waits for a reply.
 *
 * The turn is stored before `onTurn` is called, so a crash in it is found and ended; nothing that `onTurn` keeps in
 * variables survives one.
 */
export interface Turn<Body = unknown, State = unknown> {
  /** The same when the turn is run again. Also the id of the reply, unless an older reply goes on. */
  readonly id: string;
  /** The user message that is answered, as stored. */
  readonly message: UIMessage;
  /** The per-request input that the client sent with the message, validated by the class's `static body`. */
  readonly body: Body;
  /** The app state when the message was accepted: what is queued in one mode never runs in another. `this.state` is the present one. */
  readonly state: State;
  /** Who sent the message. */
  readonly principal: Principal;
  /** Runs of this turn since the last answer of a person, this one included: from 1, counted and stored before the run. */
  readonly attempt: number;
  /**
   * Present when the reply has parts already, which are in {@link modelMessages}: `approval`, `client-tool`: people or clients
   * have answered its calls; `recovery`: an earlier run was interrupted; `continue`: a person asked the reply to go on.
   */
  readonly resume?: { kind: ResumeKind };
  /** Aborts when the turn is stopped or has failed, or when this run was taken as stalled. Give it to the model and to tools. */
  readonly signal: AbortSignal;
  /**
   * The conversation up to and including {@link message}, oldest first, in the form that `streamText` takes: every call has an
   * outcome, except for those that the AI SDK is to run now because a person has allowed them. All of the branch: a row or more for
   * each message. For long threads cut it, with `pruneMessages` of `ai` or by your own rule.
   */
  modelMessages(): Promise<ModelMessage[]>;
  /**
   * Tools for the model with the ledger around them: a call is stored before its tool runs and its outcome before it is
   * streamed, so that after a crash no side effect happens twice. Takes tools of the AI SDK, also MCP ones, and gives the same
   * record. Each `execute` gets an `idempotencyKey` in its options; a tool with `idempotent: true` may be run again with it.
   * Every tool with an `execute` must go through here, before {@link modelMessages} is asked for, which then
   * tells the outputs of earlier turns as `toModelOutput` of their tools says, and a call of a tool that is no more as not run.
   * @throws {ChatError} `configuration` for one of `static clientTools` that has an `execute`
   */
  tools<Tools extends Record<string, object>>(tools: Tools): Tools;
  /**
   * Adds a chunk to the reply, in order with what the model streams: for example a `data-*` part. A `data-*` chunk with
   * `transient: true` goes to the clients of the moment and is not stored. Give a data part an `id`: when the turn is run again
   * after a crash, it then takes the place of the one before. Nothing happens once the turn has ended.
   * @throws {ChatError} `model_error` for what is no chunk
   */
  write(chunk: UIMessageChunk): void;
}

export interface TurnContextPorts {
  tables: Tables;
  deps: Deps;
  tools: ToolOptions;
  hooks: { errorText(error: unknown): string; isClientTool: IsClientTool };
}

/** What the model is told when a person asks a reply to go on. */
const CONTINUE_NOTE = "Continue.";

/** The turn as its app sees it, for one run. */
export function createTurn(turn: TurnRow, run: Run, { tables, deps, tools: options, hooks }: TurnContextPorts): Turn {
  const { id, messageId, input, principal, attempt, base, progress } = turn;
  const { live } = run.log;
  /** What is in the reply already. */
  const earlier: Message[] = hasContent(live) ? [{ ...live.message, parent: messageId, createdAt: turn.createdAt }] : [];
  const message = tables.messages.find(messageId);
  /** What `tools` was given; null before it was. */
  let known: Record<string, object> | null = null;
  return {
    id,
    message: { id: messageId, role: "user", parts: message?.parts ?? input.parts },
    body: input.body,
    state: input.state,
    principal,
    attempt,
    signal: run.signal,
    ...(progress.resume ? { resume: { kind: progress.resume } } : {}),
    modelMessages: () => {
      const rerunCalls = new Set(rerunnableCalls(live, tables.toolCalls.list(), base).map(({ callId }) => callId));
      return toModelMessages([...readBranch(tables.messages, messageId), ...earlier], {
        rerunCalls,
        ...(known ? { tools: known } : {}),
        // Once it has gone on, the reply is like that of any other turn: its calls may be there to be run.
        ...(turn.kind === "continue" && !hasContent(live, base) ? { continueNote: CONTINUE_NOTE } : {}),
      });
    },
    tools: (tools) => {
      // Clients answer the calls of these: with one that ran here too, they could say what it has done.
      const both = Object.keys(tools).find((name) => hooks.isClientTool(name) && hasExecute(tools[name]));
      if (both !== undefined)
        throw new ChatError("configuration", `The tool "${both}" is one of static clientTools: give it no \`execute\`.`);
      known = { ...known, ...tools };
      return wrapTools(tools, {
        ledger: run.ledger,
        signal: run.signal,
        timeoutMs: options.timeoutMs,
        setTimer: deps.setTimer,
        errorText: (error) => hooks.errorText(error),
      });
    },
    write: (chunk) => run.take(checkChunk(chunk)),
  };
}

function hasExecute(tool: object | undefined): boolean {
  return tool !== undefined && "execute" in tool && tool.execute !== undefined;
}
