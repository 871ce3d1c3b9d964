// What stock `useChat` of every framework does in a page over our transport: one suite, run with the hook of each.
import { lastAssistantMessageIsCompleteWithApprovalResponses, type UIMessage } from "ai";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ASKS, textsOf, World, type Transport } from "./world.ts";

/** What a page gives to its hook. */
export interface PageInit {
  id: string;
  transport: Transport;
  messages: UIMessage[];
  /** Resumes when it is shown: by the hook where that can, else by the page. */
  resume: boolean;
  sendAutomaticallyWhen: (given: { messages: UIMessage[] }) => boolean;
}

/** What the hook gives to its page. */
export interface HookOfPage {
  sendMessage: (message: { text: string; messageId?: string }) => unknown;
  regenerate: () => unknown;
  stop: () => unknown;
  addToolApprovalResponse: (answer: { id: string; approved: boolean }) => unknown;
}

/** A mounted page that watches its chat, and shows each message in a paragraph, and its status in the one after them. */
export interface ShownPage {
  hook: HookOfPage;
  leave: () => Promise<void> | void;
}

export interface Framework {
  name: string;
  mount: (box: HTMLElement, init: PageInit) => Promise<ShownPage> | ShownPage;
  /** Runs what changes pages, and lets them render. */
  during: (run: () => Promise<void>) => Promise<void>;
}

const ID = "thread-of-the-test";

/** The text of a page's messages and status, as the components of the tests are to render them. */
export function linesOf(messages: UIMessage[], status: string): string[] {
  return [...textsOf(messages), status];
}

