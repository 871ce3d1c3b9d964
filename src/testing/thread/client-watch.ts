// The clients of a test thread: real ones, each in a virtual browser of its own, and a note of what they were promised.
import { createChatClient } from "../../client/chat-client.ts";
import type { ChatClient, ClientDeps } from "../../client/types.ts";
import type { Principal } from "../../protocol/principal.ts";
import type { VirtualBrowser } from "../world/virtual-network.ts";

export interface WatchedClient {
  readonly principal: Principal;
  readonly browser: VirtualBrowser;
  readonly client: ChatClient;
  /** Promises of commands that are not kept or broken yet, by what they are of. */
  readonly pending: ReadonlySet<string>;
  /** Turns that were asked for and accepted, and of which the client has not heard the end. */
  readonly unsettled: ReadonlySet<string>;
}

export interface ClientSetup {
  url: string;
  threadId: string;
  create: boolean;
  /** What stands for the principal. */
  token: string;
  deps: ClientDeps;
}

/** What a client gives besides promises of commands. */
const QUIET = new Set(["getSnapshot", "subscribe", "connect", "reconnect", "close"]);

/** A client that is not connected yet, and a look at all that it promises. */
export function openClient(principal: Principal, browser: VirtualBrowser, setup: ClientSetup): WatchedClient {
  const { url, threadId, create, token, deps } = setup;
  const client = createChatClient({
    url,
    threadId,
    create,
    headers: { authorization: `Bearer ${token}` },
    // Each flush is shown as it comes, also where a test has a DOM.
    pacing: false,
    fetch: browser.fetch,
    WebSocket: browser.WebSocket,
    deps,
  });
  const pending = new Set<string>();
  const unsettled = new Set<string>();
  let asked = 0;
  const follow = (name: string, promise: unknown): void => {
    if (!(promise instanceof Promise)) return;
    const what = `${name} ${++asked}`;
    pending.add(what);
    const isOver = (): void => void pending.delete(what);
    promise.then((result: { turnId?: string } | undefined) => {
      isOver();
      const { settled } = promise as Partial<ReturnType<ChatClient["send"]>>;
      const turnId = result?.turnId;
      if (!settled || turnId === undefined) return;
      unsettled.add(turnId);
      const isSettled = (): void => void unsettled.delete(turnId);
      settled.then(isSettled, isSettled);
    }, isOver);
  };
  const members = Object.entries(client).map(([name, member]) => {
    if (QUIET.has(name) || typeof member !== "function") return [name, member] as const;
    const call = (...given: never[]): unknown => {
      const promise = (member as (...given: never[]) => unknown)(...given);
      follow(name, promise);
      return promise;
    };
    return [name, call] as const;
  });
  return { principal, browser, client: Object.fromEntries(members) as unknown as ChatClient, pending, unsettled };
}
