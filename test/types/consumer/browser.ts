// A user's page that exports what it infers: each line fails with TS2883 when one of our types cannot be named from an entry.
import { createChatClient } from "chatcell/client";

export const chat = createChatClient({ url: "/chat", threadId: "thread" });
export const snapshot = () => chat.getSnapshot();
export const status = () => chat.getSnapshot().status;
export const last = () => chat.getSnapshot().messages.at(-1);
export const unsubscribe = chat.subscribe((next) => next.messages);
export const sent = async () => chat.send("Hello");
