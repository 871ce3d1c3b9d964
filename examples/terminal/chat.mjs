#!/usr/bin/env node
// A chat in the terminal, over the same client as a page: `chatcell/client` needs nothing but `fetch` and `WebSocket`.
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { createChatClient, isChatError, newThreadId } from "chatcell/client";
import { createIdentity } from "./identity.mjs";
import { Screen } from "./screen.mjs";
import { openQuestion, Transcript } from "./transcript.mjs";

const USAGE = `node chat.mjs [--url http://127.0.0.1:8787/chat] [--thread ID] [--cookies FILE]`;
const HELP = "/retry answers anew, /continue goes on, /title TEXT names the thread, /quit leaves. Ctrl-C stops an answer, twice leaves.";
/** A second Ctrl-C within this time leaves. */
const TWICE_MS = 3_000;
/** Longest time that leaving waits for the server to have what was written. */
const FAREWELL_MS = 3_000;

const options = readOptions();
const threadId = options.thread ?? newThreadId();
const client = createChatClient({ url: options.url, threadId, create: !options.thread, ...createIdentity(options.url, options.cookies) });
const screen = new Screen(process.stdin, process.stdout, { line: enter, end, interrupt });
const transcript = new Transcript(screen.width, !options.thread);

/** Lines that were read and not taken: a script's, while an answer to the one before is on its way. @type {string[]} */
const waiting = [];
/** What waits for an answer of the server. @type {Set<Promise<unknown>>} */
const asked = new Set();
let hasEnded = false;
let isLeaving = false;
let interruptedAt = -Infinity;
/** Approval that was asked about last. */
let askedAbout = "";

say(options.thread ? `Thread ${threadId}. /help helps.` : `New thread. Come back with --thread ${threadId}. /help helps.`);
client.subscribe(refresh);

function refresh() {
  if (isLeaving) return;
  const snapshot = client.getSnapshot();
  const { lines, tail } = transcript.update(snapshot);
  const question = openQuestion(snapshot);
  if (question && question.approvalId !== askedAbout) lines.push({ line: `(Allow ${question.text}? y/n)`, isNotice: true });
  askedAbout = question?.approvalId ?? "";
  screen.show(lines, tail, question ? "allow? y/n> " : "you> ");
  if (snapshot.connection.kind === "stopped") return void leave(1);
  takeWaiting();
}

/** @param {string} text */
function say(text) {
  screen.show([{ line: `(${text})`, isNotice: true }], "", "you> ");
}

/** @param {string} text */
function enter(text) {
  waiting.push(text.trim());
  takeWaiting();
}

/** A person may write at any time, what waits stands in the queue of the thread. A script goes on when it has its answer. */
function takeWaiting() {
  const isScript = !process.stdin.isTTY;
  while (waiting.length > 0 && !isLeaving) {
    if (isScript && isBusy()) return;
    take(waiting.shift() ?? "");
  }
  if (hasEnded && !isBusy()) void leave(0);
}

function isBusy() {
  const { status } = client.getSnapshot();
  return asked.size > 0 || status === "submitted" || status === "streaming";
}

/** @param {string} text */
function take(text) {
  const question = openQuestion(client.getSnapshot());
  const [command = "", ...rest] = text.split(" ");
  if (text === "") return screen.show([], "", "you> ");
  if (question && /^(y|yes|n|no)$/i.test(text)) return ask(client.approve(question.approvalId, { approved: /^y/i.test(text) }));
  switch (command) {
    case "/retry":
      return ask(retry());
    case "/continue":
      return ask(client.continue());
    case "/title":
      return ask(client.setTitle(rest.join(" ").trim() || null));
    case "/quit":
      return void leave(0);
    case "/help":
      return say(HELP);
  }
  if (command.startsWith("/")) return say(`There is no ${command}. ${HELP}`);
  ask(client.send(text));
}

/** The message that could not be sent, else the last reply. */
function retry() {
  const failed = client.getSnapshot().messages.findLast(({ delivery }) => delivery === "failed");
  return failed ? client.retry(failed.id) : client.regenerate();
}

/** @param {Promise<unknown>} answer */
function ask(answer) {
  asked.add(answer);
  void answer
    .catch((error) => {
      if (!isLeaving) say(explain(error));
    })
    .finally(() => {
      asked.delete(answer);
      refresh();
    });
}

/** @param {unknown} error */
function explain(error) {
  if (!isChatError(error)) throw error;
  return error.code === "already_resolved" ? "Someone else has answered that already." : error.message;
}

function interrupt() {
  const now = performance.now();
  if (now - interruptedAt < TWICE_MS) return void leave(0);
  interruptedAt = now;
  const { turn } = client.getSnapshot();
  if (turn || isBusy()) ask(client.stop());
  say(turn ? "Stopping. Ctrl-C again leaves." : "Ctrl-C again leaves.");
}

function end() {
  hasEnded = true;
  // In a terminal this is Ctrl-D.
  if (process.stdin.isTTY) void leave(0);
  else takeWaiting();
}

/** @param {number} code */
async function leave(code) {
  if (isLeaving) return;
  isLeaving = true;
  screen.close();
  const farewell = AbortSignal.timeout(FAREWELL_MS);
  await Promise.race([Promise.allSettled(asked), new Promise((done) => farewell.addEventListener("abort", done))]);
  client.close();
  process.exit(code);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: { url: { type: "string" }, thread: { type: "string" }, cookies: { type: "string" }, help: { type: "boolean" } },
    });
    if (values.help) throw new Error("A chat in the terminal.");
    const { url = "http://127.0.0.1:8787/chat", cookies = path.join(import.meta.dirname, ".cookies.json") } = values;
    return { url: new URL(url).href, thread: values.thread, cookies };
  } catch (error) {
    console.error(`${/** @type {Error} */ (error).message}\n${USAGE}`);
    process.exit(2);
  }
}
