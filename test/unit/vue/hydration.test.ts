// @vitest-environment jsdom
import { createSSRApp, defineComponent, h, nextTick } from "vue";
import { renderToString } from "vue/server-renderer";
import { expect, it, vi } from "vitest";
import { useThread } from "../../../src/vue/use-thread.ts";
import { FakeThreads, quiet, texts } from "../../support/fake-threads.ts";

it("takes over what the server rendered, then connects once", async () => {
  const threads = new FakeThreads();
  threads.fill("a", "one");
  const seen: string[] = [];
  const Page = defineComponent(() => {
    const { snapshot, connection } = useThread(threads.options("a"));
    return () => {
      const text = `${connection.value.kind}: ${texts(snapshot.value).messages.join("|")}`;
      seen.push(text);
      return h("p", text);
    };
  });
  const problems: unknown[] = [];
  vi.spyOn(console, "warn").mockImplementation((...args) => problems.push(args));
  vi.spyOn(console, "error").mockImplementation((...args) => problems.push(args));
  const box = document.createElement("div");
  box.innerHTML = await renderToString(createSSRApp(Page));
  await quiet();
  expect(threads.tickets).toEqual([]);
  seen.length = 0;

  const app = createSSRApp(Page);
  app.mount(box);
  expect(seen).toEqual(["idle: "]);
  await quiet();
  await nextTick();
  expect(box.textContent).toBe("live: one|Re: one");
  expect([threads.tickets, threads.open, problems]).toEqual([["a"], ["a"], []]);
  app.unmount();
  await quiet();
  expect(threads.open).toEqual([]);
  vi.restoreAllMocks();
});
