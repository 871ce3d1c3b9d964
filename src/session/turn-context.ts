// What `onTurn` is given. It reads storage when asked and holds nothing that another turn could see.
import type { ModelMessage, UIMessage, UIMessageChunk } from "ai";
import { toModelMessages } from "../history/model-view.ts";
import { readBranch } from "../history/page.ts";
import type { Message } from "../protocol/messages.ts";
import type { Principal } from "../protocol/principal.ts";
import type { MessageTable } from "../storage/message-table.ts";
import type { TurnRow } from "../storage/turn-table.ts";
import { checkChunk } from "../stream/chunk-check.ts";
import type { Run } from "./run.ts";
import { hasOutput } from "./settlement.ts";

/**
 * One turn, as the app's `onTurn` sees it: a user message that waits for a reply.
 *
 * The turn is stored before `onTurn` is called, so a crash in it is found and ended; nothing that `onTurn` keeps in
 * variables survives one.
 */
export interface Turn<Body = unknown> {
  /** Also the id of the reply. The same when the turn is run again. */
  readonly id: string;
  /** The user message that is answered, as stored. */
  readonly message: UIMessage;
  /** The per-request input that the client sent with the message, validated by the class's `static body`. */
  readonly body: Body;
  /** Who sent the message. */
  readonly principal: Principal;
  /** Runs of this turn so far, this one included: from 1, counted and stored before the run. */
  readonly attempt: number;
  /** Present when an earlier run of this turn was interrupted; what it left is in {@link modelMessages}. */
  readonly resume?: { kind: "recovery" };
  /** Aborts when the turn is stopped or has failed, or when this run was taken as stalled. Give it to the model and to tools. */
  readonly signal: AbortSignal;
  /** The conversation up to and including {@link message}, oldest first, in the form that `streamText` takes. */
  modelMessages(): Promise<ModelMessage[]>;
  /**
   * Adds a chunk to the reply, in order with what the model streams: for example a `data-*` part. A `data-*` chunk with
   * `transient: true` goes to the clients of the moment and is not stored. Nothing happens once the turn has ended.
   */
  write(chunk: UIMessageChunk): void;
}

/** The turn as its app sees it, for one run. */
export function createTurn(turn: TurnRow, run: Run, messages: MessageTable): Turn {
  const { id, messageId, input, principal, attempt } = turn;
  const { live } = run.log;
  /** What earlier runs of this turn have left in its message. */
  const earlier: Message[] = hasOutput(live) ? [{ ...live.message, parent: messageId, createdAt: turn.createdAt }] : [];
  return {
    id,
    message: { id: messageId, role: "user", parts: input.parts },
    body: input.body,
    principal,
    attempt,
    signal: run.signal,
    ...(attempt > 1 ? { resume: { kind: "recovery" } } : {}),
    modelMessages: () => toModelMessages([...readBranch(messages, messageId), ...earlier]),
    write: (chunk) => run.take(checkChunk(chunk)),
  };
}
