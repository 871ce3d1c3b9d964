// The order of roles in a prompt. Providers want it to begin with the user, and not to end with the model: newer models refuse
// to go on with a message that is theirs. Google wants calls right after the user or a result.
import type { AssistantModelMessage, ModelMessage } from "ai";

/** What stands before a reply that opens a conversation: a greeting, or what is left after the window was cut. */
const OPENING = "(The conversation begins with a message of yours.)";

/** What a model is told when its own words would be the last. */
const GO_ON = "Go on from where you stopped.";

const note = (text: string): ModelMessage => ({ role: "user", content: [{ type: "text", text }] });

/** The content of an assistant message as a list of parts. */
function partsOf({ content }: AssistantModelMessage): Exclude<AssistantModelMessage["content"], string> {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

/** Whether a message is a reply with calls that the app runs. */
function hasCalls(message: ModelMessage): message is AssistantModelMessage {
  return message.role === "assistant" && partsOf(message).some((part) => part.type === "tool-call" && !part.providerExecuted);
}

/** Replies in a row as one where calls would follow on a reply: a reply that was continued, or two of one turn. */
function joinReplies(messages: readonly ModelMessage[]): ModelMessage[] {
  const joined: ModelMessage[] = [];
  for (const message of messages) {
    if (!hasCalls(message)) {
      joined.push(message);
      continue;
    }
    const run: AssistantModelMessage[] = [message];
    for (let before = joined.at(-1); before?.role === "assistant"; before = joined.at(-1)) {
      run.unshift(before);
      joined.pop();
    }
    joined.push(run.length === 1 ? message : { ...message, content: run.flatMap(partsOf) });
  }
  return joined;
}

/**
 * The prompt with its roles in an order that every provider takes: a user's note before a reply that opens it and after one
 * that ends it, and calls never in a message of their own after another reply. With `continueNote` that text ends it in any
 * case. An empty prompt without a `continueNote` stays empty. Changes nothing in place.
 */
export function shapePrompt(messages: readonly ModelMessage[], continueNote?: string): ModelMessage[] {
  const prompt = joinReplies(messages);
  const first = prompt.findIndex(({ role }) => role !== "system");
  if (first >= 0 && prompt[first]!.role !== "user") prompt.splice(first, 0, note(OPENING));
  const last = prompt.at(-1)?.role;
  if (continueNote !== undefined) prompt.push(note(continueNote.trim() ? continueNote.toWellFormed() : GO_ON));
  else if (last === "assistant" || last === "system") prompt.push(note(GO_ON));
  return prompt;
}
