// The shapes of a thread as they travel: message, turn, queue entry, session. Pure types, shared by server and client.
import type { UIMessage, UIMessageChunk } from "ai";
import type { ErrorBody } from "../errors.ts";

/** One AI SDK UI message chunk. */
export type Chunk = UIMessageChunk;

/** One typed piece of a message (an AI SDK `UIMessage` part). */
export type Part = UIMessage["parts"][number];

/** How a turn ended. */
export type Outcome = "completed" | "stopped" | "failed" | "interrupted";

/** Token counts as the model reported them; absent where it reported none. */
export interface Usage {
  inputTokens?: number;
  outputTokens?: number;
  totalTokens?: number;
}

/** What is known of a turn that ended. Stored with its reply, or with its user message when there was no output. */
export interface TurnFacts {
  outcome: Outcome;
  /** Why it did not complete. Text that a person may see. */
  error?: ErrorBody;
  /** The AI SDK's finish reason, when the model gave one. */
  finishReason?: string;
  usage?: Usage;
  /** Epoch ms at which the turn started: runs that were cut off and waits for people lie behind it. */
  startedAt: number;
  /** Epoch ms at which it was stored as ended. */
  endedAt: number;
  attempts: number;
}

/** One entry of history. */
export interface Message {
  id: string;
  /** The message before it on its branch; null for the first. */
  parent: string | null;
  role: "user" | "assistant" | "system";
  parts: Part[];
  metadata?: unknown;
  /** Principal id of who wrote it; absent for the model. */
  author?: string;
  /** Epoch ms, integer: for a user message when it was accepted, for a reply when it was stored. */
  createdAt: number;
  facts?: TurnFacts;
  /** How a later turn about this message (`regenerate`, `continue`) ended, when it ended without output. */
  lastTurn?: TurnFacts;
}

/** What a turn was made by. */
export type TurnKind = "send" | "edit" | "regenerate" | "continue";

/** Why `onTurn` is called again for a turn, or for a message that has parts already. */
export type ResumeKind = "approval" | "client-tool" | "recovery" | "continue";

/** The turn that is running (or waiting), as clients see it. */
export interface TurnView {
  id: string;
  kind: TurnKind;
  /** Id of the live message, and of the stored reply: that of the turn, except for `continue`. */
  messageId: string;
  /** Id of the message under which the live message stands. */
  parent: string | null;
  /** Number of leading parts that the live message took from the stored one; 0 except for `continue`. */
  base: number;
  /** `waiting`: for a person's approval or for the output of a client tool. */
  state: "running" | "waiting";
  attempt: number;
  resume?: ResumeKind;
  /** Client tool calls that a connection has claimed: call id → connection id. Absent when there are none. */
  claims?: Record<string, string>;
}

/** An accepted turn that has not started. Its message is not in history yet. */
export interface QueueItem {
  turnId: string;
  kind: TurnKind;
  /** Id that the user message will have; for `regenerate` and `continue` that of the message that they are about. */
  messageId: string;
  /** Empty for `regenerate` and `continue`. */
  parts: Part[];
  metadata?: unknown;
  author: string;
  /** Epoch ms, integer. */
  createdAt: number;
}

/** Settled facts of a thread. */
export interface SessionView {
  threadId: string;
  epoch: string;
  rev: number;
  status: "active" | "paused" | "archived" | "deleted";
  title: string | null;
  /** Revision of the last change of status or title. */
  metaRev: number;
  /** The app state; absent when the class declares none. */
  state?: unknown;
  /** Revision of the last change of the app state; 0 before the first. */
  stateRev: number;
}

/** The live message in the form that the fold works on. */
export interface LiveMessage {
  id: string;
  role: "assistant";
  parts: Part[];
  metadata?: unknown;
}

/**
 * The live message at `seq`, with what the fold needs to take the next chunk: a bare message cannot, because it does not
 * say which part a delta belongs to. Plain JSON.
 */
export interface LiveState {
  message: LiveMessage;
  /** Seq of the last chunk folded in; 0 when none. */
  seq: number;
  open: {
    /** Chunk id of each open text part → its index in `parts`. */
    text: Record<string, number>;
    /** Chunk id of each open reasoning part → its index in `parts`. */
    reasoning: Record<string, number>;
    /** Tool call id of each call with unfinished input → the raw input text so far. */
    input: Record<string, string>;
  };
}
