// One tab as a person uses it: what it shows, and what can be done in it. Nothing here looks behind the page.
import type { Page } from "playwright-core";
import { expect } from "vitest";

/** How long anything on the page may take. */
export const SOON = { timeout: 15_000 };

export class Tab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get url(): string {
    return this.page.url();
  }

  async write(text: string): Promise<void> {
    await this.page.locator("#input").fill(text);
    await this.page.locator("#input").press("Enter");
    // The page shows it with the next frame.
    await this.page.evaluate(() => new Promise(requestAnimationFrame));
  }

  /** Sends the first message, and waits until the thread has its address. */
  async begin(text: string): Promise<void> {
    await this.write(text);
    await this.page.waitForURL(/\?t=/);
  }

  /** The messages as they stand in the page, in full: two tabs that agree have the same. */
  history(): Promise<string> {
    return this.page.locator("#messages").innerHTML();
  }

  /** What the people and the model said, in order, without names, times and outcomes. */
  said(): Promise<string[]> {
    return this.page.locator(".message-body").allInnerTexts();
  }

  /** The text of the newest answer; empty when there is none. */
  async answer(): Promise<string> {
    return (await this.page.locator(".is-assistant .prose").allInnerTexts()).at(-1) ?? "";
  }

  /** What became of the newest message, for example "Stopped". */
  async outcome(): Promise<string> {
    return (await this.page.locator(".message").last().locator(".outcome").allInnerTexts()).join();
  }

  queue(): Promise<string[]> {
    return this.page.locator("#queue:not([hidden]) .queue-text").allInnerTexts();
  }

  async takeBack(text: string): Promise<void> {
    await this.page.getByRole("button", { name: `Take back: ${text}`, exact: true }).click();
  }

  isBusy(): Promise<boolean> {
    return this.page.locator("#stop").isVisible();
  }

  connection(): Promise<string> {
    return this.page.locator("#connection").innerText();
  }

  hasFocus(selector: string): Promise<boolean> {
    return this.page.locator(selector).evaluate((element) => element === document.activeElement);
  }

  /** Waits for an answer of at least so many characters, and returns it as it is by then. */
  async answerBeyond(length: number): Promise<string> {
    let text = "";
    const look = async (): Promise<number> => (text = await this.answer()).length;
    await expect.poll(look, { ...SOON, message: "length of the answer" }).toBeGreaterThan(length);
    return text;
  }

  /** Waits until the last answer has ended and nothing waits. */
  async untilQuiet(): Promise<void> {
    const look = async (): Promise<unknown> => [await this.isBusy(), await this.queue(), await this.connection()];
    await expect.poll(look, { ...SOON, message: "busy, queue, connection" }).toEqual([false, [], "Live"]);
  }

  async untilLive(): Promise<void> {
    await expect.poll(() => this.connection(), { timeout: 45_000 }).toBe("Live");
  }

  async stop(how: "button" | "Escape"): Promise<void> {
    if (how === "Escape") await this.page.keyboard.press("Escape");
    else await this.page.getByRole("button", { name: "Stop the answer" }).click();
  }
}

/** What "count to N" answers. */
export function countTo(last: number): string {
  return Array.from({ length: last }, (_, index) => index + 1).join(" ");
}
