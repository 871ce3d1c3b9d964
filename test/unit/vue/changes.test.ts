// @vitest-environment jsdom
// A component whose thread changes: what is asked for in between goes to one thread, once, and no connection is left behind.
import { type App, createApp, defineComponent, h, nextTick, ref, shallowRef, watchEffect } from "vue";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Thread, useThread } from "../../../src/vue/use-thread.ts";
import { FakeThreads, quiet, texts } from "../../support/fake-threads.ts";

let threads: FakeThreads;
let box: HTMLElement;
let app: App;

beforeEach(() => {
  threads = new FakeThreads();
  threads.fill("a", "one");
  threads.fill("b", "two");
  box = document.createElement("div");
});
afterEach(() => app.unmount());

const settled = async (): Promise<void> => {
  for (let n = 0; n < 3; n++) {
    await quiet();
    await nextTick();
  }
};

const shown = ({ snapshot }: Thread): string => texts(snapshot.value).messages.join("|");

it("takes all options of another thread when props that change together name it", async () => {
  const Page = defineComponent({
    props: { id: { type: String, required: true }, isNew: Boolean },
    setup(props) {
      const thread = useThread(() => ({ ...threads.options(props.id), create: props.isNew }));
      return () => h("p", shown(thread));
    },
  });
  const props = shallowRef({ id: "new", isNew: true });
  app = createApp({ render: () => h(Page, props.value) });
  app.mount(box);
  await settled();
  props.value = { id: "a", isNew: false };
  await settled();
  expect(box.textContent).toBe("one|Re: one");
});

it("does not give a command of an effect again to another thread", async () => {
  const id = ref("a");
  const text = ref("");
  let runs = 0;
  app = createApp({
    setup() {
      const thread = useThread(() => threads.options(id.value));
      watchEffect(() => {
        if (!text.value) return;
        runs++;
        void thread.send(text.value);
      });
      return () => h("p", shown(thread));
    },
  });
  app.mount(box);
  await settled();
  text.value = "Hello";
  await settled();
  id.value = "b";
  await settled();
  expect([runs, box.textContent]).toEqual([1, "two|Re: two"]);
});

it("leaves no connection behind for a command between two changes", async () => {
  const id = ref("a");
  let thread!: Thread;
  app = createApp({
    setup() {
      thread = useThread(() => threads.options(id.value));
      return () => h("p", shown(thread));
    },
  });
  app.mount(box);
  await settled();
  id.value = "b";
  thread.setTitle("B").catch(() => {});
  id.value = "a";
  await settled();
  expect(box.textContent).toBe("one|Re: one");
  expect(threads.open).toEqual(["a"]);
  app.unmount();
  await settled();
  expect(threads.open).toEqual([]);
});
