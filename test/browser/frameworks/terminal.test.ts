// examples/terminal against the running example: a process with pipes, as a script or a bot would use it. No browser.
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Example } from "../support/example.ts";
import { countTo, SOON } from "../support/tab.ts";

const CHAT = path.resolve(import.meta.dirname, "../../../examples/terminal/chat.mjs");

let example: Example;
let home: string;
const terminals: Terminal[] = [];

beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), "chatcell-terminal-"));
  example = await Example.start();
});
afterAll(async () => {
  await example?.stop();
  rmSync(home, { recursive: true, force: true });
});
afterEach(() => {
  for (const { child } of terminals.splice(0)) child.kill("SIGKILL");
});

class Terminal {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<number | null>;
  #output = "";

  constructor(...args: string[]) {
    const url = `http://localhost:${example.port}/chat`;
    this.child = spawn(process.execPath, [CHAT, "--url", url, "--cookies", path.join(home, "cookies.json"), ...args]);
    this.child.stdout.on("data", (data: Buffer) => (this.#output += String(data)));
    this.child.stderr.on("data", (data: Buffer) => (this.#output += String(data)));
    this.ended = new Promise((done) => this.child.once("close", done));
    terminals.push(this);
  }

  get lines(): string[] {
    return this.#output.split("\n").slice(0, -1);
  }

  type(...lines: string[]): void {
    for (const line of lines) this.child.stdin.write(`${line}\n`);
  }

  async shows(pattern: RegExp): Promise<void> {
    await expect.poll(() => this.#output, SOON).toMatch(pattern);
  }

  /** The words of the reply, without the notices between them. */
  get reply(): string {
    const said = this.lines.slice(this.lines.findIndex((line) => line.startsWith("bot> ")));
    return said
      .filter((line) => !isNotice(line))
      .map((line) => line.replace(/^bot> /, "").trim())
      .join(" ");
  }
}

/** What the terminal says of itself: in brackets, in further lines behind one space. */
const isNotice = (line: string): boolean => /^\(|^ \S/.test(line);

test("a script talks to a model, is asked before a tool runs, and comes back to the thread as the same visitor", async () => {
  const first = new Terminal();
  first.type("say hello there", 'use the book tool with {"city":"Paris"}', "y", "/title Dinner", "/nonsense");
  first.child.stdin.end();
  expect(await first.ended).toBe(0);
  const [opening, ...rest] = first.lines;
  const said = [
    "you> say hello there",
    "bot> hello there",
    'you> use the book tool with {"city":"Paris"}',
    "bot> One moment, I will call `book`.",
    '     * book {"city":"Paris","people":2}',
    '       -> {"confirmation":"A table for 2 in Paris"}',
    '     The tool `book` answered: {"confirmation":"A table for 2 in Paris"}',
  ];
  const asked = '(Allow book {"city":"Paris","people":2}? y/n)';
  expect(rest.slice(0, 9)).toEqual([...said.slice(0, 5), asked, ...said.slice(5), "(The title is now “Dinner”.)"]);
  expect(rest[9]).toMatch(/^\(There is no \/nonsense\./);
  expect(statSync(path.join(home, "cookies.json")).mode & 0o077).toBe(0);

  const threadId = /--thread ([\w-]{22})\./.exec(opening!)![1]!;
  const again = new Terminal("--thread", threadId);
  again.type("say back again");
  again.child.stdin.end();
  expect(await again.ended).toBe(0);
  expect(again.lines.filter((line) => !isNotice(line))).toEqual([...said, "you> say back again", "bot> back again"]);
});

test("a foreign thread is refused, and the exit code says so", async () => {
  const terminal = new Terminal("--thread", "nobodys-thread");
  expect(await terminal.ended).toBe(1);
  expect(terminal.lines.at(-1)).toMatch(/^\(The server refuses us: /);
});

test("Ctrl-C stops the answer, /continue goes on in it, and Ctrl-C twice leaves", async () => {
  const terminal = new Terminal();
  terminal.type("count to 120 at 40 words per second");
  await terminal.shows(/^bot> 1 2 3/m);
  terminal.child.kill("SIGINT");
  await terminal.shows(/^\(Stopped\. \/continue goes on\.\)$/m);
  expect(countTo(120).startsWith(terminal.reply)).toBe(true);
  expect(terminal.reply).not.toBe(countTo(120));
  terminal.type("/continue");
  await terminal.shows(/ 120$/m);
  terminal.child.kill("SIGINT");
  await terminal.shows(/Ctrl-C again leaves\.\)\n(?![^]*Stopping)/);
  terminal.child.kill("SIGINT");
  expect(await terminal.ended).toBe(0);
});

test("a server killed in mid-answer is said, and after its return the answer goes on where it was", async () => {
  const terminal = new Terminal();
  terminal.type("count to 2000 at 40 words per second");
  await expect.poll(() => terminal.reply.length, SOON).toBeGreaterThan(220);
  await example.kill();
  await terminal.shows(/^\(No connection\./m);
  await example.start();
  await terminal.shows(/^\(Connected again\.\)$/m);
  await terminal.shows(/^\(Interrupted/m);
  terminal.child.stdin.end();
  expect(await terminal.ended).toBe(0);
  const counted = terminal.reply.replace(/ \[.*\]$/, "");
  expect(countTo(2000).startsWith(counted)).toBe(true);
  expect(counted.length).toBeGreaterThan(220);
});
