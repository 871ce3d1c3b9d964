// Node, where there is no page: what a server renders.
import { createSSRApp, defineComponent, effectScope, h } from "vue";
import { renderToString } from "vue/server-renderer";
import { afterEach, expect, it, vi } from "vitest";
import { useThread } from "../../../src/vue/use-thread.ts";
import { FakeThreads, quiet } from "../../support/fake-threads.ts";

afterEach(() => vi.restoreAllMocks());

it("renders a thread of a relative address, and opens nothing", async () => {
  const warn = vi.spyOn(console, "warn");
  const threads = new FakeThreads();
  const Page = defineComponent(() => {
    const { thread, status, connection, messages } = useThread(() => threads.options("a"));
    return () => h("p", [thread.value.id, status.value, connection.value.kind, messages.value.length].join(" "));
  });
  expect(await renderToString(createSSRApp(Page))).toBe("<p>a ready idle 0</p>");
  await quiet();
  expect([threads.tickets, threads.open, threads.clock.pending, warn.mock.calls]).toEqual([[], [], [], []]);
});

it("opens nothing outside of a component either", async () => {
  const threads = new FakeThreads();
  const scope = effectScope();
  scope.run(() => useThread(threads.options("a")));
  await quiet();
  expect(threads.tickets).toEqual([]);
  scope.stop();
});
