// What providers of models refuse in a prompt, as one list: the strictest of OpenAI, Anthropic, Google and Amazon Bedrock for
// each point, and what the AI SDK itself throws at. Written from their documentation and from the errors that they answer with.
import { checkPairs } from "./provider-call-rules.ts";
import { checkPart, isBlank, isObject, loneSurrogateIn, type Report } from "./provider-part-rules.ts";

/** A message as `streamText` takes it (`ModelMessage`), or as a model gets it (`prompt` of a call). */
export interface PromptMessage {
  role: string;
  content: unknown;
}

/** Role → the types of content that may stand in its messages. */
const CONTENT: Record<string, readonly string[]> = {
  user: ["text", "file", "image"],
  assistant: ["text", "file", "reasoning", "reasoning-file", "custom", "tool-call", "tool-result", "tool-approval-request"],
  tool: ["tool-result", "tool-approval-response"],
};

/**
 * What a provider, or the AI SDK, would refuse in these messages: one sentence for each fault with its place, in order; empty
 * when every provider takes them. Strict on purpose: a prompt that passes can be sent to any provider, also in the middle of
 * a thread that another one began.
 *
 * Calls that a person approved, and that `streamText` runs before it asks the model, count as answered at the very end.
 */
export function checkProviderRules(messages: readonly PromptMessage[]): string[] {
  const faults: string[] = [];
  const report: Report = (place, fault) => faults.push(`${place}: ${fault}`);
  checkOrder(messages, report);
  messages.forEach((message, index) => checkMessage(message, `messages[${index}]`, report));
  checkPairs(messages, report);
  return faults;
}

function checkOrder(messages: readonly PromptMessage[], report: Report): void {
  const first = messages.findIndex(({ role }) => role !== "system");
  if (first < 0) return report("messages", "has nothing but instructions");
  if (messages[first]!.role !== "user") report(`messages[${first}]`, "the conversation does not begin with the user");
  if (messages.at(-1)!.role === "assistant") report(`messages[${messages.length - 1}]`, "the prompt ends with the assistant");
  messages.forEach((message, index) => {
    if (message.role === "system" && index > first) report(`messages[${index}]`, "instructions stand after the beginning");
    const followsReply = index > 0 && messages[index - 1]!.role === "assistant";
    if (followsReply && hasCalls(message)) report(`messages[${index}]`, "calls do not follow on the user or a result");
  });
}

/** Whether a message is a reply with calls that the app runs. */
function hasCalls({ role, content }: PromptMessage): boolean {
  const isCall = (part: unknown): boolean => isObject(part) && part.type === "tool-call" && !part.providerExecuted;
  return role === "assistant" && Array.isArray(content) && content.some(isCall);
}

function checkMessage({ role, content }: PromptMessage, place: string, report: Report): void {
  const surrogate = loneSurrogateIn(content);
  if (surrogate !== undefined) report(`${place}.content${surrogate}`, "holds half a surrogate pair");
  if (role === "system") {
    if (typeof content !== "string" || isBlank(content)) report(place, "the instructions are empty");
    return;
  }
  const types = Object.hasOwn(CONTENT, role) ? CONTENT[role] : undefined;
  if (!types) return report(place, `has the unknown role ${JSON.stringify(role)}`);
  if (typeof content === "string") return isBlank(content) || role === "tool" ? report(place, "has no content") : undefined;
  if (!Array.isArray(content) || content.length === 0) return report(place, "has no content");
  (content as unknown[]).forEach((part, index) => {
    const at = `${place}.content[${index}]`;
    if (!isObject(part) || typeof part.type !== "string") report(at, "is no part");
    else if (!types.includes(part.type)) report(at, `"${part.type}" is no content of role "${role}"`);
    else checkPart(part, at, report);
  });
  if (role === "assistant") checkThoughts(content as unknown[], place, report);
}

/** A reply never ends with a thought: it leads to a text or a call. */
function checkThoughts(content: readonly unknown[], place: string, report: Report): void {
  const last = content.findLast((part) => isObject(part) && part.type !== "tool-approval-request");
  if (isObject(last) && (last.type === "reasoning" || last.type === "reasoning-file")) report(place, "ends with a thought");
}
