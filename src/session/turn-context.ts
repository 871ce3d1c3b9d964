// What `onTurn` is given. It reads storage when asked and holds nothing that another turn could see.
import type { ModelMessage, UIMessage, UIMessageChunk } from "ai";
import type { Principal } from "../protocol/principal.ts";

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
  /** Aborts when the turn is stopped. Give it to the model and to tools. */
  readonly signal: AbortSignal;
  /** The conversation up to and including {@link message}, oldest first, in the form that `streamText` takes. */
  modelMessages(): Promise<ModelMessage[]>;
  /**
   * Adds a chunk to the reply, in order with what the model streams: for example a `data-*` part. A `data-*` chunk with
   * `transient: true` goes to the clients of the moment and is not stored. Nothing happens once the turn has ended.
   */
  write(chunk: UIMessageChunk): void;
}
