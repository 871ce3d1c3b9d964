// One tab as a person uses it: what it shows, and what can be done in it.
import type { Page } from "playwright-core";
import { expect } from "vitest";

/** How long anything on the page may take. Next compiles a route when it is first asked for. */
export const SOON = { timeout: 30_000 };

export class Tab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async write(text: string): Promise<void> {
    await this.page.getByLabel("Message", { exact: true }).fill(text);
    await this.page.getByLabel("Message", { exact: true }).press("Enter");
  }

  /** Sends the first message, and waits until the thread has its address. @returns the address */
  async begin(text: string): Promise<string> {
    await this.write(text);
    await this.page.waitForURL(/\/chat\/[\w-]{22}$/);
    return this.page.url();
  }

  /** What the people and the model said, in order. */
  said(): Promise<string[]> {
    return this.page.locator(".message").evaluateAll((all) =>
      all.map((one) =>
        Array.from(one.querySelectorAll(":scope > p"), (text) => text.textContent)
          .join("\n")
          .trim(),
      ),
    );
  }

  /** The text of the newest message when it is an answer, else nothing. */
  async answer(): Promise<string> {
    return (await this.page.locator(".message:last-of-type.is-assistant > p:first-of-type").allInnerTexts()).join("");
  }

  isBusy(): Promise<boolean> {
    return this.page.getByLabel("Stop the answer").isVisible();
  }

  async stop(): Promise<void> {
    await this.page.getByLabel("Stop the answer").click();
  }

  /** Waits for an answer of at least so many characters, and returns it as it is by then. */
  async answerBeyond(length: number): Promise<string> {
    let text = "";
    await expect
      .poll(async () => (text = await this.answer()).length, { ...SOON, message: "length of the answer" })
      .toBeGreaterThan(length);
    return text;
  }

  async untilAnswered(text: string): Promise<void> {
    await expect.poll(async () => [await this.answer(), await this.isBusy()], { ...SOON, message: "answer, busy" }).toEqual([text, false]);
  }

  async untilBusy(isBusy: boolean): Promise<void> {
    await expect.poll(() => this.isBusy(), { ...SOON, message: "busy" }).toBe(isBusy);
  }
}

/** What "count to N" answers. */
export function countTo(last: number): string {
  return Array.from({ length: last }, (_, index) => index + 1).join(" ");
}
