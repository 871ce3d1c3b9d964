// What stands in place of messages: the first page of a new thread, and the page of a thread that is not there.
import { DEMO_COMMANDS } from "chatcell/demo";
import { h } from "./dom.ts";

/** Those of the demo model's commands that show the most, in this order. */
const SUGGESTED = [
  "What is chatcell?",
  "write 300 words",
  "think about the sea",
  "use the book tool in Paris",
  "stall after 12 words",
  "fail after 12 words",
];

/** Suggestions to send; `send` is called with the words of one. */
export function renderWelcome(send: (text: string) => void): HTMLElement {
  const known = [...DEMO_COMMANDS, { example: "use the book tool in Paris", description: "Asks you before it books a table." }];
  const commands = SUGGESTED.flatMap((wanted) => known.filter(({ example }) => example === wanted));
  const rows = commands.map(({ example, description }) =>
    h("li", {}, h("button", { type: "button", click: () => send(example) }, h("strong", {}, example), h("span", {}, description))),
  );
  return h(
    "div",
    { class: "welcome" },
    h("h1", {}, "A thread is an object."),
    h(
      "p",
      {},
      "This conversation will live in one Durable Object: it keeps the history, runs the model and streams to every tab. " +
        "It does not exist yet. Your first message makes it.",
    ),
    h("h2", {}, "Say something, or try"),
    h("ul", { class: "suggestions" }, ...rows),
    h(
      "p",
      { class: "hint" },
      "Then, in the middle of an answer: reload the page, open its address in a second tab, or kill the server and start it again.",
    ),
  );
}

/** For a thread that is not there, or not ours: the server tells nobody which. */
export function renderMissing(title: string, text: string): HTMLElement {
  return h(
    "div",
    { class: "welcome" },
    h("h1", {}, title),
    h("p", {}, text),
    h("p", {}, h("a", { class: "button", href: location.pathname }, "Start a new chat")),
  );
}
