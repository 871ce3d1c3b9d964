// One tab with a page of a framework: what it shows, and what can be done in it. All pages have the same roles.
import type { BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";
import type { Stage } from "../../support/stage.ts";
import { SOON } from "../../support/tab.ts";

const OFTEN = { ...SOON, interval: 50 };

interface Frame {
  status: string;
  /** What each message said, in order, behind its role. */
  said: string[];
}

interface Recorded {
  /** What the page has shown since it was loaded, frame by frame, without repetitions. */
  frames: Frame[];
}

/** Runs in the page, before it. Looks right after a frame is painted: what came and went before, nobody has seen. */
function record(): void {
  const frames: Frame[] = [];
  (window as unknown as Recorded).frames = frames;
  let last = "";
  const painted = new MessageChannel();
  painted.port1.onmessage = () => {
    const status = document.querySelector("output")?.textContent ?? "";
    const said = [...document.querySelectorAll("article")].map(({ className, textContent }) => `${className}: ${textContent}`);
    const now = JSON.stringify([status, said]);
    if (status && now !== last) frames.push({ status, said });
    last = now;
  };
  let isAsked = false;
  const look = (): void => {
    isAsked = false;
    painted.port2.postMessage(null);
  };
  new MutationObserver(() => {
    if (!isAsked) requestAnimationFrame(look);
    isAsked = true;
  }).observe(document, { subtree: true, childList: true, characterData: true });
}

export class ChatTab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get url(): string {
    return this.page.url();
  }

  async write(text: string): Promise<void> {
    await this.page.getByRole("textbox").fill(text);
    await this.page.getByRole("textbox").press("Enter");
  }

  /** Writes when the page is ready for it. */
  async ask(text: string): Promise<void> {
    await this.untilStatus("ready");
    await this.write(text);
  }

  async press(name: "Stop" | "Regenerate" | "Allow" | "Deny"): Promise<void> {
    await this.page.getByRole("button", { name }).click();
  }

  /** What each message says, in order, behind its role. */
  said(): Promise<string[]> {
    return this.page.locator("article").evaluateAll((all) => all.map(({ className, textContent }) => `${className}: ${textContent}`));
  }

  ids(): Promise<string[]> {
    return this.page.locator("article").evaluateAll((all) => all.map(({ id }) => id));
  }

  status(): Promise<string> {
    return this.page.locator("output").innerText();
  }

  /** The text of the last message if it is an answer, else empty. */
  async answer(): Promise<string> {
    const [, text = ""] = /^assistant: (.*)$/s.exec((await this.said()).at(-1) ?? "") ?? [];
    return text;
  }

  /** Waits for an answer of more than so many characters, and returns it as it is by then. */
  async answerBeyond(length: number): Promise<string> {
    let text = "";
    const look = async (): Promise<number> => (text = await this.answer()).length;
    await expect.poll(look, { ...OFTEN, message: "length of the answer" }).toBeGreaterThan(length);
    return text;
  }

  async untilSaid(...said: string[]): Promise<void> {
    await expect.poll(() => this.said(), OFTEN).toEqual(said);
  }

  async untilStatus(status: string): Promise<void> {
    await expect.poll(() => this.status(), OFTEN).toBe(status);
  }

  /** Goes to the thread of an address, or to a new one, without loading the page again. */
  async goTo(address?: string): Promise<void> {
    await this.page.evaluate((hash) => void (location.hash = hash), address ? new URL(address).hash : "");
  }

  frames(): Promise<Frame[]> {
    return this.page.evaluate(() => (window as unknown as Recorded).frames);
  }

  /**
   * Fails unless the page has shown, since it was loaded, messages that only grew, to all of `said`, and parts of the last of it
   * while it was `streaming`.
   */
  async expectGrownTo(...said: string[]): Promise<void> {
    // The last one may be yet to be painted.
    await expect.poll(async () => (await this.frames()).at(-1)?.said, OFTEN).toEqual(said);
    const frames = await this.frames();
    const texts = frames.map((frame) => frame.said.join("\n"));
    for (const [index, text] of texts.entries()) {
      const before = texts[index - 1] ?? "";
      expect(text.slice(0, before.length)).toBe(before);
    }
    const streamed = frames.filter((frame) => frame.status === "streaming" && frame.said.length === said.length);
    expect(streamed.filter((frame) => frame.said.at(-1) !== said.at(-1)).length).toBeGreaterThan(1);
  }
}

/** Opens a tab of one person: at their page with a new thread, or at an address. */
export type Open = (address?: string) => Promise<ChatTab>;

/** A person with a browser of their own, on the pages of one framework. */
export async function visit(stage: Stage, framework: string, options?: BrowserContextOptions): Promise<Open> {
  const { context } = await stage.visitor({ viewport: { width: 640, height: 480 }, ...options });
  await context.addInitScript(record);
  return async (address = `/${framework}`) => {
    const page = await context.newPage();
    await page.goto(address);
    await page.getByRole("textbox").waitFor();
    return new ChatTab(page);
  };
}

/** Fails unless all tabs show what a tab shows that is opened now: the same words in the same messages. */
export async function expectLikeFreshTab(open: Open, ...tabs: ChatTab[]): Promise<void> {
  for (const tab of tabs) await tab.untilStatus("ready");
  const fresh = await open(tabs[0]!.url);
  await fresh.untilSaid(...(await tabs[0]!.said()));
  await fresh.untilStatus("ready");
  for (const tab of tabs) expect([await tab.said(), await tab.ids()]).toEqual([await fresh.said(), await fresh.ids()]);
}
