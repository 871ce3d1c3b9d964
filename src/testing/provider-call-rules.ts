// How calls, their results and their approvals must stand to each other in a prompt.
import { isObject, isWord, type Report } from "./provider-part-rules.ts";

type Fields = Record<string, unknown>;

/** A part with its place. */
interface Placed {
  part: Fields;
  place: string;
}

/** The assistant messages' calls that await their results. */
interface Open {
  calls: Map<unknown, Placed>;
  /** Approval id → the call that it is about. */
  requests: Map<unknown, Fields>;
}

/** What is known over the whole prompt. */
interface Seen {
  callIds: Set<unknown>;
  approvalIds: Set<unknown>;
  /** Approval ids that the last message answers: their calls are dealt with before the model is asked. */
  answered: ReadonlySet<unknown>;
}

const partsOf = (content: unknown, place: string): Placed[] =>
  (Array.isArray(content) ? (content as unknown[]) : []).flatMap((part, at) =>
    isObject(part) ? [{ part, place: `${place}.content[${at}]` }] : [],
  );

/**
 * Reports calls without exactly one result right after their message, results without a call, and ids that stand for two
 * calls. Results of calls that a provider ran stand in the message of the call.
 */
export function checkPairs(messages: readonly { role: string; content: unknown }[], report: Report): void {
  const seen: Seen = { callIds: new Set(), approvalIds: new Set(), answered: answeredLast(messages.at(-1)) };
  let open: Open = { calls: new Map(), requests: new Map() };
  messages.forEach(({ role, content }, index) => {
    const place = `messages[${index}]`;
    const parts = partsOf(content, place);
    if (role === "tool") {
      const isLast = index === messages.length - 1;
      return checkResults(parts, { open, isLast, place, wasReply: messages[index - 1]?.role !== "user" && index > 0 }, report);
    }
    reportOpen(open, report);
    open = role === "assistant" ? readReply(parts, seen, report) : { calls: new Map(), requests: new Map() };
  });
  reportOpen(open, report);
}

/** The approvals that the last message answers. */
function answeredLast(last: { role: string; content: unknown } | undefined): Set<unknown> {
  const parts = last?.role === "tool" ? partsOf(last.content, "") : [];
  return new Set(parts.flatMap(({ part }) => (part.type === "tool-approval-response" ? [part.approvalId] : [])));
}

function reportOpen({ calls }: Open, report: Report): void {
  for (const { place } of calls.values()) report(place, "the call has no result right after its message");
}

/** Reads an assistant message. What stays open are calls whose results must come next. */
function readReply(parts: readonly Placed[], seen: Seen, report: Report): Open {
  const open: Open = { calls: new Map(), requests: new Map() };
  const here = new Map<unknown, Fields>();
  for (const { part, place } of parts) {
    if (part.type === "tool-call") {
      const id = part.toolCallId;
      if (seen.callIds.has(id)) report(place, `the call id ${JSON.stringify(id)} stands for two calls`);
      seen.callIds.add(id);
      open.calls.set(id, { part, place });
      here.set(id, part);
    } else if (part.type === "tool-result") {
      const call = open.calls.get(part.toolCallId)?.part;
      if (!call) report(place, "is a result without a call");
      else checkProviderResult(call, part, place, report);
      open.calls.delete(part.toolCallId);
    } else if (part.type === "tool-approval-request") {
      if (!here.has(part.toolCallId)) report(place, "asks about a call that is not in its message");
      if (seen.approvalIds.has(part.approvalId)) report(place, `the approval id ${JSON.stringify(part.approvalId)} stands twice`);
      seen.approvalIds.add(part.approvalId);
      open.requests.set(part.approvalId, here.get(part.toolCallId) ?? {});
    }
  }
  const pending = new Set([...open.requests].flatMap(([id, call]) => (seen.answered.has(id) ? [call] : [])));
  for (const { part, place } of parts) if (part.type === "tool-call" && !pending.has(part)) checkCall(part, place, report);
  return open;
}

function checkCall({ toolCallId, toolName, input, providerExecuted }: Fields, place: string, report: Report): void {
  if (!isWord(toolCallId)) report(place, `${JSON.stringify(toolCallId)} is no call id that every provider takes`);
  if (!isWord(toolName)) report(place, `${JSON.stringify(toolName)} is no tool name that every provider takes`);
  if (providerExecuted !== undefined && typeof providerExecuted !== "boolean") report(place, "does not say who ran it");
  if (!isObject(input)) report(place, "the input is no object");
}

/** A result that stands in the message of its call: the provider ran it, and an error is what the provider said. */
function checkProviderResult(call: Fields, result: Fields, place: string, report: Report): void {
  if (call.providerExecuted !== true) report(place, "is the result of a tool in the message of its call");
  if (call.toolName !== result.toolName) report(place, "names another tool than its call");
  const output = isObject(result.output) ? result.output : {};
  if (output.type === "error-json" && !isErrorOfProvider(output.value)) report(place, "is an error that no provider wrote");
}

function isErrorOfProvider(value: unknown): boolean {
  if (typeof value !== "string") return isObject(value);
  try {
    return isObject(JSON.parse(value));
  } catch {
    // Not JSON: a text of someone else, which the providers' adapters leave out, and with it the result.
    return false;
  }
}

interface ResultScope {
  open: Open;
  /** Whether nothing comes after the message, so that approved calls run next. */
  isLast: boolean;
  place: string;
  wasReply: boolean;
}

function checkResults(parts: readonly Placed[], { open, isLast, place, wasReply }: ResultScope, report: Report): void {
  if (!wasReply) report(place, "results do not follow a reply");
  for (const { part, place: at } of parts) {
    if (part.type === "tool-result") checkResult(part, at, open, report);
    if (part.type === "tool-approval-response" && !open.requests.has(part.approvalId)) report(at, "answers what was not asked");
  }
  const answers = parts.filter(({ part }) => part.type === "tool-approval-response");
  if (!isLast) {
    if (answers.length === parts.length) report(place, "has no result");
    return;
  }
  for (const { part } of answers) open.calls.delete(open.requests.get(part.approvalId)?.toolCallId);
}

function checkResult(part: Fields, place: string, { calls }: Open, report: Report): void {
  const call = calls.get(part.toolCallId)?.part;
  if (!call) return report(place, "is a result without a call right before it");
  if (call.toolName !== part.toolName) report(place, "names another tool than its call");
  calls.delete(part.toolCallId);
}
