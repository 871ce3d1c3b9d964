// @vitest-environment jsdom
import { act, Activity, Component, createElement as h, type ReactNode, StrictMode, useEffect } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createChatClient } from "../../../src/client/chat-client.ts";
import type { ThreadSource } from "../../../src/client/thread-source.ts";
import type { ChatClient, ChatClientOptions, ChatSnapshot } from "../../../src/client/types.ts";
import { type Thread, useThread } from "../../../src/react/use-thread.ts";
import { FakeThreads, quiet, texts } from "../../support/fake-threads.ts";
import { END_OF_TEXT, textChunks } from "../client/model-thread.ts";

let threads: FakeThreads;
let root: Root;
let box: HTMLElement;
/** Clients of the app's own. */
let own: ChatClient[];
let onCaughtError: ReturnType<typeof vi.fn<(error: unknown) => void>>;

beforeEach(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  vi.spyOn(console, "error");
  threads = new FakeThreads();
  own = [];
  box = document.body.appendChild(document.createElement("div"));
  onCaughtError = vi.fn<(error: unknown) => void>();
  root = createRoot(box, { onCaughtError });
});

afterEach(async () => {
  await act(async () => root.unmount());
  box.remove();
  for (const client of own) client.close();
  expect(vi.mocked(console.error).mock.calls).toEqual([]);
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

function createOwn(options: ChatClientOptions): ChatClient {
  const client = createChatClient(options);
  own.push(client);
  return client;
}

const render = (node: ReactNode) =>
  act(async () => {
    root.render(node);
    await quiet();
  });

const during = (run: () => unknown) =>
  act(async () => {
    await run();
    await quiet();
  });

/** A component that keeps all that the hook ever gave it. */
function createProbe() {
  const seen: Thread[] = [];
  const Probe = ({ source }: { source: ThreadSource }) => {
    const thread = useThread(source);
    seen.push(thread);
    return h("p", null, texts(thread).messages.join("|"));
  };
  return {
    Probe,
    seen,
    get now() {
      return seen.at(-1)!;
    },
  };
}

describe("a thread of options", () => {
  it("shows the history, what is sent and what streams", async () => {
    threads.fill("a", "one");
    const probe = createProbe();
    await render(h(probe.Probe, { source: threads.options("a") }));
    expect(box.textContent).toBe("one|Re: one");
    expect(probe.now.status).toBe("ready");

    await during(() => probe.now.send("two"));
    expect(box.textContent).toBe("one|Re: one|two");
    await during(() => threads.of("a").thread.chunks(...textChunks("Re")));
    expect([box.textContent, probe.now.status]).toEqual(["one|Re: one|two|Re", "streaming"]);
    await during(() => {
      threads.of("a").thread.chunks({ type: "text-delta", id: "t", delta: ": two" }, ...END_OF_TEXT);
      threads.of("a").thread.end();
    });
    expect([box.textContent, probe.now.status]).toEqual(["one|Re: one|two|Re: two", "ready"]);
  });

  it("stops a reply and keeps what there is of it", async () => {
    const probe = createProbe();
    await render(h(probe.Probe, { source: threads.options("a") }));
    await during(() => probe.now.send("one"));
    await during(() => threads.of("a").thread.chunks(...textChunks("Par")));
    await during(() => probe.now.stop());
    expect([box.textContent, probe.now.status]).toEqual(["one|Par", "ready"]);
    expect(probe.now.messages.at(-1)?.facts?.outcome).toBe("stopped");
  });

  it("makes one request and one socket, however often it is rendered with new options of the same thread", async () => {
    const probe = createProbe();
    await render(h(probe.Probe, { source: threads.options("a") }));
    const { send, stop, client } = probe.now;
    await render(h(probe.Probe, { source: threads.options("a") }));
    await during(() => send("one"));
    expect([threads.tickets, threads.open]).toEqual([["a"], ["a"]]);
    expect(probe.now.send).toBe(send);
    expect(probe.now.stop).toBe(stop);
    expect(probe.now.client).toBe(client);
  });

  it("passes every method of the client on", async () => {
    const probe = createProbe();
    await render(h(probe.Probe, { source: threads.options("a") }));
    for (const name of Object.keys(createChatClient(threads.options("a")))) expect(probe.now).toHaveProperty(name, expect.any(Function));
  });

  it("asks for each ticket with the newest headers", async () => {
    const probe = createProbe();
    const withToken = (token: string) => ({ ...threads.options("a"), headers: { authorization: token } });
    await render(h(probe.Probe, { source: withToken("old") }));
    await render(h(probe.Probe, { source: withToken("new") }));
    await during(() => probe.now.reconnect());
    const sent = threads.of("a").tickets.map(({ init }) => new Headers(init.headers).get("authorization"));
    expect(sent).toEqual(["old", "new"]);
  });

  it("opens nothing for a thread that is still to be made, before the first message", async () => {
    const probe = createProbe();
    await render(h(probe.Probe, { source: { ...threads.options("a"), create: true } }));
    expect(threads.tickets).toEqual([]);
    await during(() => probe.now.send("one"));
    expect([box.textContent, threads.open]).toEqual(["one", ["a"]]);
  });

  it("closes when it is unmounted in mid-stream, and is not moved by what comes later", async () => {
    const probe = createProbe();
    await render(h(probe.Probe, { source: threads.options("a") }));
    await during(() => probe.now.send("one"));
    await during(() => threads.of("a").thread.chunks(...textChunks("Re")));
    await render(null);
    expect(threads.open).toEqual([]);
    const count = probe.seen.length;
    await during(() => threads.of("a").socket.receive({ type: "event", event: "late" }, "{"));
    await threads.clock.advance(120_000);
    expect([probe.seen.length, threads.open, threads.tickets]).toEqual([count, [], ["a"]]);
  });

  it("delivers a message that was written right before the unmount, then closes", async () => {
    const probe = createProbe();
    const server = threads.of("a");
    await render(h(probe.Probe, { source: threads.options("a") }));
    server.held = [];
    let result: unknown;
    await during(() => {
      void probe.now.send("last words").then((value) => (result = value));
    });
    await render(null);
    expect(threads.open).toEqual(["a"]);
    await during(() => server.release());
    expect(result).toMatchObject({ position: 0 });
    expect(server.thread.messages).toHaveLength(1);
    expect(threads.open).toEqual([]);
  });

  it("closes while it is hidden, and goes on where it was when it is shown again", async () => {
    const probe = createProbe();
    const show = (mode: "visible" | "hidden") => render(h(Activity, { mode, children: h(probe.Probe, { source: threads.options("a") }) }));
    await show("visible");
    await during(() => probe.now.send("one"));
    await show("hidden");
    expect(threads.open).toEqual([]);
    threads.of("a").thread.chunks(...textChunks("Re"));
    await show("visible");
    expect([threads.open, threads.tickets, box.textContent]).toEqual([["a"], ["a", "a"], "one|Re"]);
    expect(new URL(threads.of("a").socket.url).searchParams.get("cursor")).not.toBe("");
  });
});

describe("in StrictMode", () => {
  it("opens one connection, which its second mount keeps", async () => {
    threads.fill("a", "one");
    const probe = createProbe();
    await render(h(StrictMode, null, h(probe.Probe, { source: threads.options("a") })));
    expect([threads.tickets, threads.of("a").sockets.length, threads.open]).toEqual([["a"], 1, ["a"]]);
    expect(box.textContent).toBe("one|Re: one");
    await during(() => probe.now.send("two"));
    expect(box.textContent).toBe("one|Re: one|two");
    await render(null);
    expect(threads.open).toEqual([]);
  });

  it("keeps what an effect sends in its first mount", async () => {
    const results: Promise<unknown>[] = [];
    const Greeter = () => {
      const { send } = useThread(threads.options("a"));
      useEffect(() => void (results.length || results.push(send("hello"))), [send]);
      return null;
    };
    await render(h(StrictMode, null, h(Greeter)));
    await expect(Promise.all(results)).resolves.toMatchObject([{ position: 0 }]);
    expect(threads.of("a").thread.messages).toHaveLength(1);
  });

  it("leaves a client of the app's own open, with one connection for two components", async () => {
    const client = createOwn(threads.options("a"));
    const [one, two] = [createProbe(), createProbe()];
    await render(h(StrictMode, null, h(one.Probe, { source: client }), h(two.Probe, { source: client })));
    expect([threads.tickets, threads.open, one.now.client]).toEqual([["a"], ["a"], client]);
    await render(null);
    expect([threads.tickets, threads.open, client.getSnapshot().connection.kind]).toEqual([["a"], ["a"], "live"]);
  });
});

describe("another thread", () => {
  it("takes the place of one in mid-stream, and nothing of either is ever shown as the other's", async () => {
    threads.fill("a", "from a");
    threads.fill("b", "from b");
    const probe = createProbe();
    await render(h(probe.Probe, { source: threads.options("a") }));
    await during(() => {
      threads.ask("a", "from a too");
      threads.of("a").thread.chunks(...textChunks("from a, cut"));
    });
    const old = threads.of("a").socket;
    await render(h(probe.Probe, { source: threads.options("b") }));
    expect([threads.open, box.textContent]).toEqual([["b"], "from b|Re: from b"]);
    await during(() => old.receive(...threads.of("a").thread.sync("")));
    expect(box.textContent).toBe("from b|Re: from b");
    for (const view of probe.seen) for (const text of texts(view).messages) expect(text).toContain(`from ${view.thread.id}`);
    expect(probe.seen.map(({ thread }) => thread.id)).toContain("b");
  });

  it("leaves one connection after 50 of them", async () => {
    const probe = createProbe();
    for (let i = 0; i < 50; i++) await render(h(StrictMode, null, h(probe.Probe, { source: threads.options(`t${i}`) })));
    expect(threads.open).toEqual(["t49"]);
    expect(threads.tickets).toHaveLength(50);
    await threads.clock.advance(120_000);
    expect([threads.open, threads.tickets.length]).toEqual([["t49"], 50]);
  });

  it("may be another client, and options again", async () => {
    const probe = createProbe();
    const client = createOwn(threads.options("b"));
    await render(h(probe.Probe, { source: threads.options("a") }));
    await render(h(probe.Probe, { source: client }));
    expect([threads.open, probe.now.client]).toEqual([["b"], client]);
    await render(h(probe.Probe, { source: threads.options("c") }));
    expect(threads.open).toEqual(["b", "c"]);
  });
});

describe("a selector", () => {
  /** Counts how often a component with this selector is rendered. */
  function createCounter<Selected>(
    client: ChatClient,
    selector: (snapshot: ChatSnapshot) => Selected,
    isEqual?: (a: Selected, b: Selected) => boolean,
  ) {
    const seen: Selected[] = [];
    const Counter = () => {
      seen.push(useThread(client, (snapshot) => selector(snapshot), isEqual));
      return null;
    };
    return { Counter, seen };
  }

  const stream = async (...deltas: string[]) => {
    for (const delta of deltas) await during(() => threads.of("a").thread.chunks({ type: "text-delta", id: "t", delta }));
  };

  it("renders again only when what it takes is another value", async () => {
    const client = createOwn(threads.options("a"));
    const { Counter, seen } = createCounter(client, ({ status }) => status);
    await render(h(Counter));
    await during(() => client.send("one"));
    await during(() => threads.of("a").thread.chunks(...textChunks("Re")));
    await stream("a", "b", "c", "d");
    expect(seen).toEqual(["ready", "submitted", "streaming"]);
  });

  it("compares by `isEqual`, and gives the former value when nothing changed by it", async () => {
    const client = createOwn(threads.options("a"));
    const ids = ({ messages }: ChatSnapshot) => messages.map(({ id }) => id);
    const { Counter, seen } = createCounter(client, ids, (a, b) => a.join() === b.join());
    await render(h(Counter));
    await during(() => client.send("one"));
    await during(() => threads.of("a").thread.chunks(...textChunks("Re")));
    await stream("a", "b", "c", "d");
    expect(seen.map(({ length }) => length)).toEqual([0, 1, 2]);
    await render(h(Counter));
    expect(seen).toHaveLength(4);
    expect(seen[3]).toBe(seen[2]);
  });

  it("may give a new object each time, and follows a selector that changes", async () => {
    const client = createOwn(threads.options("a"));
    const seen: unknown[] = [];
    const Wild = ({ field }: { field: "status" | "role" }) => {
      seen.push(useThread(client, (snapshot) => ({ [field]: snapshot[field] })));
      return null;
    };
    await render(h(Wild, { field: "status" }));
    await render(h(Wild, { field: "role" }));
    expect(seen.at(-1)).toEqual({ role: "owner" });
    expect(seen.length).toBeLessThan(8);
  });

  it("that throws takes down its own component alone", async () => {
    class Boundary extends Component<{ children?: ReactNode }> {
      override state = { failed: false };
      static getDerivedStateFromError = () => ({ failed: true });
      override render = () => (this.state.failed ? "failed" : this.props.children);
    }
    const client = createOwn(threads.options("a"));
    const { Counter } = createCounter(client, ({ messages }) => messages.forEach(() => JSON.parse("{")));
    const probe = createProbe();
    await render([h(Boundary, { key: 1 }, h(Counter)), h(probe.Probe, { key: 2, source: client })]);
    await during(() => client.send("one"));
    expect(box.textContent).toBe("failedone");
    expect(onCaughtError).toHaveBeenCalledTimes(1);
    await during(() => threads.of("a").thread.chunks(...textChunks("Re")));
    expect(box.textContent).toBe("failedone|Re");
  });
});
