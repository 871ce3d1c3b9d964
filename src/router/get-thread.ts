// A thread for the app's own server code: cron jobs, webhooks, other objects. The same commands through the same door.
import { validatePrincipal } from "../auth/principal.ts";
import { isSystem, type PageAnswer } from "../auth/rpc.ts";
import { ChatError } from "../errors.ts";
import type { AckFrame } from "../protocol/frames.ts";
import { newId } from "../protocol/ids.ts";
import type { Message, Part } from "../protocol/messages.ts";
import { requireNamespace, stubOf, type ChatNamespace } from "./namespace.ts";
import { toChatError } from "./responses.ts";

const THREAD_ID = /^[\w-]{1,64}$/;

/** Which thread: the same id in two tenants is two threads. */
export interface ThreadAddress {
  /** As in the principals of its people. @default none */
  tenant?: string;
  /** 1 to 64 of `A-Z a-z 0-9 _ -`. */
  threadId: string;
}

/** Settings of {@link getThread}. */
export interface GetThreadOptions {
  /** Who acts: `system:` and a name, for example `system:cron`. Stored as the author of what it sends. May do everything. */
  as: `system:${string}`;
  /** Makes the thread with the first `send` or `append` when it does not exist, for this principal. Without it that is `not_found`. */
  create?: { owner: string };
}

/** What `send` takes beside its text or parts. */
export interface ThreadSendOptions {
  /** Id of the turn and of its reply. Give the same one to a retry: it is accepted once. @default a new id */
  id?: string;
  /** Id of the message. Give the same one to a retry. @default made from `id` */
  messageId?: string;
  /** Per-request input, validated by the class's `static body`. */
  body?: unknown;
}

/** What `append` takes beside its text or parts. */
export interface ThreadAppendOptions {
  /** Id of the message. Give the same one to a retry: it is stored once. @default a new id */
  id?: string;
  metadata?: unknown;
}

/** One thread, as the app's own server code uses it. Each method is one call of the object. */
export interface ThreadHandle {
  /**
   * Sends a message into the thread as a turn of its own; resolves when it is accepted, not when it is answered.
   * @throws {ChatError} what a client would get: `queue_full`, `id_reused`, `not_found`, `bad_frame`, …
   */
  send(input: string | Part[], options?: ThreadSendOptions): Promise<{ turnId: string; messageId: string; position: number }>;
  /**
   * Stores a message of the assistant without a model call, under the last message; while turns run or wait in line, behind
   * them. Resolves when it is stored or in line. `as` is its author.
   * @throws {ChatError} `queue_full`, `id_reused`, `not_found`, `bad_frame`
   */
  append(input: string | Part[], options?: ThreadAppendOptions): Promise<{ messageId: string }>;
  /**
   * Merges fields into the app state. With `ifRev`, only when nobody has set it since that revision.
   * @throws {ChatError} `bad_request` when the whole does not fit `static state`, `state_conflict` with `details { value, rev }`
   */
  setState(change: Record<string, unknown>, options?: { ifRev?: number }): Promise<{ rev: number }>;
  /**
   * Ends a turn, by default the one that runs or is next in line; quiet when there is none. Keeps its partial reply.
   * @throws {ChatError} `not_found` for an unknown turn or thread, `bad_frame` in a thread that has no message yet
   */
  stop(turnId?: string): Promise<void>;
  /** Takes a queued turn back. @throws {ChatError} `already_started`, `not_found` */
  cancel(turnId: string): Promise<void>;
  /** A page of settled history, oldest first: the last one, or the one that ends before a message. @throws {ChatError} `not_found` */
  messages(options?: { before?: string }): Promise<{ messages: Message[]; hasEarlier: boolean }>;
}

/**
 * A thread by its address, for code that runs in the Worker and holds the binding.
 * @throws {ChatError} `configuration` for a missing binding, an `as` that is not a `system:` name, or an address or owner that cannot be
 * @example
 * import { getThread, type ChatNamespace } from "chatcell";
 *
 * export async function remind(namespace: ChatNamespace, threadId: string, day: string) {
 *   const thread = getThread(namespace, { threadId }, { as: "system:cron" });
 *   // One for each day: the same id again is the same message, which is there already.
 *   await thread.send("What is due today?", { id: `digest-${day}` });
 * }
 */
export function getThread(
  namespace: ChatNamespace,
  { tenant = "", threadId }: ThreadAddress,
  { as, create }: GetThreadOptions,
): ThreadHandle {
  requireNamespace(namespace);
  const principal = { id: as };
  if (!isSystem(principal)) throw new ChatError("configuration", '`as` must begin with "system:", for example "system:cron".');
  if (!THREAD_ID.test(threadId)) throw new ChatError("configuration", "`threadId` must be 1 to 64 characters of A-Z a-z 0-9 _ -.");
  // The same rules as for a principal that signs in: an address or an owner that nobody can have would be lost.
  validatePrincipal({ id: create?.owner ?? "anyone", ...(tenant !== "" ? { tenant } : {}) });
  const command = async (frame: Record<string, unknown>): Promise<AckFrame> => {
    const request = { principal, tenant, threadId, command: frame, ...(create ? { create } : {}) };
    const answer = await stubOf(namespace, tenant, threadId).command(request);
    if (!answer.ok) throw toChatError(answer.error);
    return answer.ack;
  };
  return {
    send: async (input, { id = newId(), messageId = `${id}-m`, body } = {}) => {
      if (messageId.length > 64) throw new ChatError("bad_request", "An `id` of more than 62 characters needs a `messageId` of its own.");
      const { result } = await command({ type: "send", id, messageId, parts: partsOf(input), ...(body !== undefined ? { body } : {}) });
      return { turnId: id, messageId, position: result?.position ?? 0 };
    },
    append: async (input, { id = newId(), metadata } = {}) => {
      await command({ type: "append", id, parts: partsOf(input), ...(metadata !== undefined ? { metadata } : {}) });
      return { messageId: id };
    },
    setState: async (value, { ifRev } = {}) => {
      const { rev } = await command({ type: "set", id: newId(), field: "state", value, ...(ifRev !== undefined ? { ifRev } : {}) });
      return { rev };
    },
    stop: async (turnId) => void (await command({ type: "stop", id: newId(), ...(turnId !== undefined ? { turnId } : {}) })),
    cancel: async (turnId) => void (await command({ type: "cancel", id: newId(), turnId })),
    messages: async ({ before } = {}) => {
      const request = { principal, ...(before !== undefined ? { before } : {}) };
      const answer = JSON.parse(await stubOf(namespace, tenant, threadId).page(request)) as PageAnswer;
      if (!answer.ok) throw toChatError(answer.error);
      return { messages: answer.messages, hasEarlier: answer.hasEarlier };
    },
  };
}

function partsOf(input: string | Part[]): Part[] {
  return typeof input === "string" ? [{ type: "text", text: input }] : input;
}
