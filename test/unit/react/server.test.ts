// Node, where there is no page: what a server renders.
import { createElement as h } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, expect, it, vi } from "vitest";
import { createChatClient } from "../../../src/client/chat-client.ts";
import type { ThreadSource } from "../../../src/client/thread-source.ts";
import { useThread } from "../../../src/react/use-thread.ts";
import { FakeThreads, quiet } from "../../support/fake-threads.ts";

afterEach(() => vi.restoreAllMocks());

const Page = ({ source }: { source: ThreadSource }) => {
  const { status, connection, messages, thread } = useThread(source);
  const title = useThread(source, (snapshot) => snapshot.thread.title ?? "no title");
  return h("p", null, [thread.id, status, connection.kind, messages.length, title].join(" "));
};

it("renders a thread of a relative address, and opens nothing", async () => {
  const report = vi.spyOn(console, "error");
  const threads = new FakeThreads();
  expect(renderToString(h(Page, { source: threads.options("a") }))).toBe("<p>a ready idle 0 no title</p>");
  await quiet();
  expect([threads.tickets, threads.open, threads.clock.pending, report.mock.calls]).toEqual([[], [], [], []]);
});

it("renders a client of the app's own as it is before its connection, and opens nothing", async () => {
  const threads = new FakeThreads();
  const client = createChatClient({ ...threads.options("a"), url: "https://chat.example/chat" });
  expect(renderToString(h(Page, { source: client }))).toBe("<p>a ready idle 0 no title</p>");
  await quiet();
  expect([threads.tickets, client.getSnapshot().connection.kind]).toEqual([[], "idle"]);
});
