// Snapshots in, lines out. A terminal cannot take a line back, so a line is given out when nothing more can be added to it; what
// is still being written is the `tail`. When the server discards text that was shown (a run is repeated, a reply is replaced),
// that is said, and the new text follows.
import { clean, wrap } from "./text.mjs";

/** @import { ChatMessage, ChatSnapshot } from "chatcell/client" */
/** @typedef {{ line: string, isNotice: boolean }} Line */
/** @typedef {{ toolName?: string, toolCallId: string, type: string, state: string, input?: unknown, output?: unknown, errorText?: string, approval?: { id: string, approved?: boolean, reason?: string } }} ToolPart */

export class Transcript {
  /** Lines of each message that were given out. @type {Map<string, string[]>} */
  #shown = new Map();
  /** What was said about turns, deliveries and the queue, each once. @type {Set<string>} */
  #said = new Set();
  /** Ids of the messages of the last snapshot. @type {string[]} */
  #before = [];
  #last = "";
  #isAway = false;
  /** @type {string | null} */
  #title = null;
  /** @type {Line[]} */
  #lines = [];
  #width;
  #hasView;

  /** @param {number} width columns of the terminal @param {boolean} isNew for a thread that has nothing to be shown first */
  constructor(width, isNew) {
    this.#width = Math.max(width, 20);
    this.#hasView = isNew;
  }

