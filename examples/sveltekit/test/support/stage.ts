// A browser and a server for the tests of one `describe`. Each test gets visitors of its own, and fails on anything that the pages
// complained about.
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { startServer, type Server } from "./server.ts";
import { SOON, Tab } from "./tab.ts";

/** Chromium's own line for a first visit: the ticket route asks a browser without a cookie to make itself an identity first. */
const FIRST_VISIT = /status of 401 \(Unauthorized\) http:\/\/localhost:\d+\/chat\/threads\/[\w-]+\/ticket$/;

export interface Visitor {
  open(address?: string): Promise<Tab>;
}

export function setStage(command: "dev" | "preview") {
  let server: Server;
  let browser: Browser;
  let contexts: BrowserContext[] = [];
  let complaints: string[] = [];
  let expected = [FIRST_VISIT];

  beforeAll(async () => {
    server = await startServer(command);
    const args = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium", args });
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(async () => {
    const unexpected = complaints.filter((text) => !expected.some((pattern) => pattern.test(text)));
    for (const context of contexts) await context.close();
    contexts = [];
    complaints = [];
    expected = [FIRST_VISIT];
    expect(unexpected, "what the pages complained about").toEqual([]);
  });

  const watch = (page: Page): void => {
    page.on("pageerror", (error) => complaints.push(`exception: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(`${message.text()} ${message.location().url}`);
    });
  };

  return {
    /** A person with a browser profile of their own. */
    visitor: async (): Promise<Visitor> => {
      const context = await browser.newContext({ baseURL: server.origin });
      context.setDefaultTimeout(SOON.timeout);
      contexts.push(context);
      context.on("page", watch);
      return {
        open: async (address = "/") => {
          const page = await context.newPage();
          const response = await page.goto(address);
          return new Tab(page, response!.status());
        },
      };
    },
    /** Announces console errors that belong to the test. */
    expectErrors: (pattern: RegExp): void => void expected.push(pattern),
  };
}
