import { afterEach, beforeEach, expect, it } from "vitest";
import { createChatClient } from "../../../src/client/chat-client.ts";
import type { ChatClient } from "../../../src/client/types.ts";
import { ask, type Asked, type OpenClient } from "../../../src/http-chat/ask.ts";
import type { PostedChat } from "../../../src/http-chat/posted-chat.ts";
import { World } from "../ai-sdk/world.ts";

const ID = "thread-of-the-test";
let world: World;
let clients: ChatClient[];

beforeEach(() => {
  world = new World();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.close();
  await world.close();
});

const open: OpenClient = ({ create = false, ids = [] } = {}) => {
  const options = world.options();
  const newId = () => ids.shift() ?? world.newId();
  const client = createChatClient({ ...options, threadId: ID, create, deps: { ...options.deps, newId } });
  clients.push(client);
  return client;
};

/** What a post of this new message comes to. */
async function post(text: string): Promise<Asked> {
  const message = { id: `message-${text}`, role: "user" as const, parts: [{ type: "text" as const, text }] };
  const posted: PostedChat = { threadId: ID, message, isRegenerate: false, messageId: undefined, body: undefined };
  let asked: Asked | undefined;
  const asking = ask(posted, "me", open).then((result) => (asked = result));
  while (!asked) {
    // Ids are derived in real time.
    await new Promise((resolve) => setImmediate(resolve));
    await world.pass(10);
  }
  return asking;
}

const queued = (client: ChatClient) => client.getSnapshot().queue.map(({ messageId }) => messageId);

it("sends a message again that was taken out of the queue, as often as it was", async () => {
  await post("one");
  for (let times = 0; times < 3; times++) {
    const { client, turnId } = await post("two");
    expect(queued(client)).toEqual(["message-two"]);
    void client.cancel(turnId);
    await world.pass();
    expect(queued(client)).toEqual([]);
  }
  const first = await post("two");
  const same = await post("two");
  expect([same.turnId, queued(same.client)]).toEqual([first.turnId, ["message-two"]]);
});

it("sends what is queued, runs or is over once, also where it is further up than a view reaches", async () => {
  await post("one");
  const { turnId } = await post("two");
  const end = async (count: number) => {
    for (let turns = 0; turns < count; turns++) {
      world.play.text("Re");
      world.play.end();
      await world.pass();
    }
  };
  await end(1);
  expect((await post("two")).turnId).toBe(turnId);
  await end(1);
  expect((await post("two")).turnId).toBe(turnId);
  for (let more = 0; more < 15; more++) {
    await post(`more-${more}`);
    await end(1);
  }
  expect(clients[0]!.getSnapshot().turn).toBeNull();
  const again = await post("two");
  expect([again.turnId, again.client.getSnapshot().hasEarlier, again.client.getSnapshot().turn]).toEqual([turnId, true, null]);
  expect(world.plays).toHaveLength(17);
});
