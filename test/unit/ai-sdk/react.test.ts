// @vitest-environment jsdom
import { useChat } from "@ai-sdk/react";
import { act, createElement as h, StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeEach, vi } from "vitest";
import { describeUseChat, type Framework, type HookOfPage, linesOf, type PageInit } from "./page-suite.ts";

beforeEach(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const framework = (name: string, isStrict: boolean): Framework => ({
  name,
  during: (run) => act(run),
  mount: (box, init) => {
    let hook!: HookOfPage;
    const Page = ({ id, transport, messages: first, resume, sendAutomaticallyWhen }: PageInit) => {
      const chat = useChat({ id, transport, messages: first, resume, sendAutomaticallyWhen });
      const { messages, status, setMessages } = chat;
      hook = chat;
      useEffect(() => transport.watch(id, setMessages), [id, transport, setMessages]);
      return linesOf(messages, status).map((line, i) => h("p", { key: i }, line));
    };
    const root = createRoot(box);
    root.render(h(isStrict ? StrictMode : "div", null, h(Page, init)));
    return {
      get hook() {
        return hook;
      },
      leave: () => root.unmount(),
    };
  },
});

describeUseChat(framework("React", false));
describeUseChat(framework("React in StrictMode", true));
