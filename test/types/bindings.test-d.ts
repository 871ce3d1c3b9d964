// Compiled, never run: a line that must not compile is marked so, and the compiler fails when it does.
import type { Readable } from "svelte/store";
import type { ComputedRef } from "vue";
import { createChatClient } from "../../src/client/chat-client.ts";
import type { ChatClient, ChatMessage, ChatSnapshot, ChatStatus } from "../../src/client/types.ts";
import { type Thread as ReactThread, useThread } from "../../src/react/use-thread.ts";
import { createThread, type Thread as SvelteThread } from "../../src/svelte/create-thread.ts";
import { useThread as useVueThread, type Thread as VueThread } from "../../src/vue/use-thread.ts";

interface StudyTypes {
  metadata: { tokens: number };
  dataParts: { weather: { city: string } };
  tools: { search: { input: { query: string }; output: string[] } };
  body: { tone: string };
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_is: Same<A, B>): void {}

const options = { url: "/chat", threadId: "thread" };
const client = createChatClient<StudyTypes>(options);

// React: the types of an app come with its client, or are named.
const thread = useThread(client);
same<typeof thread, ReactThread<StudyTypes>>(true);
same<typeof thread.messages, readonly ChatMessage<StudyTypes>[]>(true);
same<typeof thread.client, ChatClient<StudyTypes>>(true);
same<typeof thread.status, ChatStatus>(true);
same<ReturnType<typeof useThread<StudyTypes>>, ReactThread<StudyTypes>>(true);
const named = useThread<StudyTypes>({ ...options, create: true, headers: () => ({ authorization: "a" }) });
void named.send({ text: "Hello", body: { tone: "dry" } });
void named.send("Hello").settled.then((reply) => reply?.metadata?.tokens.toFixed());
for (const { parts } of named.messages) {
  for (const part of parts) {
    if (part.type === "data-weather") part.data.city.trim();
    if (part.type === "tool-search" && part.state === "output-available") part.output.join(part.input.query);
    // @ts-expect-error no such data part
    if (part.type === "data-traffic") part.data satisfies never;
  }
}
// @ts-expect-error the body of a message has the app's type
void named.send({ text: "Hello", body: { tone: 7 } });
// @ts-expect-error a snapshot is not to be changed
named.messages.push();
// @ts-expect-error the store is the client's: `named.client.subscribe`
named.subscribe(() => {});
// @ts-expect-error a thread has an id
useThread({ url: "/chat" });
// @ts-expect-error the types of an app are an object of these fields
useThread<{ tools: string }>(options);
// @ts-expect-error neither options nor a client
useThread("thread");

// React: what a selector takes is what there is.
same<ReturnType<typeof selectStatus>, ChatStatus>(true);
const selectStatus = () => useThread(client, (snapshot) => snapshot.status);
const tokens: (number | undefined)[] = useThread(
  client,
  ({ messages }) => messages.map(({ metadata }) => metadata?.tokens),
  (a, b) => a.length === b.length,
);
void tokens;
same<ReturnType<typeof selectTyped>, ChatMessage<StudyTypes> | undefined>(true);
const selectTyped = () => useThread(options, (snapshot: ChatSnapshot<StudyTypes>) => snapshot.messages.at(-1));
// @ts-expect-error a snapshot has no such field
useThread(client, ({ colour }) => colour);
const areSame = (a: number, b: number) => a === b;
// @ts-expect-error what is compared is what was selected
useThread(client, (snapshot: ChatSnapshot<StudyTypes>) => snapshot.status, areSame);
// @ts-expect-error what is selected has no commands
useThread(client, ({ status }) => status).send("Hello");

// Vue: a ref for each field, plain commands, and any way to say which thread.
const inVue = useVueThread(client);
same<typeof inVue, VueThread<StudyTypes>>(true);
same<typeof inVue.messages, ComputedRef<readonly ChatMessage<StudyTypes>[]>>(true);
same<typeof inVue.send, ChatClient<StudyTypes>["send"]>(true);
same<typeof inVue.client.value, ChatClient<StudyTypes>>(true);
same<typeof inVue.snapshot.value, ChatSnapshot<StudyTypes>>(true);
void useVueThread<StudyTypes>(() => options).send({ text: "Hello", body: { tone: "dry" } });
useVueThread<StudyTypes>(() => client);
// @ts-expect-error refs are read only
inVue.status.value = "ready";
// @ts-expect-error a field is a ref
inVue.status.trim();
// @ts-expect-error a getter says which thread, not later which
useVueThread(async () => options);
// @ts-expect-error the store is the client's: `inVue.client.value.subscribe`
inVue.subscribe(() => {});

// Svelte: a client, and its snapshot.
const inSvelte = createThread<StudyTypes>(options);
same<typeof inSvelte, SvelteThread<StudyTypes>>(true);
same<typeof inSvelte.current, ChatSnapshot<StudyTypes>>(true);
export const asClient: ChatClient<StudyTypes> = createThread(client);
export const asStore: Readable<ChatSnapshot<StudyTypes>> = inSvelte;
void inSvelte.send({ text: "Hello", body: { tone: "dry" } });
// @ts-expect-error the present snapshot is what there is
inSvelte.current = inSvelte.getSnapshot();
// @ts-expect-error other types
export const asOther: SvelteThread<{ metadata: string }> = createThread<StudyTypes>(options);
