// Compiled, never run: a line that must not compile is marked so, and the compiler fails when it does.
import { useChat } from "@ai-sdk/react";
import { Chat as SvelteChat } from "@ai-sdk/svelte";
import { useChat as useVueChat } from "@ai-sdk/vue";
import type { ChatTransport as ChatTransport7, UIMessage } from "ai";
import type { ChatTransport as ChatTransport6, UIMessage as UIMessage6 } from "ai-6";
import { createChatTransport } from "../../src/ai-sdk/create-chat-transport.ts";
import type { ChatTransport } from "../../src/ai-sdk/types.ts";

type StudyMessage = UIMessage<{ tokens: number }, { weather: { city: string } }>;

const options = { url: "/chat" };
const transport = createChatTransport(options);

// It is a transport of either major, and of the copies that packages bring along.
export const of7: ChatTransport7<UIMessage> = transport;
export const of6: ChatTransport6<UIMessage6> = transport;
export const study7: ChatTransport7<StudyMessage> = createChatTransport<StudyMessage>(options);
export const study6: ChatTransport6<UIMessage6<{ tokens: number }>> = createChatTransport<UIMessage6<{ tokens: number }>>(options);
useChat({ transport });
useVueChat({ transport });
new SvelteChat({ transport });

// What it loads and what is watched are messages for the hook.
const inReact = useChat<StudyMessage>({ transport: createChatTransport<StudyMessage>(options) });
createChatTransport<StudyMessage>(options).watch("id", inReact.setMessages);
const ofVue = createChatTransport(options);
const inVue = useVueChat({ transport: ofVue, messages: await ofVue.load("id") });
ofVue.watch("id", (messages) => (inVue.messages.value = messages));
const ofSvelte = createChatTransport(options);
const inSvelte = new SvelteChat({ transport: ofSvelte, messages: await ofSvelte.load("id") });
ofSvelte.watch("id", (messages) => {
  inSvelte.messages = messages;
});

// The client of a chat has the app's types.
const typed: ChatTransport<UIMessage, { state: { topic: string } }> = createChatTransport(options);
typed.client("id").getSnapshot().state?.topic.trim();
// @ts-expect-error no such field
typed.client("id").getSnapshot().state?.colour.trim();

// @ts-expect-error an address is needed
createChatTransport({});
// @ts-expect-error the id of a thread is that of the chat
createChatTransport({ url: "/chat", threadId: "id" });
// @ts-expect-error one of two words
createChatTransport({ url: "/chat", onAbort: "cancel" });
// @ts-expect-error a message is one of the AI SDK
createChatTransport<{ text: string }>(options);
