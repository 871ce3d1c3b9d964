import { flushSync, mount, unmount } from "svelte";
import { describeUseChat, type HookOfPage, linesOf } from "../../ai-sdk/page-suite.ts";
import Page from "./ai-sdk-page.svelte";

describeUseChat({
  name: "Svelte",
  during: async (run) => {
    await run();
    flushSync();
  },
  mount: (box, init) => {
    let hook!: HookOfPage;
    const page = mount(Page, { target: box, props: { ...init, linesOf, given: (chat: HookOfPage) => (hook = chat) } });
    flushSync();
    return { hook, leave: () => unmount(page) };
  },
});
