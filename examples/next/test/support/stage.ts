// What every test shares: one running example, one browser. Each test gets visitors of its own, and fails on anything that the pages
// complained about: an exception, a mismatch of server and page, a console error that the test has not announced.
import { mkdirSync } from "node:fs";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type App, startApp } from "./app.ts";
import { SOON, Tab } from "./tab.ts";

const ARGS =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

export interface Visitor {
  context: BrowserContext;
  /** Opens a tab at a path or an address. */
  open: (address?: string) => Promise<Tab>;
}

export interface Stage {
  readonly app: App;
  /** A person with a browser profile of their own. */
  visitor(): Promise<Visitor>;
  /** Announces console errors that belong to the test. */
  expectErrors(pattern: RegExp): void;
}

export function setStage(): Stage {
  let browser: Browser;
  let app: App;
  let contexts: BrowserContext[] = [];
  let complaints: string[] = [];
  let expected: RegExp[] = [];

  beforeAll(async () => {
    app = await startApp();
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium", args: ARGS.split(" ") });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await app?.stop();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") await shoot(contexts, task.name);
    const unexpected = complaints.filter((text) => !expected.some((pattern) => pattern.test(text)));
    for (const context of contexts) await context.close();
    contexts = [];
    complaints = [];
    expected = [];
    expect(unexpected, "what the pages complained about").toEqual([]);
  });

  const watch = (page: Page): void => {
    page.on("pageerror", (error) => complaints.push(`exception: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(`${message.text()} ${message.location().url}`);
    });
  };

  return {
    get app() {
      return app;
    },
    visitor: async () => {
      const context = await browser.newContext({ baseURL: app.origin, viewport: { width: 1100, height: 800 } });
      context.setDefaultTimeout(SOON.timeout);
      contexts.push(context);
      context.on("page", watch);
      const open = async (address = "/"): Promise<Tab> => {
        const page = await context.newPage();
        await page.goto(address);
        return new Tab(page);
      };
      return { context, open };
    },
    expectErrors: (pattern) => void expected.push(pattern),
  };
}

async function shoot(contexts: readonly BrowserContext[], name: string): Promise<void> {
  mkdirSync("test-results", { recursive: true });
  const pages = contexts.flatMap((context) => context.pages());
  for (const [index, page] of pages.entries()) {
    await page.screenshot({ path: `test-results/next-${name.replaceAll(/\W+/g, "-")}-${index + 1}.png` }).catch(() => {
      // The page has crashed or was closed by the test: there is nothing to see.
    });
  }
}
