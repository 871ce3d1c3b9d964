import { flushSync, hydrate, unmount } from "svelte";
import { render } from "svelte/server";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createChatClient } from "../../../../src/client/chat-client.ts";
import type { ThreadSource } from "../../../../src/client/thread-source.ts";
import { FakeThreads, quiet } from "../../../support/fake-threads.ts";
import Page from "./Page.svelte";
import ServerPage from "./Page.svelte?server";

let threads: FakeThreads;

beforeEach(() => {
  threads = new FakeThreads();
  threads.fill("a", "one");
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Takes over what a server rendered; Svelte warns of what it found otherwise. */
async function takeOver(onServer: ThreadSource, inPage: ThreadSource): Promise<string[]> {
  const problems: unknown[] = [];
  vi.spyOn(console, "warn").mockImplementation((...args) => problems.push(args));
  vi.spyOn(console, "error").mockImplementation((...args) => problems.push(args));
  const box = document.createElement("div");
  box.innerHTML = render(ServerPage, { props: { source: onServer } }).body;
  const paragraph = box.querySelector("p");
  const seen: string[] = [];
  const page = hydrate(Page, { target: box, props: { source: inPage, seen } });
  expect(seen).toEqual(["rune a: idle", "store a: idle"]);
  await quiet();
  flushSync();
  expect(box.querySelector("p")).toBe(paragraph);
  expect(problems).toEqual([]);
  const texts = [...box.querySelectorAll("p")].map(({ textContent }) => textContent);
  await unmount(page);
  await quiet();
  return texts;
}

it("takes over what the server rendered, then connects once", async () => {
  expect(await takeOver(threads.options("a"), threads.options("a"))).toEqual(["live|one|Re: one", "live|one|Re: one"]);
  expect([threads.tickets, threads.open]).toEqual([["a"], []]);
});

it("takes it over also with a client of the app's own", async () => {
  const client = createChatClient(threads.options("a"));
  expect(await takeOver(threads.options("a"), client)).toEqual(["live|one|Re: one", "live|one|Re: one"]);
  expect([threads.tickets, threads.open]).toEqual([["a"], ["a"]]);
  client.close();
});
