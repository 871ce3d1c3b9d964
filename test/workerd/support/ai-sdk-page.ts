// A page without our client: `AbstractChat` and `DefaultChatTransport` of the AI SDK as they are, over the Worker under test. No
// assertions.
import * as ai7 from "ai";
import * as ai6 from "ai-6";
import type { ChatInit, ChatState, ChatStatus, UIMessage } from "ai";
import { newId } from "../../../src/protocol/ids.ts";
import { call, ORIGIN } from "./client.ts";

export type Release = 6 | 7;

export interface PageOptions {
  threadId?: string;
  user?: string;
  release?: Release;
  messages?: UIMessage[];
  init?: Partial<ChatInit<UIMessage>>;
}

/** A chat whose changes can be waited for. */
class PageState implements ChatState<UIMessage> {
  #messages: UIMessage[];
  #status: ChatStatus = "ready";
  error: Error | undefined;
  wake: () => void = () => {};

  constructor(messages: UIMessage[]) {
    this.#messages = messages;
  }

  get messages(): UIMessage[] {
    return this.#messages;
  }
  set messages(messages: UIMessage[]) {
    this.#messages = messages;
    this.wake();
  }
  get status(): ChatStatus {
    return this.#status;
  }
  set status(status: ChatStatus) {
    this.#status = status;
    this.wake();
  }

  pushMessage = (message: UIMessage): void => {
    this.messages = [...this.messages, message];
  };
  popMessage = (): void => {
    this.messages = this.messages.slice(0, -1);
  };
  replaceMessage = (index: number, message: UIMessage): void => {
    this.messages = this.messages.with(index, structuredClone(message));
  };
  snapshot = <Value>(value: Value): Value => structuredClone(value);
}

const Chat7 = class extends ai7.AbstractChat<UIMessage> {};
const Chat6 = class extends (ai6.AbstractChat as unknown as typeof ai7.AbstractChat)<UIMessage> {};

export class Page {
  readonly threadId: string;
  readonly chat: ai7.AbstractChat<UIMessage>;
  /** Each body that was posted. */
  readonly posts: Record<string, unknown>[] = [];
  /** Status of each answer. */
  readonly statuses: number[] = [];
  readonly headers: Record<string, string>;
  #wakers: (() => void)[] = [];

  constructor({ threadId = newId(), user = "user-1", release = 7, messages = [], init = {} }: PageOptions = {}) {
    this.threadId = threadId;
    this.headers = { authorization: `Bearer ${user}`, "x-thread": threadId, "x-release": String(release) };
    const state = new PageState(messages);
    state.wake = () => {
      for (const wake of this.#wakers.splice(0)) wake();
    };
    const { DefaultChatTransport } = (release === 6 ? ai6 : ai7) as typeof ai7;
    const transport = new DefaultChatTransport<UIMessage>({
      api: `${ORIGIN}/chat/ai-sdk`,
      headers: this.headers,
      fetch: async (url, request = {}) => {
        if (request.body) this.posts.push(JSON.parse(request.body as string) as Record<string, unknown>);
        const { method, headers, body, signal } = request;
        const response = await call((url as string).slice(ORIGIN.length), { method, headers, body, signal });
        this.statuses.push(response.status);
        return response;
      },
    });
    const Chat = release === 6 ? Chat6 : Chat7;
    this.chat = new Chat({ id: threadId, transport, state, generateId: newId, ...init });
  }

  /** A page that was reloaded: it has the history by plain HTTP. */
  static async load(options: PageOptions & { threadId: string }): Promise<Page> {
    const { headers } = new Page(options);
    const response = await call(`/chat/threads/${options.threadId}/messages`, { headers });
    const { messages } = await response.json<{ messages: UIMessage[] }>();
    return new Page({ ...options, messages });
  }

  /** Waits until what the page shows makes `isTrue` true. */
  async until(isTrue: (page: Page) => boolean): Promise<void> {
    while (!isTrue(this)) await new Promise<void>((resolve) => this.#wakers.push(resolve));
  }

  shows(text: string): Promise<void> {
    return this.until(({ texts }) => texts.some((each) => each.includes(text)));
  }

  get texts(): string[] {
    return textsOf(this.chat.messages);
  }

  /** Ends the turn, by the address that is there for it. */
  stop(): Promise<Response> {
    return call(`/chat/ai-sdk/${this.threadId}/stop`, { method: "POST", headers: this.headers });
  }
}

/** The texts of messages, each behind the first letter of its role. */
export function textsOf(messages: readonly { role: string; parts: readonly { type: string }[] }[]): string[] {
  return messages.map(({ role, parts }) => `${role[0]}: ${parts.map((part) => ("text" in part ? part.text : "")).join("")}`);
}

/** Posts a body by hand. */
export function postChat(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return call("/chat/ai-sdk", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer user-1", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** The chunks of an answer, and whether it ended as it must. */
export async function chunksOf(response: Response): Promise<{ type: string; [field: string]: unknown }[]> {
  const events = (await response.text()).split("\n\n").filter((event) => event.startsWith("data: "));
  if (events.pop() !== "data: [DONE]") throw new Error(`No end: ${events.join("\n")}`);
  return events.map((event) => JSON.parse(event.slice("data: ".length)) as { type: string });
}

export function userMessage(text: string, id: string = newId()): { id: string; role: "user"; parts: { type: "text"; text: string }[] } {
  return { id, role: "user", parts: [{ type: "text", text }] };
}
