// What the model is shown: the active branch up to its message, in order and whole, with what is in the reply already, in a
// form that every provider takes.
import type { ModelMessage } from "ai";
import type { Part } from "../../src/protocol/messages.ts";
import type { Turn } from "../../src/session/turn-context.ts";
import { checkProviderRules } from "../../src/testing/provider-rules.ts";
import { partsOf } from "./history-watch.ts";
import { callsOf } from "./log-watch.ts";
import { textOf } from "./page-watch.ts";
import type { SimulatedThread } from "./simulated-thread.ts";

/** What a prompt says beside the conversation. */
const NOTES = new Set(["(The conversation begins with a message of yours.)", "Continue.", "Go on from where you stopped."]);

interface Content {
  type: string;
  text?: string;
  input?: unknown;
  toolCallId?: string;
}

/** Called when the prompt is asked for; the result is given the prompt when it is there. */
export function lookAtPrompt({ commits, findings }: SimulatedThread, turn: Turn): (prompt: readonly ModelMessage[]) => void {
  const { live } = commits;
  // A call whose object died before the end of `onTurn` may ask for a turn that is not the present one.
  if (live?.id !== turn.id) return () => {};
  const branch = commits.history.branch(live.message_id);
  const reply = commits.log.live.message.parts;
  const shown = (role: string): string => branch.flatMap((row) => (row.role === role ? [textOf({ parts: partsOf(row) })] : [])).join("");
  const expected = { user: shown("user"), assistant: shown("assistant") + textOf({ parts: reply }) };
  const calls = [...branch.flatMap((row) => partsOf(row)), ...reply];
  return (prompt) => {
    const say = (text: string): void => findings.say("prompt", `${turn.id} was shown ${text}`);
    for (const role of ["user", "assistant"] as const) {
      const said = textsOf(prompt, role)
        .filter((text) => role === "assistant" || !NOTES.has(text))
        .join("");
      if (said !== expected[role]) say(`${role}: "${said.slice(-200)}", the thread has "${expected[role].slice(-200)}"`);
    }
    const faults = checkProviderRules(prompt);
    if (faults.length > 0) say(`what no provider takes: ${faults.join("; ")} in ${JSON.stringify(prompt).slice(-900)}`);
    lookAtCalls(calls, prompt, say);
  };
}

/** Each call with an outcome is there once, and its outcome with it. */
function lookAtCalls(parts: readonly Part[], prompt: readonly ModelMessage[], say: (text: string) => void): void {
  const content = prompt.flatMap((message) => (typeof message.content === "string" ? [] : (message.content as Content[])));
  const ids = new Map<unknown, string>();
  for (const { type, input, toolCallId } of content) {
    const { uid } = (input ?? {}) as { uid?: unknown };
    if (type !== "tool-call" || uid === undefined) continue;
    if (ids.has(uid)) say(`the call ${JSON.stringify(uid)} twice`);
    ids.set(uid, toolCallId!);
  }
  const results = new Map(content.flatMap((part) => (part.type === "tool-result" ? [[part.toolCallId, JSON.stringify(part)]] : [])));
  for (const part of callsOf(parts)) {
    const { uid } = (part.input ?? {}) as { uid?: unknown };
    if (uid === undefined || part.state !== "output-available" || part.preliminary) continue;
    const result = results.get(ids.get(uid));
    if (!result?.includes(JSON.stringify(part.output))) say(`${result ?? "nothing"} for the outcome of ${JSON.stringify(part)}`);
  }
}

function textsOf(prompt: readonly ModelMessage[], role: "user" | "assistant"): string[] {
  return prompt.flatMap((message) => {
    if (message.role !== role) return [];
    const { content } = message;
    return typeof content === "string" ? [content] : (content as Content[]).flatMap(({ type, text }) => (type === "text" ? [text!] : []));
  });
}
