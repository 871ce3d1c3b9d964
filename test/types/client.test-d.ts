// Compiled, never run: a line that must not compile is marked so, and the compiler fails when it does.
import { createChatClient } from "../../src/client/chat-client.ts";
import { runClientTools } from "../../src/client/client-tools.ts";
import { storedOutbox } from "../../src/client/outbox-storage.ts";
import type { ChatClient, ChatMessage, ChatSnapshot, ClientTools, OutboxStorage } from "../../src/client/types.ts";

interface StudyTypes {
  metadata: { tokens: number };
  tools: {
    pickDate: { input: { from: number }; output: { date: string } };
    search: { input: { query: string }; output: string[] };
  };
  body: { tone: string };
  state: { plan: boolean; tasks: string[] };
  dataParts: { progress: { percent: number } };
  events: { typing: { name: string } };
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_is: Same<A, B>): void {}

const options = { url: "/chat", threadId: "thread" };
const client = createChatClient<StudyTypes>(options);
const { status, state, turn, thread } = client.getSnapshot();

// The snapshot.
same<typeof state, StudyTypes["state"] | undefined>(true);
if (status === "waiting") turn?.claims?.["call1"]?.trim();
thread.title?.trim();
// @ts-expect-error no such status
if (status === "working") thread.id.trim();
// @ts-expect-error a turn is not to be changed
if (turn) turn.state = "waiting";

// Turns.
const edited: Promise<ChatMessage<StudyTypes> | null> = client.edit({ messageId: "m", text: "Better", body: { tone: "dry" } }).settled;
const changed: Promise<void> = client.edit({ turnId: "t", parts: [{ type: "text", text: "Better" }] });
void [edited, changed, client.regenerate().settled, client.regenerate("m", { body: { tone: "dry" } }), client.continue("m").settled];
// @ts-expect-error a queued message has no reply of its own here: its `send` has
void client.edit({ turnId: "t", text: "Better" }).settled;
// @ts-expect-error which message
void client.edit({ text: "Better" });
// @ts-expect-error it says nothing
void client.edit({ messageId: "m" });
// @ts-expect-error the body has the app's type
void client.edit({ messageId: "m", text: "Better", body: { tone: 1 } });
// @ts-expect-error the body has the app's type
void client.regenerate("m", { body: { tone: 1 } });
// @ts-expect-error a reply that goes on says nothing new
void client.continue("m", { text: "More" });

// Ids.
const { turnId, messageId } = client.send({ text: "Hi", messageId: "of-the-app" });
same<typeof turnId, string>(true);
same<typeof messageId, string>(true);
// @ts-expect-error an edit names the message that it changes, and makes the new one's id
void client.edit({ messageId: "m", newMessageId: "n", text: "Better" });
void createChatClient({ ...options, create: "if-missing" });
// @ts-expect-error no such way to make a thread
void createChatClient({ ...options, create: "always" });

// Events.
client.on("typing", ({ name }) => name.trim());
client.on("data-progress", ({ percent }, event) => event.trim() + percent.toFixed());
client.on("*", (data, event) => void [data as string, event.trim()]);
createChatClient(options).on("anything", (data) => void (data as string));
// @ts-expect-error no such event
client.on("joined", () => {});
// @ts-expect-error the data has the app's type
client.on("typing", ({ name }) => name.toFixed());

// Answers.
void client.approve("a", { approved: true });
void client.approve("a", { approved: false, reason: "Too risky" });
// @ts-expect-error yes or no
void client.approve("a", {});
// @ts-expect-error an approval is a value of its own
void client.approve("a", true);
// @ts-expect-error no such field
void client.approve("a", { approved: true, because: "I say so" });
void client.addToolOutput("c", { output: { date: "tomorrow" } });
void client.addToolOutput("c", { output: ["a"] });
void client.addToolOutput("c", { errorText: "No calendar" });
// @ts-expect-error no tool has such an output
void client.addToolOutput("c", { output: 7 });
// @ts-expect-error no tool has such an output
void client.addToolOutput("c", { output: { day: "tomorrow" } });
// @ts-expect-error neither an output nor an error
void client.addToolOutput("c", {});

// App state.
void client.setState({ plan: true });
void client.setState({ tasks: ["a"], plan: false });
void client.setTitle("Title");
void client.setTitle(null);
// @ts-expect-error no such field
void client.setState({ goal: "a" });
// @ts-expect-error a field of another type
void client.setState({ plan: "yes" });
// @ts-expect-error a state is an object of fields
void client.setState("plan");
// @ts-expect-error a title is a text
void client.setTitle(7);

// Client tools and storage.
createChatClient<StudyTypes>({ ...options, storage: storedOutbox(() => localStorage) });
const stopTools: () => void = runClientTools(client, {
  pickDate: async ({ from }, { callId, signal }) => ({ date: `${from}${callId}${signal.aborted}` }),
  search: ({ query }) => [query],
});
stopTools();
const nativeStorage: OutboxStorage = {
  getItem: () => Promise.resolve(null),
  setItem: () => Promise.resolve(),
  removeItem: () => Promise.resolve(),
};
runClientTools(createChatClient({ ...options, storage: storedOutbox(() => nativeStorage) }), { anyTool: (input) => input });
const one: ClientTools<StudyTypes> = { search: () => ["a"] };
runClientTools(client, one);
// @ts-expect-error no such tool
runClientTools(client, { pickTime: () => 7 });
// @ts-expect-error an output of another type
runClientTools(client, { pickDate: () => "tomorrow" });
// @ts-expect-error an input of another type
runClientTools(client, { search: (input: { text: string }) => [input.text] });
// @ts-expect-error a function, so that a page that has none costs nothing
createChatClient({ ...options, storage: storedOutbox(nativeStorage) });

// A client without types takes any.
const untyped: ChatClient = createChatClient(options);
void untyped.setState({ anything: 1 });
void untyped.addToolOutput("c", { output: 7 });
same<ChatSnapshot["state"], unknown>(true);
