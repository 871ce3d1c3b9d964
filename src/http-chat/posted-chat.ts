// What the AI SDK's transport posts: `{ id, messages, trigger, messageId, …body }`. Of the transcript the last message is read,
// and nothing else is believed.
import { ChatError } from "../errors.ts";
import type { Part } from "../protocol/messages.ts";

/** A message as it was posted: by anybody, about anything. */
export interface PostedMessage {
  id: string;
  role: "user" | "assistant";
  parts: Part[];
  metadata?: unknown;
}

export interface PostedChat {
  threadId: string;
  message: PostedMessage;
  isRegenerate: boolean;
  /** Id of the message that the request is about, in the page. Absent for a new one. */
  messageId: string | undefined;
  /** The app's per-request input: every other field. */
  body: Record<string, unknown> | undefined;
}

const THREAD_ID = /^[\w-]{1,64}$/;
const MAX_ID_LENGTH = 256;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const isId = (value: unknown): value is string => typeof value === "string" && value.length > 0 && value.length <= MAX_ID_LENGTH;

/**
 * The form of a posted body. A page that posts only its last message, as `message`, is as welcome.
 * @throws {ChatError} `bad_request`
 */
export function parsePostedChat({ id, messages, message, trigger, messageId, ...rest }: Record<string, unknown>): PostedChat {
  if (typeof id !== "string" || !THREAD_ID.test(id)) {
    throw new ChatError("bad_request", "`id` must be a thread id, 1 to 64 characters of A-Z a-z 0-9 _ -: give `useChat` an `id`.");
  }
  if (messageId !== undefined && messageId !== null && !isId(messageId)) throw new ChatError("bad_request", "`messageId` is no id.");
  return {
    threadId: id,
    message: parseMessage(message ?? (Array.isArray(messages) ? messages.at(-1) : undefined)),
    isRegenerate: trigger === "regenerate-message",
    messageId: messageId ?? undefined,
    body: Object.keys(rest).length > 0 ? rest : undefined,
  };
}

function parseMessage(value: unknown): PostedMessage {
  if (!isObject(value)) throw new ChatError("bad_request", "`messages` must end with a message.");
  const { id, role, parts, metadata } = value;
  const isWhole = isId(id) && (role === "user" || role === "assistant") && Array.isArray(parts);
  if (!isWhole || !parts.every((part) => isObject(part) && typeof part.type === "string")) {
    throw new ChatError("bad_request", "The last message must be one of the AI SDK, by a user or the assistant.");
  }
  return { id, role, parts: parts as Part[], metadata };
}
