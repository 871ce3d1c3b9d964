// What `useChat` asks for, as what a thread understands: only what is new goes up, once.
import type { ChatSnapshot } from "../client/types.ts";
import type { ErrorBody } from "../errors.ts";
import type { Part } from "../protocol/messages.ts";
import { giveAnswers, lacksNothing } from "./answers.ts";
import { type Chat, viewOf } from "./chat.ts";
import type { Told } from "./message-chunks.ts";
import { silence } from "./silence.ts";
import type { AnyUIMessage, TransportRequest } from "./types.ts";

/** The turn that a request is about, and what its reader holds of the reply. */
export interface Asked {
  turnId: string;
  held?: Told;
}

/** The view of a thread; undefined when there is none for whoever asks. @throws {ChatError} (rejects) for what else stops the client */
export function tryView({ client, isClosed }: Chat): Promise<ChatSnapshot | undefined> {
  return viewOf(client, isClosed).catch((error: ErrorBody) => {
    if (error.code !== "not_found") throw error;
    return undefined;
  });
}

/** What of a message may go up: of a text only the text. The server refuses parts of other types. */
export function partsOf({ parts }: Pick<AnyUIMessage, "parts">): Part[] {
  return (parts as Part[]).map((part) => (part.type === "text" ? { type: "text", text: part.text } : part));
}

/**
 * Has done what is new in a request.
 * @throws {ChatError} (rejects) what the server refused it with; in silence when nothing is new
 */
export async function ask(chat: Chat, { trigger, messageId, messages, body }: TransportRequest): Promise<Asked> {
  const message = messages.find(({ id }) => id === messageId) ?? messages.at(-1);
  if (!message) throw silence("No message");
  const isRegenerate = trigger === "regenerate-message";
  if (message.role !== "user" && !isRegenerate) return answer(chat, message);
  // Without an id, it is a new one.
  if (!isRegenerate && messageId === undefined) return chat.send(message.id, partsOf(message), body);
  return askAgain(chat, message, !isRegenerate, body);
}

/** Another reply to `message`, which says something else now, was sent in vain, or stays as it is. */
async function askAgain(chat: Chat, message: AnyUIMessage, mayDiffer: boolean, body: unknown): Promise<Asked> {
  const { client } = chat;
  const messageId = chat.idOf(message.id);
  const parts = partsOf(message);
  const view = (await tryView(chat)) ?? client.getSnapshot();
  const known = view.messages.find(({ id }) => id === messageId);
  const queued = known?.delivery ? known : view.queue.find((item) => item.messageId === messageId);
  const hasFailed = known?.delivery === "failed";
  const here = known ?? queued;
  const isOther = mayDiffer && (!here || JSON.stringify(partsOf(here)) !== JSON.stringify(parts));
  // The server never had it: an attempt before this page, or of a client that is gone.
  if (!here && !view.hasEarlier) return chat.send(message.id, parts, body);
  if (queued?.turnId && !hasFailed) {
    if (isOther) await client.edit({ turnId: queued.turnId, parts, body });
    return { turnId: queued.turnId };
  }
  if (isOther) return chat.as(message.id, client.edit({ messageId, parts, body }));
  return hasFailed ? client.retry(messageId) : client.regenerate(messageId, { body });
}

/** The answers in a reply that only `useChat` knows of. */
async function answer(chat: Chat, held: AnyUIMessage): Promise<Asked> {
  const messageId = chat.idOf(held.id);
  const { messages = [], turn } = (await tryView(chat)) ?? {};
  const message = messages.find(({ id }) => id === messageId);
  const isLive = turn?.messageId === messageId;
  // To say so aloud would have `useChat` ask for ever: by its own rule the reply is complete.
  if (!message || (!isLive && lacksNothing(held, message))) throw silence("Nothing to answer");
  if (isLive) await giveAnswers(chat.client, held, message);
  return { turnId: isLive ? turn.id : messageId, held: held as Told };
}
