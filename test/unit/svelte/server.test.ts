// Node, where there is no page: what a server renders.
import { render } from "svelte/server";
import { expect, it, vi } from "vitest";
import { createChatClient } from "../../../src/client/chat-client.ts";
import type { ThreadSource } from "../../../src/client/thread-source.ts";
import { createThread } from "../../../src/svelte/create-thread.ts";
import { FakeThreads, quiet } from "../../support/fake-threads.ts";
import Page from "./page/Page.svelte?server";

it.each<[string, (threads: FakeThreads) => ThreadSource]>([
  ["options with a relative address", (threads) => threads.options("a")],
  ["a client of the app's own", (threads) => createChatClient({ ...threads.options("a"), url: "https://chat.example/chat" })],
])("renders a thread of %s, and opens nothing", async (_of, makeSource) => {
  const threads = new FakeThreads();
  const { body } = render(Page, { props: { source: makeSource(threads) } });
  expect(body.replaceAll(/<!--.*?-->/g, "")).toBe("<p>idle</p> <p>idle</p>");
  await quiet();
  expect([threads.tickets, threads.open, threads.clock.pending]).toEqual([[], [], []]);
});

it("opens nothing for a page that takes its time to render", async () => {
  const threads = new FakeThreads();
  const listener = vi.fn<(snapshot: unknown) => void>();
  const thread = createThread(threads.options("a"));
  const end = thread.subscribe(listener);
  await quiet();
  expect(listener).toHaveBeenCalledExactlyOnceWith(thread.current);
  expect(threads.tickets).toEqual([]);
  end();
});
