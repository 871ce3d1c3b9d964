// What the bindings share. A binding takes a client, which stays the app's, or the options of one, which is then the binding's:
// it opens with its first subscriber and closes after its last one, so no framework has to say when a page is left.
import { createChatClient } from "./chat-client.ts";
import { page, safely } from "./page.ts";
import { now } from "./ticket-source.ts";
import type { ChatClient, ChatClientOptions, ChatSnapshot, ChatTypes } from "./types.ts";

/**
 * A client, which the app closes, or the options of one, which is closed when its last subscriber leaves. Of options that
 * change, `headers` and `credentials` count at once, `url` and `threadId` make another client, the rest is not looked at again.
 */
export type ThreadSource<Types extends ChatTypes = ChatTypes> = ChatClient<Types> | ChatClientOptions;

/** What a page can do in a thread: the methods of a client that are no store. */
export type ThreadCommands<Types extends ChatTypes = ChatTypes> = Omit<ChatClient<Types>, "getSnapshot" | "subscribe">;

/** Only a page has an address that another can be relative to; on a server, where nothing is opened, any will do. */
const NOWHERE = "http://server.invalid";

function isClient<Types extends ChatTypes>(source: ThreadSource<Types>): source is ChatClient<Types> {
  return "subscribe" in source;
}

/** Sources with the same key mean the same client. */
export function keyOf<Types extends ChatTypes>(source: ThreadSource<Types>): unknown {
  return isClient(source) ? source : `${source.url} ${source.threadId}`;
}

/** What a client of this thread shows before it is connected: what a server renders, and so the first render of its page. */
export function initialSnapshot<Types extends ChatTypes>({ getSnapshot }: ChatClient<Types>): ChatSnapshot<Types> {
  return createChatClient<Types>({ url: NOWHERE, threadId: getSnapshot().thread.id }).getSnapshot();
}

/** The client of a source. `latest` is asked for the source as it is now, for each ticket. */
export function openThread<Types extends ChatTypes>(source: ThreadSource<Types>, latest: () => ThreadSource<Types>): ChatClient<Types> {
  if (isClient(source)) return source;
  const options = () => latest() as ChatClientOptions;
  const client = createChatClient<Types>({
    ...source,
    url: new URL(source.url, page.location?.href ?? NOWHERE).href,
    headers: async () => (await now(options().headers)) ?? {},
    credentials: async () => (await now(options().credentials)) ?? "same-origin",
  });
  return holdOpen(client, source.url);
}

/**
 * `subscribe` of a client that tells what there is at once, and has an effect (connects it, closes it) at the end of the task: so
 * a page renders first what its server did, and a subscriber may go and come back on one connection (StrictMode, hot reload).
 * @param left hears of each subscriber that goes
 */
export function subscribeLater<Types extends ChatTypes>(
  { getSnapshot, subscribe }: ChatClient<Types>,
  left = () => {},
): ChatClient<Types>["subscribe"] {
  return (listener) => {
    let isOver = false;
    let end: (() => void) | undefined;
    queueMicrotask(() => {
      if (!isOver) end = subscribe(listener);
    });
    safely(() => listener(getSnapshot()));
    return () => {
      if (isOver) return;
      isOver = true;
      end?.();
      left();
    };
  };
}

/**
 * `client`, which closes when nobody is subscribed any more, but not on a message of ours that is on its way. A command opens it
 * also when nobody is subscribed: then it closes when that is answered.
 */
function holdOpen<Types extends ChatTypes>(client: ChatClient<Types>, url: string): ChatClient<Types> {
  let subscribers = 0;
  /** They, and commands that were given without any. */
  let holders = 0;

  const isSending = () => {
    const { messages, queue } = client.getSnapshot();
    return [...messages, ...queue].some(({ delivery }) => delivery === "sending");
  };

  const leave = () => {
    if (holders) return;
    if (!isSending()) return client.close();
    const end = client.subscribe(() => {
      if (!holders && isSending()) return;
      end();
      leave();
    });
  };

  const release = () => {
    holders--;
    queueMicrotask(leave);
  };

  const subscribe = subscribeLater(client, () => {
    subscribers--;
    release();
  });

  const members = Object.entries(client).map(([name, member]) => [
    name,
    (...args: unknown[]) => {
      const answer = (member as (...args: unknown[]) => unknown)(...args);
      // With subscribers it is left alone: a refusal that nobody handles is to be reported.
      if (!subscribers && answer instanceof Promise) {
        holders++;
        answer.then(release, release);
      }
      return answer;
    },
  ]);

  return {
    ...(Object.fromEntries(members) as typeof client),
    subscribe: (listener) => {
      new URL(url, page.location?.href); // Throws where a relative address means nothing.
      subscribers++;
      holders++;
      return subscribe(listener);
    },
  };
}
