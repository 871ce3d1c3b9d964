import { flushSync, mount, unmount } from "svelte";
import { get } from "svelte/store";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createChatClient } from "../../../../src/client/chat-client.ts";
import type { ThreadSource } from "../../../../src/client/thread-source.ts";
import { createThread, type Thread } from "../../../../src/svelte/create-thread.ts";
import { FakeThreads, quiet, texts } from "../../../support/fake-threads.ts";
import { END_OF_TEXT, textChunks } from "../../client/model-thread.ts";
import Page from "./Page.svelte";
import Status from "./Status.svelte";
import { createCell } from "./cell.svelte.ts";

let threads: FakeThreads;
let box: HTMLElement;
let page: object | undefined;

beforeEach(() => {
  threads = new FakeThreads();
  box = document.createElement("div");
});

afterEach(async () => {
  await leave();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

async function settled(): Promise<void> {
  await quiet();
  flushSync();
  await quiet();
}

async function leave(): Promise<void> {
  if (page) await unmount(page);
  page = undefined;
  await settled();
}

/** Mounts a page that shows a thread as a store and through runes. */
async function show(first: ThreadSource) {
  const seen: string[] = [];
  let thread: Thread | undefined;
  const source = createCell(first);
  const props = {
    seen,
    given: (next: Thread) => (thread = next),
    get source() {
      return source.current;
    },
  };
  page = mount(Page, { target: box, props });
  await settled();
  return {
    seen,
    source,
    get thread() {
      return thread!;
    },
    get texts() {
      return [...box.querySelectorAll("p")].map(({ textContent }) => textContent);
    },
  };
}

const both = (text: string) => [text, text];

describe("a thread of options", () => {
  it("shows the history, what is sent and what streams, and stops, as a store and through runes", async () => {
    threads.fill("a", "one");
    const shown = await show(threads.options("a"));
    expect(shown.texts).toEqual(both("live|one|Re: one"));
    await shown.thread.send("two");
    threads.of("a").thread.chunks(...textChunks("Re"));
    await settled();
    expect(shown.texts).toEqual(both("live|one|Re: one|two|Re"));
    threads.of("a").thread.chunks({ type: "text-delta", id: "t", delta: ": two" });
    await settled();
    expect(shown.texts).toEqual(both("live|one|Re: one|two|Re: two"));
    await shown.thread.stop();
    await settled();
    expect(shown.thread.current.messages.at(-1)?.facts?.outcome).toBe("stopped");
    expect([threads.tickets, threads.open]).toEqual([["a"], ["a"]]);
  });

  it("closes when it is left in mid-stream, and is not moved by what comes later", async () => {
    const shown = await show(threads.options("a"));
    await shown.thread.send("one");
    threads.of("a").thread.chunks(...textChunks("Re"));
    await settled();
    await leave();
    const { length } = shown.seen;
    threads.of("a").socket.receive({ type: "event", event: "late" }, "{");
    await threads.clock.advance(120_000);
    expect([shown.seen.length, threads.open, threads.tickets]).toEqual([length, [], ["a"]]);
  });

  it("delivers a message that was written right before it is left, then closes", async () => {
    const server = threads.of("a");
    const shown = await show(threads.options("a"));
    server.held = [];
    const sending = shown.thread.send("last words");
    await leave();
    expect(threads.open).toEqual(["a"]);
    server.release();
    await expect(sending).resolves.toMatchObject({ position: 0 });
    await settled();
    expect([server.thread.messages.length, threads.open]).toEqual([1, []]);
  });

  it("opens nothing when it is only looked at", async () => {
    const thread = createThread(threads.options("a"));
    expect(thread.current).toBe(get(thread));
    await settled();
    expect([threads.tickets, thread.current.connection.kind]).toEqual([[], "idle"]);
  });

  it("calls a subscriber at once, and reports one that throws without harm to others", async () => {
    const report = vi.fn<(error: unknown) => void>();
    vi.stubGlobal("reportError", report);
    threads.fill("a", "one");
    const thread = createThread(threads.options("a"));
    const mistake = new Error("mistake");
    const ends = [
      thread.subscribe(() => {
        throw mistake;
      }),
    ];
    const seen: number[] = [];
    ends.push(thread.subscribe(({ messages }) => seen.push(messages.length)));
    expect([seen, report.mock.calls]).toEqual([[0], [[mistake]]]);
    await settled();
    expect(seen.at(-1)).toBe(2);
    for (const end of [...ends, ...ends]) end();
    await settled();
    expect(threads.open).toEqual([]);
  });

  it("runs an effect again only when what it reads has changed", async () => {
    const thread = createThread(threads.options("a"));
    const seen: string[] = [];
    page = mount(Status, { target: box, props: { thread, seen } });
    await settled();
    await thread.send("one");
    await settled();
    threads.of("a").thread.chunks(...textChunks("R"));
    await settled();
    for (const delta of "eply") {
      threads.of("a").thread.chunks({ type: "text-delta", id: "t", delta });
      await settled();
    }
    threads.of("a").thread.chunks(...END_OF_TEXT);
    threads.of("a").thread.end();
    await settled();
    expect(seen).toEqual(["ready", "submitted", "streaming", "ready"]);
  });
});

describe("another thread", () => {
  it("takes the place of one in mid-stream, and nothing of either is ever shown as the other's", async () => {
    threads.fill("a", "from a");
    threads.fill("b", "from b");
    const shown = await show(threads.options("a"));
    threads.ask("a", "from a too");
    threads.of("a").thread.chunks(...textChunks("from a, cut"));
    await settled();
    shown.source.current = threads.options("b");
    await settled();
    expect([shown.texts, threads.open]).toEqual([both("live|from b|Re: from b"), ["b"]]);
    await shown.thread.send("from b too");
    expect(threads.of("b").thread.messages).toHaveLength(3);
    await settled();
    for (const text of shown.seen) expect(text).not.toMatch(/ a: .*from b| b: .*from a/);
  });

  it("leaves one connection after 50 of them", async () => {
    const shown = await show(threads.options("t0"));
    for (let i = 1; i < 50; i++) {
      shown.source.current = threads.options(`t${i}`);
      await settled();
    }
    await threads.clock.advance(120_000);
    expect([threads.open, threads.tickets.length]).toEqual([["t49"], 50]);
  });
});

it("leaves a client of the app's own open", async () => {
  threads.fill("a", "one");
  const client = createChatClient(threads.options("a"));
  const shown = await show(client);
  expect(shown.texts).toEqual(both("live|one|Re: one"));
  await leave();
  expect([threads.open, threads.tickets, client.getSnapshot().connection.kind]).toEqual([["a"], ["a"], "live"]);
  expect(texts(client.getSnapshot()).messages).toEqual(["one", "Re: one"]);
  client.close();
});
