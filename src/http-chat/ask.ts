// What a post asks for, as commands. A page that posts twice asks once: what is under way already is followed, and the ids of what
// is new follow from the post and from what the thread shows.
import { giveAnswers, lacksNothing } from "../ai-sdk/answers.ts";
import { viewOf } from "../ai-sdk/chat.ts";
import type { Told } from "../ai-sdk/message-chunks.ts";
import { partsOf } from "../ai-sdk/requests.ts";
import type { ChatClient, ChatSnapshot } from "../client/types.ts";
import { ChatError, isChatError } from "../errors.ts";
import type { Part } from "../protocol/messages.ts";
import { deriveId, pageIdOf, type PageId } from "./derived-ids.ts";
import type { PostedChat } from "./posted-chat.ts";

/** So often a message that was taken out of the queue may be sent again. */
const MAX_CANCELLED = 20;

/** A turn to follow, and what its reader holds of the reply. */
export interface Asked {
  client: ChatClient;
  turnId: string;
  held?: Told;
}

/** Makes a client of the thread, which takes these ids first; with `create`, one that makes the thread with what it sends. */
export type OpenClient = (options?: { create?: boolean; ids?: string[] }) => ChatClient;

/**
 * Has done what is new in a post. Whatever else stands in it, it can only be what this principal may do.
 * @throws {ChatError} (rejects) what the server refused it with; `already_resolved` when nothing is new
 */
export async function ask(posted: PostedChat, principalId: string, open: OpenClient): Promise<Asked> {
  const { message, messageId, isRegenerate } = posted;
  if (message.role !== "user" && !isRegenerate) return answer(posted, open());
  const asking = new Asking(posted, principalId, await pageIdOf(message.id), open);
  return !isRegenerate && messageId === undefined ? asking.send() : asking.again();
}

class Asking {
  readonly #posted: PostedChat;
  readonly #principalId: string;
  readonly #pageId: PageId;
  readonly #open: OpenClient;
  readonly #parts: Part[];

  constructor(posted: PostedChat, principalId: string, pageId: PageId, open: OpenClient) {
    this.#posted = posted;
    this.#principalId = principalId;
    this.#pageId = pageId;
    this.#open = open;
    this.#parts = partsOf(posted.message);
  }

  #derive(...what: unknown[]): Promise<string> {
    const { threadId, message, body } = this.#posted;
    return deriveId(this.#principalId, threadId, message.id, body, ...what);
  }

  /** A new message, which makes the thread when there is none. */
  async send(): Promise<Asked> {
    const parts = this.#parts;
    const { body } = this.#posted;
    const messageId = this.#pageId.own ?? (await this.#pageId.next(parts));
    const ids = [await this.#derive("send", parts), messageId];
    const client = this.#open({ create: true, ids });
    const { turnId } = await client.send({ parts, body });
    let asked = { client, turnId };
    // What was taken out of the queue is told as accepted all the same, and a page that sends it again wants it.
    for (let again = 1; again <= MAX_CANCELLED && isGone(await viewOf(client), asked.turnId, messageId); again++) {
      ids.push(await this.#derive("send", parts, again), messageId);
      try {
        asked = { client, turnId: (await client.send({ parts, body })).turnId };
      } catch (error) {
        // It is in the thread, further up than the view reaches.
        if (isChatError(error, "id_reused")) return asked;
        throw error;
      }
    }
    return asked;
  }

  /** Another reply to a message that is there, or one that says something else in its place. */
  async again(): Promise<Asked> {
    const ids: string[] = [];
    const client = this.#open({ ids });
    const view = await viewOf(client).catch((error: unknown) => {
      if (!isChatError(error, "not_found")) throw error;
      return undefined;
    });
    const { message, isRegenerate, body } = this.#posted;
    const { is, own } = this.#pageId;
    const queued = view?.queue.find(({ messageId, parts }) => parts.length > 0 && is(messageId));
    const known = view?.messages.findLast(({ id }) => is(id));
    if (!queued && !known && !view?.hasEarlier && message.role === "user") {
      client.close();
      return this.send();
    }
    const here = queued ?? known;
    const isOther = !isRegenerate && JSON.stringify(here && partsOf(here)) !== JSON.stringify(this.#parts);
    if (queued) {
      if (isOther) await client.edit({ turnId: queued.turnId, parts: this.#parts, body });
      return { client, turnId: queued.turnId };
    }
    const messageId = known?.id ?? own;
    if (messageId === null) throw new ChatError("not_found", "The message is not among the last ones of the thread.");
    if (isOther) return this.#edit(client, ids, messageId);
    const underWay = view && turnAbout(view, messageId, isRegenerate);
    if (underWay !== undefined) return { client, turnId: underWay };
    // The same post after another reply asks for one more.
    const state = view && stateOf(view, messageId);
    ids.push(await this.#derive("regenerate", messageId, state));
    const { turnId } = await client.regenerate(messageId, { body });
    return { client, turnId };
  }

  async #edit(client: ChatClient, ids: string[], messageId: string): Promise<Asked> {
    const parts = this.#parts;
    ids.push(await this.#derive("edit", messageId, parts), await this.#pageId.next(messageId, parts));
    const { turnId } = await client.edit({ messageId, parts, body: this.#posted.body });
    return { client, turnId };
  }
}

/** Whether a turn that was accepted, with this message, is neither under way nor over: it was taken out of the queue. */
function isGone({ turn, queue, messages }: ChatSnapshot, turnId: string, messageId: string): boolean {
  const isQueued = [...queue, ...messages].some((own) => own.turnId === turnId);
  return turn?.id !== turnId && !isQueued && !messages.some(({ id }) => id === messageId);
}

/** The turn that answers `messageId` now, or waits to; of those that `regenerate` asks for only another reply. */
function turnAbout({ turn, queue }: ChatSnapshot, messageId: string, isRegenerate: boolean): string | undefined {
  if (turn?.parent === messageId && (!isRegenerate || turn.kind === "regenerate")) return turn.id;
  return queue.find((item) => item.kind === "regenerate" && item.messageId === messageId)?.turnId;
}

/** What tells one time of asking from the next: the reply that is there, and how the last turn about the message ended. */
function stateOf({ messages }: ChatSnapshot, messageId: string): unknown[] {
  const message = messages.find(({ id }) => id === messageId);
  return [messages.find(({ parent }) => parent === messageId)?.id, message?.facts?.endedAt, message?.lastTurn?.endedAt];
}

/** The answers in a reply that only the page knows of: approvals, and outputs of client tools. */
async function answer({ message, messageId }: PostedChat, client: ChatClient): Promise<Asked> {
  const { messages, turn } = await viewOf(client);
  const own = messages.find(({ id }) => id === message.id);
  const isLive = turn?.messageId === message.id;
  const isOfAnother = messageId !== undefined && messageId !== message.id;
  // To answer with a stream would have the page ask for ever: by its own rule the reply is complete.
  if (!own || isOfAnother || (!isLive && lacksNothing(message, own))) {
    throw new ChatError("already_resolved", "The last message of the page answers nothing that is open in the thread.");
  }
  if (isLive) await giveAnswers(client, message, own);
  return { client, turnId: isLive ? turn.id : message.id, held: message };
}
