// The suite can fail: each of these clients breaks one rule, and the case about that rule says so.
import { afterAll, expect, it } from "vitest";
import { chatClientAdapter } from "../../src/testing/conformance/chat-client-adapter.ts";
import { conformance } from "../../src/testing/conformance/conformance.ts";
import { createMemoryServer } from "../../src/testing/conformance/memory-server.ts";
import type { ClientAdapter, ClientSetup, ClientUnderTest } from "../../src/testing/conformance/types.ts";
import { Chat } from "./app.ts";

const server = createMemoryServer(Chat);
afterAll(() => server.close());

const whole = chatClientAdapter();

/** A client whose sockets are opened and written to in another way. */
function overSockets(broken: { url?: (url: string) => string; send?: (text: string) => string | null }): ClientAdapter {
  const open = (setup: ClientSetup) => {
    const make = (url: string, protocols: string[]): WebSocket => {
      const socket = new setup.WebSocket(broken.url?.(url) ?? url, protocols);
      const send = socket.send.bind(socket);
      socket.send = (data) => {
        const text = broken.send ? broken.send(data as string) : (data as string);
        if (text !== null) send(text);
      };
      return socket;
    };
    const WebSocket = function (url: string, protocols: string[]) {
      return make(url, protocols);
    } as unknown as ClientSetup["WebSocket"];
    return whole.open({ ...setup, WebSocket });
  };
  return { ...whole, open };
}

function overViews(change: (view: ReturnType<ClientUnderTest["view"]>) => Partial<ReturnType<ClientUnderTest["view"]>>): ClientAdapter {
  const open = async (setup: ClientSetup): Promise<ClientUnderTest> => {
    const client = await whole.open(setup);
    return { ...client, view: () => ({ ...client.view(), ...change(client.view()) }) };
  };
  return { ...whole, open };
}

let sent = 0;
const BROKEN: [what: string, name: string, complaint: RegExp, client: ClientAdapter][] = [
  ["forgets its cursor", "resumes by its cursor", /epoch of the cursor/, overSockets({ url: (url) => url.replace(/\?.*/, "") })],
  [
    "never answers a mark",
    "sends back every mark",
    /every mark is sent back/,
    overSockets({ send: (text) => (text.includes('"window"') ? null : text) }),
  ],
  [
    "takes a new id for each try",
    "sends again under the same id",
    /the answer to send/,
    overSockets({ send: (text) => text.replace(/"id":"[\w-]+"/, () => `"id":"another-id-${++sent}"`) }),
  ],
  [
    "shows a message twice",
    "shows the history",
    /the client shows 4 messages/,
    overViews(({ messages }) => ({ messages: [...messages, ...messages.slice(-1)] })),
  ],
  [
    "shows an answer only when it is there",
    "shows an answer as it is written",
    /in several steps \(it was 1\)/,
    overViews(({ messages, status }) => ({ messages: status === "busy" ? messages.slice(0, 1) : messages })),
  ],
  ["does not say why it stopped", "stops at a thread that is not there", /The reason: it is undefined/, overViews(() => ({ error: null }))],
];

it.concurrent.for(BROKEN)("a client that %s fails at: %s", async ([, name, complaint, client]) => {
  const found = conformance({ server, client, timeoutMs: 12_000 }).find((one) => one.name.startsWith(`client: ${name}`));
  await expect(found!.run()).rejects.toThrow(complaint);
});

it("a case that a client cannot express is skipped with the reason, and refuses to run", async () => {
  const cases = conformance({ server, client: { ...whole, capabilities: ["queue"] } });
  const skipped = cases.find(({ name }) => name.includes("resumes by its cursor"))!;
  expect(skipped.skip).toBe("the client does not have: wire");
  await expect(skipped.run()).rejects.toThrow("the client does not have: wire");
  expect(cases.filter(({ name }) => name.startsWith("server: ")).some(({ skip }) => skip)).toBe(false);
});

it("names are unique", () => {
  const names = conformance({ server }).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
