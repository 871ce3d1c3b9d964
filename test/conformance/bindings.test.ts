// @vitest-environment jsdom
// Our client behind the bindings: everything is shown and asked through what a component gets.
import { createElement } from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { afterAll, describe } from "vitest";
import { effectScope } from "vue";
import type { ChatClient, ChatSnapshot } from "../../src/client/types.ts";
import { useThread as useReactThread, type Thread as ReactThread } from "../../src/react/use-thread.ts";
import { chatClientAdapter, type ShownClient } from "../../src/testing/conformance/chat-client-adapter.ts";
import { createMemoryServer } from "../../src/testing/conformance/memory-server.ts";
import { createThread } from "../../src/svelte/create-thread.ts";
import { useThread as useVueThread } from "../../src/vue/use-thread.ts";
import { Chat } from "./app.ts";
import { testConformance } from "./run.ts";

const server = createMemoryServer(Chat);
afterAll(() => server.close());

/** The types of a page would meet those of a Worker here. */
const page = (globalThis as unknown as { document: { createElement: (tag: string) => Parameters<typeof createRoot>[0] } }).document;

function inReact(client: ChatClient): ShownClient {
  let thread = null as ReactThread | null;
  const Probe = () => {
    thread = useReactThread(client);
    return null;
  };
  const root = createRoot(page.createElement("div"));
  flushSync(() => root.render(createElement(Probe)));
  return { ...thread!, getSnapshot: () => thread!, close: () => root.unmount() };
}

function inVue(client: ChatClient): ShownClient {
  const scope = effectScope();
  const thread = scope.run(() => useVueThread(client))!;
  return { ...thread, getSnapshot: () => thread.snapshot.value, close: () => scope.stop() };
}

/** By the contract of stores, which components of Svelte 4 and 5 follow. */
function inSvelte(client: ChatClient): ShownClient {
  const thread = createThread(client);
  let snapshot = null as ChatSnapshot | null;
  const close = thread.subscribe((next) => (snapshot = next));
  return { ...thread, getSnapshot: () => snapshot!, close };
}

describe("in React", () => testConformance(() => server, { client: chatClientAdapter(inReact), only: "client" }));
describe("in Vue", () => testConformance(() => server, { client: chatClientAdapter(inVue), only: "client" }));
describe("in Svelte", () => testConformance(() => server, { client: chatClientAdapter(inSvelte), only: "client" }));
