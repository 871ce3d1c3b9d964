// One tab as a person uses it.
import type { Page } from "playwright-core";
import { expect } from "vitest";

/** How long anything on the page may take. */
export const SOON = { timeout: 20_000 };

export class Tab {
  readonly page: Page;
  /** HTTP status of the page. */
  readonly status: number;

  constructor(page: Page, status: number) {
    this.page = page;
    this.status = status;
  }

  /** The button is there for whoever has written something, and only after the page has come to life. */
  async write(text: string): Promise<void> {
    await this.page.getByRole("textbox").fill(text);
    await this.page.getByRole("button", { name: "Send" }).click();
  }

  /** Sends the first message, and waits until the thread has its address. */
  async begin(text: string): Promise<void> {
    await this.write(text);
    await this.page.waitForURL(/\?t=[\w-]{22}$/);
  }

  /** What the person and the model said, in order. */
  said(): Promise<string[]> {
    return this.page.locator("article .body").allInnerTexts();
  }

  /** What stands beside the messages, for example "Stopped". */
  statuses(): Promise<string[]> {
    return this.page.locator("article .status").allInnerTexts();
  }

  async press(button: string): Promise<void> {
    await this.page.getByRole("button", { name: button, exact: true }).click();
  }

  has(button: string): Promise<boolean> {
    return this.page.getByRole("button", { name: button, exact: true }).isVisible();
  }

  async untilSaid(expected: string[]): Promise<void> {
    await expect.poll(() => this.said(), SOON).toEqual(expected);
  }

  /** Waits until some of the newest answer is there, and returns what there is. */
  async untilAnswerBegins(): Promise<string> {
    const answer = async (): Promise<string> => (await this.page.locator("article.assistant .body").allInnerTexts()).at(-1) ?? "";
    await expect.poll(answer, SOON).not.toBe("");
    return answer();
  }
}

/** What "count to N" answers. */
export function countTo(last: number): string {
  return Array.from({ length: last }, (_, index) => index + 1).join(" ");
}
