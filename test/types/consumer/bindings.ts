// A user's components that export what they infer: each line fails with TS2883 when one of our types cannot be named from an entry.
import { createChatClient } from "chatcell/client";
import { useThread } from "chatcell/react";
import { createThread } from "chatcell/svelte";
import { useThread as useVueThread } from "chatcell/vue";

const options = { url: "/chat", threadId: "thread" };

export const inReact = () => useThread(options);
export const ofClient = () => useThread(createChatClient(options));
export const selected = () => useThread(options, ({ messages, queue }) => ({ messages, queue }));
export const inVue = () => useVueThread(() => options);
export const vueCommands = () => {
  const { messages, status, send, stop } = useVueThread(options);
  return { messages, status, send, stop };
};
export const inSvelte = createThread(options);
export const current = () => inSvelte.current;
