// @vitest-environment jsdom
import { type App, createApp, defineComponent, effectScope, h, nextTick, ref, shallowRef, watchEffect } from "vue";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createChatClient } from "../../../src/client/chat-client.ts";
import type { ThreadSource } from "../../../src/client/thread-source.ts";
import type { ChatSnapshot } from "../../../src/client/types.ts";
import { type Thread, useThread } from "../../../src/vue/use-thread.ts";
import { FakeThreads, quiet, texts } from "../../support/fake-threads.ts";
import { END_OF_TEXT, textChunks } from "../client/model-thread.ts";

let threads: FakeThreads;
let app: App | undefined;
let box: HTMLElement;
let warn: ReturnType<typeof vi.spyOn>;

beforeEach(() => {
  threads = new FakeThreads();
  box = document.createElement("div");
  warn = vi.spyOn(console, "warn");
});

afterEach(() => {
  unmount();
  expect(warn.mock.calls).toEqual([]);
  vi.restoreAllMocks();
});

/** Mounts a component that shows the texts of a thread; the result is what its `setup` got. */
async function mount(source: Parameters<typeof useThread>[0], renders: string[] = []): Promise<Thread> {
  let thread: Thread | undefined;
  const Page = defineComponent({
    setup() {
      const made = (thread = useThread(source));
      return () => {
        renders.push(`${made.thread.value.id}: ${texts(made.snapshot.value).messages.join("|")}`);
        return h("p", texts(made.snapshot.value).messages.join("|"));
      };
    },
  });
  app = createApp(Page);
  app.mount(box);
  await settled();
  return thread!;
}

function unmount(): void {
  app?.unmount();
  app = undefined;
}

async function settled(): Promise<void> {
  await quiet();
  await nextTick();
}

describe("a thread of options", () => {
  it("shows the history, what is sent and what streams, and stops", async () => {
    threads.fill("a", "one");
    const { status, send, stop, messages } = await mount(threads.options("a"));
    expect([box.textContent, status.value]).toEqual(["one|Re: one", "ready"]);
    await send("two");
    threads.of("a").thread.chunks(...textChunks("Re"));
    await settled();
    expect([box.textContent, status.value]).toEqual(["one|Re: one|two|Re", "streaming"]);
    threads.of("a").thread.chunks({ type: "text-delta", id: "t", delta: ": two" });
    await settled();
    expect(box.textContent).toBe("one|Re: one|two|Re: two");
    await stop();
    await settled();
    expect([status.value, messages.value.at(-1)?.facts?.outcome]).toEqual(["ready", "stopped"]);
    expect([threads.tickets, threads.open]).toEqual([["a"], ["a"]]);
  });

  it("has a ref for every field that a snapshot ever has, and every command of the client", async () => {
    threads.fill("a", "one");
    const thread = await mount(threads.options("a"));
    const fields = Object.keys(thread.client.value.getSnapshot());
    for (const field of fields) expect(thread).toHaveProperty(`${field}.value`);
    const { getSnapshot: _get, subscribe: _subscribe, ...commands } = thread.client.value;
    for (const name of Object.keys(commands)) expect(thread).toHaveProperty(name, expect.any(Function));
  });

  it("runs an effect again only when the field that it reads has changed", async () => {
    const { status, send } = await mount(threads.options("a"));
    const seen: string[] = [];
    const end = watchEffect(() => seen.push(status.value));
    await send("one");
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
    end();
  });

  it("closes when it is unmounted in mid-stream, and is not moved by what comes later", async () => {
    const renders: string[] = [];
    const { send, snapshot } = await mount(threads.options("a"), renders);
    await send("one");
    threads.of("a").thread.chunks(...textChunks("Re"));
    await settled();
    unmount();
    await settled();
    const [count, last] = [renders.length, snapshot.value];
    threads.of("a").socket.receive({ type: "event", event: "late" }, "{");
    await threads.clock.advance(120_000);
    expect([renders.length, threads.open, threads.tickets]).toEqual([count, [], ["a"]]);
    expect(snapshot.value).toBe(last);
  });

  it("delivers a message that was written right before the unmount, then closes", async () => {
    const server = threads.of("a");
    const { send } = await mount(threads.options("a"));
    server.held = [];
    const sending = send("last words");
    unmount();
    await settled();
    expect(threads.open).toEqual(["a"]);
    server.release();
    await expect(sending).resolves.toMatchObject({ position: 0 });
    await settled();
    expect([server.thread.messages.length, threads.open]).toEqual([1, []]);
  });

  it("asks for each ticket with the newest headers", async () => {
    const token = ref("old");
    const { reconnect } = await mount(() => ({ ...threads.options("a"), headers: { authorization: token.value } }));
    token.value = "new";
    await settled();
    reconnect();
    await settled();
    const sent = threads.of("a").tickets.map(({ init }) => new Headers(init.headers).get("authorization"));
    expect(sent).toEqual(["old", "new"]);
  });
});

