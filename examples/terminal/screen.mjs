// One terminal: lines scroll up, below them the line that is being written, below that what the person types. Where the output is
// no terminal (a pipe, a file) there are only the lines.
import { clearScreenDown, createInterface, cursorTo, moveCursor } from "node:readline";
import { styleText } from "node:util";
import { fit, widthOf } from "./text.mjs";

/** @import { Line } from "./transcript.mjs" */

export class Screen {
  #output;
  #rl;
  #tail = "";
  #prompt = "";

  /**
   * @param {NodeJS.ReadStream} input
   * @param {NodeJS.WriteStream} output
   * @param {{ line: (text: string) => void, end: () => void, interrupt: () => void }} on
   */
  constructor(input, output, on) {
    this.#output = output;
    this.#rl = createInterface({ input, output: output.isTTY ? output : undefined, terminal: output.isTTY === true });
    this.#rl.on("line", (text) => {
      this.#eraseEntered(text);
      on.line(text);
    });
    this.#rl.on("close", on.end);
    // In a terminal the keys come through readline, else the signal comes to the process.
    this.#rl.on("SIGINT", on.interrupt);
    process.on("SIGINT", on.interrupt);
  }

  get width() {
    return this.#output.columns || 80;
  }

  /**
   * Prints `lines`, and shows `tail` and the prompt below.
   * @param {readonly Line[]} lines @param {string} tail @param {string} prompt
   */
  show(lines, tail, prompt) {
    const shownTail = fit(tail, this.width - 1);
    if (lines.length === 0 && shownTail === this.#tail && prompt === this.#prompt) return;
    if (!this.#output.isTTY) return this.#write(lines);
    const { rows } = this.#rl.getCursorPos();
    moveCursor(this.#output, 0, -rows - (this.#tail ? 1 : 0));
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
    this.#write(lines);
    // readline goes up as many rows as its input had, before it draws.
    this.#output.write(`${shownTail ? `${shownTail}\n` : ""}${"\n".repeat(rows)}`);
    this.#tail = shownTail;
    this.#prompt = prompt;
    this.#rl.setPrompt(prompt);
    this.#rl.prompt(true);
  }

  /** Nothing is read or drawn any more. */
  close() {
    if (this.#output.isTTY) {
      cursorTo(this.#output, 0);
      clearScreenDown(this.#output);
    }
    this.#rl.close();
  }

  /** @param {readonly Line[]} lines */
  #write(lines) {
    for (const { line, isNotice } of lines) {
      const isDim = isNotice && this.#output.isTTY && !process.env.NO_COLOR;
      this.#output.write(`${isDim ? styleText("dim", line) : line}\n`);
    }
  }

  /** What was entered comes back as a message of the thread. @param {string} text */
  #eraseEntered(text) {
    if (!this.#output.isTTY) return;
    const rows = Math.floor(widthOf(this.#prompt + text) / this.width) + 1;
    moveCursor(this.#output, 0, -rows - (this.#tail ? 1 : 0));
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
    this.#tail = this.#prompt = "";
  }
}
