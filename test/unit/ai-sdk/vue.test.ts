// @vitest-environment jsdom
import { useChat } from "@ai-sdk/vue";
import { createApp, defineComponent, h, nextTick, onMounted, onUnmounted } from "vue";
import { describeUseChat, type HookOfPage, linesOf } from "./page-suite.ts";

describeUseChat({
  name: "Vue",
  during: async (run) => {
    await run();
    await nextTick();
  },
  mount: (box, { id, transport, messages: first, resume, sendAutomaticallyWhen }) => {
    let hook!: HookOfPage;
    const Page = defineComponent({
      setup() {
        const chat = useChat({ id, transport, messages: first as never, sendAutomaticallyWhen });
        const { messages, status, resumeStream } = chat;
        hook = chat;
        onMounted(() => resume && resumeStream());
        onUnmounted(transport.watch(id, (all) => (messages.value = all as typeof messages.value)));
        return () => linesOf(messages.value as never, status.value).map((line) => h("p", line));
      },
    });
    const app = createApp(Page);
    app.mount(box);
    return { hook, leave: () => app.unmount() };
  },
});
