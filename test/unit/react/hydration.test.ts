// @vitest-environment jsdom
import { act, createElement as h, StrictMode } from "react";
import { hydrateRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createChatClient } from "../../../src/client/chat-client.ts";
import type { ThreadSource } from "../../../src/client/thread-source.ts";
import { useThread } from "../../../src/react/use-thread.ts";
import { FakeThreads, quiet, texts } from "../../support/fake-threads.ts";

let threads: FakeThreads;
let root: Root | undefined;
let seen: string[];

beforeEach(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  threads = new FakeThreads();
  threads.fill("a", "one");
  seen = [];
});

afterEach(async () => {
  await act(async () => root?.unmount());
  root = undefined;
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const Page = ({ source }: { source: ThreadSource }) => {
  const thread = useThread(source);
  const kind = useThread(thread.client, ({ connection }) => connection.kind);
  const text = `${kind}: ${texts(thread).messages.join("|")}`;
  seen.push(text);
  return h("p", null, text);
};

/** Takes over what a server rendered; React reports what it found otherwise. */
async function hydrate(onServer: ThreadSource, inPage: ThreadSource) {
  const box = document.createElement("div");
  box.innerHTML = renderToString(h(Page, { source: onServer }));
  const paragraph = box.firstChild;
  const problems: unknown[] = [];
  vi.spyOn(console, "error").mockImplementation((...args) => problems.push(args));
  await act(async () => {
    root = hydrateRoot(box, h(StrictMode, null, h(Page, { source: inPage })), { onRecoverableError: (error) => problems.push(error) });
    await quiet();
  });
  expect(problems).toEqual([]);
  expect(box.firstChild).toBe(paragraph);
  return box;
}

it("takes over what the server rendered, then connects once", async () => {
  const box = await hydrate(threads.options("a"), threads.options("a"));
  expect(seen[0]).toBe("idle: ");
  expect(box.textContent).toBe("live: one|Re: one");
  expect([threads.tickets, threads.open]).toEqual([["a"], ["a"]]);
});

it("takes it over also with a client that is connected already", async () => {
  const client = createChatClient(threads.options("a"));
  client.connect();
  await quiet();
  expect(client.getSnapshot().connection.kind).toBe("live");
  const box = await hydrate(createChatClient(threads.options("a")), client);
  expect(box.textContent).toBe("live: one|Re: one");
  await act(async () => client.close());
});
