// A server and a browser for the tests of one file or `describe`. Each test gets visitors of its own, and fails on anything that
// their pages complained about: an exception, a blocked resource, a console error that the test has not announced.
import { mkdirSync } from "node:fs";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";

const ARGS =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
/** Chromium's own line for a first visit: the ticket route asks a browser without a cookie to make itself an identity first. */
export const FIRST_VISIT = /status of 401 \(Unauthorized\) http:\/\/localhost:\d+\/chat\/threads\/[\w-]+\/ticket$/;

export interface Server {
  readonly origin: string;
  stop(): Promise<void>;
}

export interface VisitorsSetup<Of extends Server> {
  start: () => Promise<Of>;
  /** Longest time of the start, in ms. By default that of every hook. */
  startWithinMs?: number;
  /** Longest time of anything on a page, in ms. */
  timeout: number;
  /** Console errors of every visit. */
  expected?: readonly RegExp[];
  /** What of the complaints of a test is its pages' fault. All by default. */
  judge?: (complaints: string[], server: Of) => string[];
}

export interface Visitors<Of extends Server> {
  readonly server: Of;
  /** A browser profile of a person. */
  profile(options?: BrowserContextOptions): Promise<BrowserContext>;
  /** Announces console errors that belong to the test. */
  expectErrors: (pattern: RegExp) => void;
}

export function setVisitors<Of extends Server>(setup: VisitorsSetup<Of>): Visitors<Of> {
  const { start, startWithinMs, timeout, expected = [], judge = (complaints) => complaints } = setup;
  let browser: Browser;
  let server: Of;
  let contexts: BrowserContext[] = [];
  let complaints: string[] = [];
  let announced = [...expected];

  beforeAll(async () => {
    server = await start();
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium", args: ARGS.split(" ") });
  }, startWithinMs);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") await shoot(contexts, task.name);
    const unexpected = judge(
      complaints.filter((text) => !announced.some((pattern) => pattern.test(text))),
      server,
    );
    for (const context of contexts) await context.close();
    contexts = [];
    complaints = [];
    announced = [...expected];
    expect(unexpected, "what the pages complained about").toEqual([]);
  });

  const watch = (page: Page): void => {
    page.on("pageerror", (error) => complaints.push(`exception: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(`${message.text()} ${message.location().url}`);
    });
  };

  return {
    get server() {
      return server;
    },
    profile: async (options = {}) => {
      const context = await browser.newContext({ baseURL: server.origin, viewport: { width: 1280, height: 860 }, ...options });
      context.setDefaultTimeout(timeout);
      contexts.push(context);
      context.on("page", watch);
      return context;
    },
    expectErrors: (pattern) => void announced.push(pattern),
  };
}

async function shoot(contexts: readonly BrowserContext[], name: string): Promise<void> {
  mkdirSync("test-results", { recursive: true });
  const pages = contexts.flatMap((context) => context.pages());
  for (const [index, page] of pages.entries()) {
    await page.screenshot({ path: `test-results/${name.replaceAll(/\W+/g, "-")}-${index + 1}.png` }).catch(() => {
      // The page has crashed or was closed by the test: there is nothing to see.
    });
  }
}
