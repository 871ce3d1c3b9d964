// The page: one client, one thread. Each snapshot is the whole truth, and every view takes from it what it shows.
import { createChatClient, type ChatSnapshot } from "chatcell/client";
import { createAnnouncer } from "./announcer.ts";
import { createComposer } from "./composer.ts";
import { createConnectionView } from "./connection-view.ts";
import { byId, setChildren } from "./dom.ts";
import { createMessageList } from "./message-list.ts";
import { createQueueView } from "./queue-view.ts";
import { createRefusalView } from "./refusal-view.ts";
import { createScroll } from "./scroll.ts";
import { keepThreadAddress, readThreadAddress } from "./thread-address.ts";
import { renderMissing, renderWelcome } from "./welcome.ts";

const address = readThreadAddress();
const chat = createChatClient({ url: "/chat", threadId: address.id, create: address.isNew });

const refusal = createRefusalView(byId("refusal"), chat);
/** What becomes of a message stands in the snapshot, beside it; there is nothing more to do with a rejection. */
const keepAddress = (sending: Promise<unknown>): void => {
  refusal.clear();
  sending.then(
    () => keepThreadAddress(address.id),
    () => {},
  );
};
const send = (text: string): void => {
  scroll.toBottom();
  keepAddress(chat.send(text));
};

const scroll = createScroll();
const composer = createComposer(send, () => void refusal.follow(chat.stop()));
const connection = createConnectionView(byId("connection"), () => chat.reconnect());
const list = createMessageList(byId("messages"), {
  retry: (messageId) => keepAddress(chat.retry(messageId)),
  regenerate: (messageId) => void refusal.follow(chat.regenerate(messageId)),
  goOn: (messageId) => void refusal.follow(chat.continue(messageId)),
  approve: (approvalId, approved) => void refusal.follow(chat.approve(approvalId, { approved })),
  loadPart: chat.loadPart,
});
const queue = createQueueView(byId("queue"), (turnId) => void refusal.follow(chat.cancel(turnId)));
const announce = createAnnouncer(byId("announcer"));
const earlier = byId("earlier") as HTMLButtonElement;
const welcome = renderWelcome(send);
const opening = byId("opening");

function render(snapshot: ChatSnapshot): void {
  const { messages, status } = snapshot;
  scroll.keeping(() => {
    earlier.hidden = !snapshot.hasEarlier;
    list.update(messages, status === "ready" || status === "error");
  });
  queue.update(snapshot.queue);
  connection.update(snapshot.connection);
  composer.update(status === "submitted" || status === "streaming" || status === "waiting");
  setChildren(byId("blank"), blank(snapshot));
  // Not for a message that has yet to reach the server.
  const isUnderway = messages.at(-1)?.delivery !== "sending";
  byId("typing").hidden = status !== "submitted" || !isUnderway;
  document.title = titleOf(snapshot);
  announce(snapshot);
}

/** What stands in place of messages. */
function blank({ messages, queue, connection }: ChatSnapshot): Node[] {
  const isMissing = connection.kind === "stopped" && messages.length === 0;
  byId("composer").hidden = isMissing;
  if (isMissing) return [missing(connection.reason.code, connection.reason.message)];
  if (messages.length > 0 || queue.length > 0) return [];
  return address.isNew || connection.kind === "live" ? [welcome] : [opening];
}

let missingPage: HTMLElement | undefined;
function missing(code: string, message: string): HTMLElement {
  missingPage ??=
    code === "not_found" || code === "gone"
      ? renderMissing("There is no chat here.", "No chat has this address, or it belongs to someone else.")
      : renderMissing("This chat cannot be opened.", message);
  return missingPage;
}

function titleOf({ thread, messages }: ChatSnapshot): string {
  const [first] = messages[0]?.parts ?? [];
  const name = thread.title ?? (first?.type === "text" ? first.text.slice(0, 60) : "New chat");
  return `${name} · chatcell`;
}

earlier.addEventListener("click", () => {
  earlier.disabled = true;
  void refusal.follow(chat.loadEarlier()).then(() => {
    earlier.disabled = false;
    // The button may be gone now, and the focus must be somewhere.
    if (earlier.hidden) byId("viewport").focus({ preventScroll: true });
  });
});

if (address.isValid) {
  chat.subscribe(render);
} else {
  byId("composer").hidden = true;
  setChildren(byId("blank"), [missing("not_found", "")]);
}
if (matchMedia("(hover: hover)").matches) composer.focus();