  /**
   * What is to be printed now, and what stands below it until the next time.
   * @param {ChatSnapshot} snapshot
   */
  update(snapshot) {
    this.#lines = [];
    let tail = "";
    this.#takeConnection(snapshot);
    // What was written before the history came stands below it.
    this.#hasView ||= snapshot.principal !== null && snapshot.connection.kind === "live";
    if (!this.#hasView) return { lines: this.#lines, tail };
    if (snapshot.hasEarlier && this.#shown.size === 0) this.#say("Earlier messages are not shown.");
    const ids = snapshot.messages.map(({ id }) => id);
    if (this.#before.some((id) => !ids.includes(id))) this.#say("What stood last is replaced.");
    this.#before = ids;
    for (const message of snapshot.messages) tail = this.#takeMessage(message, snapshot);
    for (const { turnId, parts } of snapshot.queue) {
      const text = parts.map((part) => (part.type === "text" ? part.text : "")).join(" ");
      if (text) this.#sayOnce(`queue ${turnId}`, `Waits for its turn: ${text}`);
    }
    const { title } = snapshot.thread;
    if (title !== null && title !== this.#title) this.#say(`The title is now “${title}”.`);
    this.#title = title;
    return { lines: this.#lines, tail };
  }

  /** @param {ChatSnapshot} snapshot */
  #takeConnection({ connection }) {
    if (connection.kind === "waiting" && !this.#isAway) this.#say("No connection. Trying again by itself; what you write is kept.");
    if (connection.kind === "live" && this.#isAway) this.#say("Connected again.");
    if (connection.kind === "stopped") this.#sayOnce("stopped", `The server refuses us: ${connection.reason.message}`);
    if (connection.kind === "waiting") this.#isAway = true;
    if (connection.kind === "live") this.#isAway = false;
  }

  /** @param {ChatMessage} message @param {ChatSnapshot} snapshot @returns {string} its tail */
  #takeMessage(message, { principal }) {
    const name = message.role === "assistant" ? "bot> " : message.author && message.author !== principal?.id ? "other> " : "you> ";
    const { lines, open } = linesOf(message, this.#width - 7);
    const shown = this.#shown.get(message.id) ?? [];
    let from = shown.findIndex((line, i) => line !== lines[i]);
    if (from < 0) from = shown.length;
    else if (!lines[from]?.startsWith(shown[from] ?? "")) {
      // A line of a reply that goes on may still be the tail.
      if (lines.length > from || !open.startsWith(shown[from] ?? "")) this.#say("What was written last is taken back.");
    }
    for (const line of lines.slice(from)) this.#print(message.id, name, line);
    // A reply goes on in its last line: that stands already.
    const last = shown[from];
    const isGoingOn = last !== undefined && lines.length === from && open.startsWith(last);
    this.#shown.set(message.id, isGoingOn ? [...lines, last] : lines);
    for (const facts of [message.facts, message.lastTurn]) {
      if (!facts || facts.outcome === "completed") continue;
      this.#sayOnce(`${message.id} ${facts.endedAt}`, outcomeOf(facts));
    }
    if (message.delivery === "failed")
      this.#sayOnce(`${message.id} failed`, `Not sent: ${message.error?.message ?? "it was refused"}. /retry tries again.`);
    else this.#said.delete(`${message.id} failed`);
    return open && `${this.#last === message.id ? " ".repeat(name.length) : name}${open}`;
  }

  /** @param {string} id @param {string} name @param {string} line */
  #print(id, name, line) {
    this.#lines.push({ line: `${this.#last === id ? " ".repeat(name.length) : name}${line}`.trimEnd(), isNotice: false });
    this.#last = id;
  }

  /** @param {string} text */
  #say(text) {
    const [first = "", ...rest] = wrap(`(${text})`, this.#width - 1);
    for (const line of [first, ...rest.map((next) => ` ${next}`)]) this.#lines.push({ line, isNotice: true });
    this.#last = "";
  }

  /** @param {string} key @param {string} text */
  #sayOnce(key, text) {
    if (!this.#said.has(key)) this.#say(text);
    this.#said.add(key);
  }
}

/**
 * The lines of a message that will stay as they are, and the one that is being written. Nothing is given out below a tool call
 * that has no outcome, since that comes there.
 * @param {ChatMessage} message @param {number} width
 */
function linesOf(message, width) {
  const lines = [];
  // What a person wrote is whole at once; a reply when it is stored.
  const isOpen = message.role === "assistant" && message.createdAt === undefined;
  for (const [index, part] of message.parts.entries()) {
    if (part.type === "text" || part.type === "reasoning") {
      const text = wrap(part.type === "text" ? part.text.trimStart() : `[thinks] ${part.text}`, width);
      const last = isOpen && index === message.parts.length - 1 ? text.pop() : undefined;
      lines.push(...text);
      if (last !== undefined) return { lines, open: last };
    } else if (part.type === "file") lines.push(clean(`[file ${part.filename ?? part.mediaType}]`));
    else if (part.type === "data-notice") lines.push(...wrap(noticeOf(part.data), width));
    else if ("toolCallId" in part) {
      const call = /** @type {ToolPart} */ (part);
      const outcome = outcomeOfCall(call);
      if (call.state === "input-streaming" && isOpen) return { lines, open: `* ${nameOf(call)} …` };
      lines.push(...wrap(`* ${describe(call)}`, width));
      if (outcome === undefined && isOpen) return { lines, open: "  …" };
      if (outcome !== undefined) lines.push(...wrap(`  ${outcome}`, width));
    }
  }
  return { lines, open: "" };
}

/** A tool call in one line. @param {ToolPart} call */
export function describe(call) {
  return clean(`${nameOf(call)} ${call.input === undefined ? "" : JSON.stringify(call.input)}`);
}

/** @param {ToolPart} call */
function nameOf(call) {
  return clean(call.toolName ?? call.type.slice("tool-".length));
}

/** @param {ToolPart} call @returns {string | undefined} */
function outcomeOfCall({ state, output, errorText, approval }) {
  if (state === "output-available") return `-> ${typeof output === "string" ? output : JSON.stringify(output)}`;
  if (state === "output-error") return `-> failed: ${errorText}`;
  if (state === "output-denied") return `-> not allowed${approval?.reason ? `: ${approval.reason}` : ""}`;
  return undefined;
}

/** @param {NonNullable<ChatMessage["facts"]>} facts */
function outcomeOf({ outcome, error }) {
  if (outcome === "stopped") return "Stopped. /continue goes on.";
  return `${outcome === "failed" ? "Failed" : "Interrupted"}${error ? `: ${error.message}` : "."} /continue goes on, /retry answers anew.`;
}

/** @param {unknown} data */
function noticeOf(data) {
  const { text } = /** @type {{ text?: unknown }} */ (data ?? {});
  return typeof text === "string" ? `[${text}]` : "[The answer was interrupted.]";
}

/** The first call that waits for a person, with the id of its approval. @param {ChatSnapshot} snapshot */
export function openQuestion({ turn, messages }) {
  const parts = turn ? (messages.find(({ id }) => id === turn.messageId)?.parts ?? []) : [];
  for (const part of parts) {
    const call = /** @type {ToolPart} */ (/** @type {unknown} */ (part));
    if (call.state === "approval-requested" && call.approval) return { approvalId: call.approval.id, text: describe(call) };
  }
  return null;
}
