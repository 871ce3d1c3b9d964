// @vitest-environment jsdom
import { createApp, defineComponent, h, nextTick, shallowRef } from "vue";
import { expect, it } from "vitest";
import { useThread } from "../../../src/vue/use-thread.ts";
import { FakeThreads, quiet } from "../../support/fake-threads.ts";

it("takes all options of another thread when props that change together name it", async () => {
  const threads = new FakeThreads();
  threads.fill("a", "one");
  const Page = defineComponent({
    props: { id: { type: String, required: true }, isNew: Boolean },
    setup(props) {
      const { messages } = useThread(() => ({ ...threads.options(props.id), create: props.isNew }));
      return () => h("p", messages.value.length);
    },
  });
  const props = shallowRef({ id: "b", isNew: true });
  const box = document.createElement("div");
  const app = createApp({ render: () => h(Page, props.value) });
  app.mount(box);
  await quiet();
  props.value = { id: "a", isNew: false };
  await nextTick();
  await quiet();
  await nextTick();
  expect(box.textContent).toBe("2");
  app.unmount();
});
