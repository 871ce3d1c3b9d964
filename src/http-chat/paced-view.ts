// The view of a client with the text of one turn let out evenly: a stream that passes flushes on would show one jump after
// another, since a page with the AI SDK shows what comes when it comes.
import { reveal, revealed, withCut, type Reveal } from "../client/pacing.ts";
import type { ChatClient, ChatSnapshot } from "../client/types.ts";
import type { Part } from "../protocol/messages.ts";
import { END_SPREAD_MS, SPREAD_MS } from "../protocol/pacing.ts";

/** Time between two looks at what is held: a flush of 500 ms leaves in ten pieces. */
const TICK_MS = 50;

/**
 * `client` with the reply of `turnId` as far as it is let out, at most 500 ms late, and 250 ms after the end of the turn. What is
 * there at the first look is shown at once: it was written before anybody came.
 */
export function paceView(client: ChatClient, turnId: string): ChatClient {
  let messageId = turnId;
  let former: Reveal | undefined;
  let isFirst = true;
  let source: ChatSnapshot | undefined;
  let shown: ChatSnapshot | undefined;
  let isDue = true;

  const look = (snapshot: ChatSnapshot): ChatSnapshot => {
    const { messages, turn } = snapshot;
    const isLive = turn?.id === turnId;
    if (isLive) ({ messageId } = turn);
    const message = messages.find(({ id }) => id === messageId);
    if (!message) return snapshot;
    const parts = message.parts as Part[];
    const isOver = message.createdAt !== undefined;
    former ??= revealed(messageId, isFirst ? parts : parts.slice(0, turn?.base));
    former = reveal(former, parts, isOver ? END_SPREAD_MS : SPREAD_MS, Date.now());
    if (!former.isCut) return snapshot;
    return { ...snapshot, messages: withCut(messages, message, former) };
  };

  const getSnapshot = () => {
    const snapshot = client.getSnapshot();
    if (shown && snapshot === source && !isDue) return shown;
    source = snapshot;
    isDue = false;
    shown = look(snapshot);
    // Before the first view nobody knows what was there.
    if (snapshot.connection.kind === "live") isFirst = false;
    return shown;
  };

  return {
    ...client,
    getSnapshot,
    subscribe: (listener) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const tell = () => {
        listener(getSnapshot());
        if (!former?.isCut || timer) return;
        timer = setTimeout(() => {
          timer = undefined;
          isDue = true;
          tell();
        }, TICK_MS);
      };
      const leave = client.subscribe(tell);
      return () => {
        if (timer !== undefined) clearTimeout(timer);
        leave();
      };
    },
  };
}