describe("another thread", () => {
  it("takes the place of one in mid-stream at once, and nothing of either is ever shown as the other's", async () => {
    threads.fill("a", "from a");
    threads.fill("b", "from b");
    const id = ref("a");
    const renders: string[] = [];
    const thread = await mount(() => threads.options(id.value), renders);
    threads.ask("a", "from a too");
    threads.of("a").thread.chunks(...textChunks("from a, cut"));
    await settled();
    id.value = "b";
    expect([thread.thread.value.id, thread.messages.value]).toEqual(["b", []]);
    const sending = thread.send("from b too");
    await sending;
    await settled();
    expect([threads.open, box.textContent]).toEqual([["b"], "from b|Re: from b|from b too"]);
    expect(threads.of("a").thread.messages).toHaveLength(3);
    threads.of("a").socket.receive(...threads.of("a").thread.sync(""));
    await settled();
    for (const shown of renders) expect(shown).toMatch(/^(a: (.*from a.*)?|b: (.*from b.*)?)$/);
    for (const shown of renders) expect(shown).not.toMatch(/^a.*from b|^b.*from a/);
  });

  it("leaves one connection after 50 of them", async () => {
    const id = ref("t0");
    await mount(() => threads.options(id.value));
    for (let i = 1; i < 50; i++) {
      id.value = `t${i}`;
      await settled();
    }
    await threads.clock.advance(120_000);
    expect([threads.open, threads.tickets.length]).toEqual([["t49"], 50]);
  });

  it("may be another client of the app's own, which stays open", async () => {
    const client = createChatClient(threads.options("b"));
    const source = shallowRef<ThreadSource>(threads.options("a"));
    const thread = await mount(source);
    source.value = client;
    await settled();
    expect([thread.client.value, threads.open]).toEqual([client, ["b"]]);
    unmount();
    await settled();
    expect([threads.open, client.getSnapshot().connection.kind]).toEqual([["b"], "live"]);
    client.close();
  });
});

describe("outside of a component", () => {
  it("connects at once, and closes with its scope", async () => {
    threads.fill("a", "one");
    const scope = effectScope();
    const thread = scope.run(() => useThread(threads.options("a")))!;
    await settled();
    expect([texts(thread.snapshot.value).messages, threads.open]).toEqual([["one", "Re: one"], ["a"]]);
    scope.stop();
    await settled();
    expect(threads.open).toEqual([]);
  });

  it("a watcher that throws harms nobody", async () => {
    const scope = effectScope();
    vi.spyOn(console, "error").mockImplementation(() => {});
    const report = vi.fn<(error: unknown) => void>();
    vi.stubGlobal("reportError", report);
    const thread = scope.run(() => useThread(threads.options("a")))!;
    const seen: ChatSnapshot["status"][] = [];
    thread.client.value.subscribe(() => {
      throw new Error("mistake");
    });
    thread.client.value.subscribe(({ status }) => seen.push(status));
    await thread.send("one");
    await settled();
    expect([thread.status.value, seen.at(-1)]).toEqual(["submitted", "submitted"]);
    expect(report).toHaveBeenCalled();
    scope.stop();
    vi.unstubAllGlobals();
  });
});