export function describeUseChat({ name, mount, during }: Framework): void {
  describe(`useChat of ${name}`, () => {
    let world: World;
    let transport: Transport;
    let box: HTMLElement;
    let pages: ShownPage[];

    beforeEach(() => {
      vi.spyOn(console, "error");
      vi.spyOn(console, "warn");
      world = new World();
      transport = world.transport();
      box = document.body.appendChild(document.createElement("div"));
      pages = [];
    });

    afterEach(async () => {
      for (const page of pages) await leave(page);
      box.remove();
      await world.close();
      expect(vi.mocked(console.error).mock.calls).toEqual([]);
      expect(vi.mocked(console.warn).mock.calls).toEqual([]);
      expect(world.reported).toEqual([]);
      vi.restoreAllMocks();
    });

    const pass = (run: () => unknown = () => {}) =>
      during(async () => {
        void run();
        await world.pass();
      });

    async function load(): Promise<UIMessage[]> {
      let messages: UIMessage[] = [];
      void transport.load(ID).then((loaded) => (messages = loaded));
      await world.pass();
      return messages;
    }

    async function open(resume = false): Promise<ShownPage> {
      const messages = await load();
      const init = { id: ID, transport, messages, resume, sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses };
      let page!: ShownPage;
      await during(async () => {
        page = await mount(box, init);
        await world.pass();
      });
      pages.push(page);
      return page;
    }

    async function leave(page: ShownPage): Promise<void> {
      pages = pages.filter((other) => other !== page);
      await during(async () => {
        await page.leave();
        await world.pass();
      });
    }

    const shown = () => [...box.querySelectorAll("p")].map(({ textContent }) => textContent);

    it("shows the history, sends, and streams the reply", async () => {
      await world.fill(ID, "one");
      const { hook } = await open();
      expect(shown()).toEqual(["u: one", "a: Re: one", "ready"]);
      await pass(() => hook.sendMessage({ text: "two" }));
      expect(shown()).toEqual(["u: one", "a: Re: one", "u: two", "submitted"]);
      await pass(() => world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "Re: " }));
      expect(shown()).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: ", "streaming"]);
      await pass(() => {
        world.play.say({ type: "text-delta", id: "t", delta: "two" });
        world.play.end();
      });
      expect(shown()).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: two", "ready"]);
    });

    it("makes a thread with the first message of a new chat", async () => {
      const { hook } = await open(true);
      await pass(() => hook.sendMessage({ text: "Hello" }));
      await pass(() => {
        world.play.text("Hi");
        world.play.end();
      });
      expect(shown()).toEqual(["u: Hello", "a: Hi", "ready"]);
    });

    it("stops by `transport.stop`, and detaches by its own", async () => {
      await world.fill(ID, "one");
      const { hook } = await open();
      await pass(() => hook.sendMessage({ text: "two" }));
      await pass(() => world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "Re: " }));
      await pass(() => hook.stop());
      expect(world.play.turn.signal.aborted).toBe(false);
      // What comes then is another page's as far as this hook knows.
      await pass(() => world.play.say({ type: "text-delta", id: "t", delta: "tw" }));
      expect(shown()).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: tw", "ready"]);
      await pass(() => transport.stop(ID));
      expect(world.play.turn.signal.aborted).toBe(true);
      await pass(() => hook.sendMessage({ text: "three" }));
      await pass(() => transport.stop(ID));
      expect(shown()).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: tw", "u: three", "ready"]);
    });

    it("resumes a reply after a reload, from its beginning and once", async () => {
      await world.fill(ID, "one");
      const first = await open();
      await pass(() => first.hook.sendMessage({ text: "two" }));
      await pass(() => world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "Re: " }));
      await leave(first);
      transport.close(ID);
      transport = world.transport();
      await pass(() => world.play.say({ type: "text-delta", id: "t", delta: "tw" }));
      await open(true);
      expect(shown()).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: tw", "streaming"]);
      await pass(() => {
        world.play.say({ type: "text-delta", id: "t", delta: "o" });
        world.play.end();
      });
      expect(shown()).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: two", "ready"]);
    });

    it("resumes a second reply to a message, which takes the place of the first", async () => {
      await world.fill(ID, "one");
      const first = await open();
      await pass(() => first.hook.regenerate());
      await pass(() => world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "Another" }));
      await leave(first);
      transport.close(ID);
      transport = world.transport();
      await open(true);
      expect(shown()).toEqual(["u: one", "a: Another", "streaming"]);
    });

    it("resumes a reply behind which another message waits", async () => {
      await world.fill(ID, "one");
      const other = world.client(ID);
      await pass(() => other.send("two"));
      await pass(() => other.send("three"));
      await pass(() => world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "Re: " }));
      await open(true);
      expect(shown()).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: ", "streaming"]);
      await pass(() => {
        world.play.say({ type: "text-delta", id: "t", delta: "two" });
        world.play.end();
      });
      expect(shown()).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: two", "u: three", "ready"]);
    });

    it("regenerates a reply, and edits a message", async () => {
      await world.fill(ID, "one");
      const { hook } = await open();
      await pass(() => hook.regenerate());
      expect(shown()).toEqual(["u: one", "submitted"]);
      await pass(() => {
        world.play.text("Another");
        world.play.end();
      });
      expect(shown()).toEqual(["u: one", "a: Another", "ready"]);
      const [question] = await load();
      await pass(() => hook.sendMessage({ text: "first", messageId: question!.id }));
      await pass(() => {
        world.play.text("Re: first");
        world.play.end();
      });
      expect(shown()).toEqual(["u: first", "a: Re: first", "ready"]);
      expect(textsOf(await load())).toEqual(["u: first", "a: Re: first"]);
    });

    it("asks for approval, and goes on with the answer", async () => {
      const { hook } = await open();
      await pass(() => hook.sendMessage({ text: "Pay" }));
      await pass(() => {
        world.play.say(...ASKS);
        world.play.end();
      });
      expect(shown()).toEqual(["u: Pay", "a: May I?[pay approval-requested]", "ready"]);
      await pass(() => hook.addToolApprovalResponse({ id: "approval-1", approved: true }));
      await pass(() => {
        world.play.say({ type: "tool-output-available", toolCallId: "call-1", output: "paid" });
        world.play.text("Done.");
        world.play.end();
      });
      expect(shown()).toEqual(["u: Pay", "a: May I?[pay output-available]Done.", "ready"]);
    });

    it("is quiet when its chat is closed in the middle of an answer that it would ask for again", async () => {
      const { hook } = await open();
      await pass(() => hook.sendMessage({ text: "Pay" }));
      await pass(() => {
        world.play.say(...ASKS);
        world.play.end();
      });
      await pass(() => hook.addToolApprovalResponse({ id: "approval-1", approved: true }));
      expect(shown()).toEqual(["u: Pay", "a: May I?[pay approval-responded]", "submitted"]);
      const before = world.requests.length;
      await pass(() => transport.close(ID));
      expect(shown()).toEqual(["u: Pay", "a: May I?[pay approval-responded]", "ready"]);
      expect(world.requests.slice(before)).toEqual([]);
    });

    it("shows what another page asks and gets, and what it answers", async () => {
      await world.fill(ID, "one");
      await open();
      const other = world.client(ID);
      await pass(() => other.send("two"));
      await pass(() => world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "Re: " }));
      expect(shown()).toEqual(["u: one", "a: Re: one", "u: two", "a: Re: ", "ready"]);
      await pass(() => {
        world.play.say({ type: "text-delta", id: "t", delta: "two" }, { type: "text-end", id: "t" }, ...ASKS);
        world.play.end();
      });
      expect(shown().at(-2)).toBe("a: Re: twoMay I?[pay approval-requested]");
      await pass(() => other.approve("approval-1", { approved: false }));
      await pass(() => world.play.end());
      expect(shown().at(-2)).toBe("a: Re: twoMay I?[pay output-denied]");
    });

    it("says what the server refused", async () => {
      await world.fill(ID, "one");
      const { hook } = await open();
      await pass(() => hook.sendMessage({ text: "" }));
      expect(shown().at(-1)).toBe("error");
    });
  });
}
