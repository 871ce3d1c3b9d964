// A copy of this example, as somebody makes it: with a dev server, a secret and threads of its own. Its files may be edited, and all
// of it is gone afterwards. It lies below the example (in a folder that git ignores), so that packages are found.
import { spawn, type ChildProcess } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Page } from "playwright-core";
import { afterEach, expect } from "vitest";
import { freePort, untilReady } from "../../../test/browser/support/processes.ts";
import { FIRST_VISIT, type Server, setVisitors } from "../../../test/browser/support/visitors.ts";

const EXAMPLE = path.resolve(import.meta.dirname, "..");
const FILES = [
  "index.html",
  "package.json",
  "public",
  "secret.mjs",
  "src",
  "tsconfig.json",
  "vite.config.ts",
  "worker.ts",
  "wrangler.jsonc",
];
const READY_WITHIN_MS = 50_000;
/** How long anything on the page may take. */
export const SOON = { timeout: 30_000 };

/**
 * The plugin's line to workerd was closed under a request, as happens on a very busy machine: Vite answers 500 and says this. The
 * client asks again. A 500 that the Worker gave says something else.
 */
const LOST_REQUEST = "Internal server error: fetch failed";
const SERVER_ERROR = /status of 500 \(Internal Server Error\)/;
/** Vite's own words for it, in the console of each open page. */
const TOLD_OF_IT = /^\[vite\] Internal Server Error\nfetch failed\n/;

class Copy implements Server {
  readonly port: number;
  /** What the server has said. */
  output = "";
  readonly #folder: string;
  #server: ChildProcess | null = null;
  #heard = 0;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
  }

  get origin(): string {
    return `http://localhost:${this.port}`;
  }

  static async start(): Promise<Copy> {
    const parent = path.join(EXAMPLE, ".persist");
    mkdirSync(parent, { recursive: true });
    const folder = mkdtempSync(path.join(parent, "copy-"));
    for (const file of FILES) cpSync(path.join(EXAMPLE, file), path.join(folder, file), { recursive: true });
    const copy = new Copy(folder, await freePort());
    // Vite's overlay for a LOST_REQUEST would lie over the page, and make the next edit a reload.
    copy.edit("vite.config.ts", "strictPort: true", "strictPort: true, hmr: { overlay: false }");
    try {
      await copy.#start();
    } catch (error) {
      await copy.stop();
      throw error;
    }
    return copy;
  }

  async #start(): Promise<void> {
    const env = { ...process.env, PORT: String(this.port), NO_COLOR: "1", WRANGLER_SEND_METRICS: "false" };
    // In a group of its own: npm, vite and workerd end together.
    const server = spawn("npm", ["run", "dev"], { cwd: this.#folder, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
    this.#server = server;
    process.once("exit", () => this.#end("SIGKILL"));
    for (const stream of [server.stdout, server.stderr]) stream.on("data", (data: Buffer) => (this.output += String(data)));
    await untilReady(server, (output) => output.includes(`${this.origin}/`), READY_WITHIN_MS);
    // Loads the Worker, which takes long on a busy machine.
    await fetch(`${this.origin}/chat`);
  }

  /** Saves a file of the copy with a piece of it changed, as an editor does. */
  edit(file: string, from: string, to: string): void {
    const place = path.join(this.#folder, file);
    const text = readFileSync(place, "utf8");
    if (!text.includes(from)) throw new Error(`${file} has no "${from}".`);
    writeFileSync(place, text.replace(from, to));
  }

  /** Waits until the server says something that it had not said when this was asked last. */
  async untilSaid(text: string): Promise<void> {
    await expect.poll(() => this.output.indexOf(text, this.#heard), { ...SOON, message: this.output }).toBeGreaterThanOrEqual(0);
    this.#heard = this.output.indexOf(text, this.#heard) + text.length;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server && server.exitCode === null && server.signalCode === null) {
      const ended = new Promise((done) => server.once("exit", done));
      this.#end("SIGTERM");
      await ended;
    }
    this.#end("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #end(signal: NodeJS.Signals): void {
    try {
      if (this.#server?.pid) process.kill(-this.#server.pid, signal);
    } catch {
      // ESRCH: all of it has ended already.
    }
  }
}

export interface Stage {
  readonly copy: Copy;
  /** A person with a browser profile of their own: what it gives opens a tab at an address. */
  visitor(): Promise<(address?: string) => Promise<Tab>>;
}

/** One copy and one browser for a file of tests. A test fails on anything that its pages complained about. */
export function setStage(): Stage {
  let lostBefore = 0;
  const judge = (complaints: string[], copy: Copy): string[] => {
    let lost = copy.output.split(LOST_REQUEST).length - 1 - lostBefore;
    lostBefore += lost;
    const isLost = (text: string): boolean => TOLD_OF_IT.test(text) || (SERVER_ERROR.test(text) && lost-- > 0);
    const unexpected = complaints.filter((text) => !isLost(text));
    if (unexpected.length > 0) console.error(copy.output);
    return unexpected;
  };
  const visitors = setVisitors({ start: () => Copy.start(), timeout: SOON.timeout, expected: [FIRST_VISIT], judge });
  afterEach(({ task }) => {
    if (task.result?.state === "fail") console.error(visitors.server.output);
  });
  return {
    get copy() {
      return visitors.server;
    },
    visitor: async () => {
      const context = await visitors.profile();
      return async (address = "/"): Promise<Tab> => {
        const tab = new Tab(await context.newPage());
        await tab.page.goto(address);
        await tab.input.waitFor();
        return tab;
      };
    },
  };
}

/** One tab as a person uses it, and what its page did on the line. */
export class Tab {
  readonly page: Page;
  /** Documents that were loaded. */
  loads = 0;
  /** Sockets of the chat that were opened, and how many of them are. */
  sockets = { opened: 0, open: 0 };

  constructor(page: Page) {
    this.page = page;
    page.on("domcontentloaded", () => (this.loads += 1));
    page.on("websocket", (socket) => {
      if (!socket.url().includes("/chat/threads/")) return;
      this.sockets.opened += 1;
      this.sockets.open += 1;
      socket.on("close", () => (this.sockets.open -= 1));
    });
  }

  get input() {
    return this.page.getByLabel("Message", { exact: true });
  }

  async write(text: string): Promise<void> {
    await this.input.fill(text);
    await this.input.press("Enter");
  }

  /** Sends the first message, and waits until the thread has its address. */
  async begin(text: string): Promise<void> {
    await this.write(text);
    await this.page.waitForURL(/\?t=[\w-]+$/);
  }

  button(name: string | RegExp) {
    return this.page.getByRole("button", { name, exact: true });
  }

  /** What the people and the model said, in order. */
  said(): Promise<string[]> {
    return this.page.locator(".message > .text").allInnerTexts();
  }

  async answer(): Promise<string> {
    return (await this.page.locator(".is-assistant > .text").allInnerTexts()).at(-1) ?? "";
  }

  /** Waits for an answer of at least so many characters, and returns it as it is by then. */
  async answerBeyond(length: number): Promise<string> {
    let text = "";
    const look = async (): Promise<number> => (text = await this.answer()).length;
    await expect.poll(look, { ...SOON, message: "length of the answer" }).toBeGreaterThan(length);
    return text;
  }

  isBusy(): Promise<boolean> {
    return this.button("Stop").isVisible();
  }

  async untilQuiet(): Promise<void> {
    await expect.poll(() => this.isBusy(), { ...SOON, message: "is busy" }).toBe(false);
  }
}

/** What "count to N" answers. */
export function countTo(last: number): string {
  return Array.from({ length: last }, (_, index) => index + 1).join(" ");
}
