// The page: one client, one thread. Each snapshot is the whole truth, and every view takes from it what it shows.
import { createChatClient, type ChatSnapshot } from "chatcell/client";
import { createAnnouncer } from "./announcer.ts";
import { createComposer } from "./composer.ts";
import { createConnectionView } from "./connection-view.ts";
import { byId, setChildren } from "./dom.ts";
import { createMessageList } from "./message-list.ts";
import { createQueueView } from "./queue-view.ts";
import { createScroll } from "./scroll.ts";
import { keepThreadAddress, readThreadAddress } from "./thread-address.ts";
import { renderMissing, renderWelcome } from "./welcome.ts";

const address = readThreadAddress();
const chat = createChatClient({ url: "/chat", threadId: address.id, create: address.isNew });

/** A refusal stands in the snapshot, beside what was refused; there is nothing more to do with the rejection. */
const ignore = (): void => {};
const send = (text: string): void => {
  scroll.toBottom();
  chat.send(text).then(() => keepThreadAddress(address.id), ignore);
};
const retry = (messageId: string): void => void chat.retry(messageId).then(() => keepThreadAddress(address.id), ignore);

const scroll = createScroll();
const composer = createComposer(send, () => void chat.stop().catch(ignore));
const connection = createConnectionView(byId("connection"), () => chat.reconnect());
const list = createMessageList(byId("messages"), {
  retry,
  regenerate: (messageId) => void chat.regenerate(messageId).catch(ignore),
  goOn: (messageId) => void chat.continue(messageId).catch(ignore),
  approve: (approvalId, approved) => void chat.approve(approvalId, { approved }).catch(ignore),
});
const queue = createQueueView(byId("queue"), (turnId) => void chat.cancel(turnId).catch(ignore));
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
      ? renderMissing("There is no chat here.", "It may have been deleted, or it belongs to someone else, or the address is not complete.")
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
  void chat
    .loadEarlier()
    .catch(ignore)
    .finally(() => {
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
