// What must hold when everything has healed and come to rest.
import type { ChatMessage, ChatSnapshot } from "../../src/client/types.ts";
import type { TurnFacts } from "../../src/protocol/messages.ts";
import type { Actors } from "./actors.ts";
import { equal, lasting, lostOf, textOf } from "./page-watch.ts";
import type { SimulatedThread } from "./simulated-thread.ts";

type Say = (check: string, text: string) => void;

/** Looks at the thread as a page shows it that has loaded everything, and at everything that was noted on the way. */
export function checkThread(thread: SimulatedThread, actors: Actors, whole: ChatSnapshot): void {
  const { findings } = thread;
  const say: Say = (check, text) => findings.say(check, text);
  checkRest(thread, say);
  checkTree(thread, whole.messages, say);
  checkTurns(thread, whole.messages, say);
  checkSeen(thread, actors, whole.messages, say);
  checkPrompts(thread, whole.messages, say);
  checkSent(thread, actors, whole.messages, say);
  checkEndCalls(thread, say);
}

/** Two pages that have loaded everything show the same. */
export function checkSame(thread: SimulatedThread, name: string, mine: ChatSnapshot, fresh: ChatSnapshot): void {
  // What was refused is its page's alone.
  mine = { ...mine, messages: mine.messages.filter(({ delivery }) => delivery !== "failed") };
  for (const key of ["messages", "queue", "status", "error", "thread", "hasEarlier"] as const) {
    const [a, b] = [JSON.stringify(mine[key]), JSON.stringify(fresh[key])];
    if (!equal(a, b))
      thread.findings.say("same view", `${key} of ${name} differ from those of a new page: ${difference(mine[key], fresh[key])}`);
  }
}

function checkRest({ commits, object }: SimulatedThread, say: Say): void {
  if (commits.turns.length > 0) say("every turn ends", `${commits.turns.length} turns are left`);
  const rest = object.storage.query<{ log: number; marks: string | null; due: number | null }>(
    "SELECT (SELECT count(*) FROM cc_log) AS log, end_marks AS marks, due_at AS due FROM cc_session",
  )[0]!;
  if (rest.log > 0) say("log", `${rest.log} blocks of the log are left`);
  if (rest.marks !== null || rest.due !== null) say("end marks", `left are ${rest.marks}, due ${rest.due}`);
  if (object.alarm.at !== null) say("idle alarm", "an idle thread has an alarm");
  for (const id of commits.accepted.keys()) {
    if (commits.ended.has(id) === commits.dropped.has(id))
      say("once", `${id} ended ${commits.ended.has(id)}, left the queue ${commits.dropped.has(id)}`);
  }
}

function checkTree({ commits }: SimulatedThread, messages: readonly ChatMessage[], say: Say): void {
  messages.forEach((message, index) => {
    const before = messages[index - 1]?.id ?? null;
    if (message.parent !== before) say("tree", `${message.id} stands under ${before}, its parent is ${message.parent}`);
  });
  if (messages.length !== commits.messages.size) say("tree", `${commits.messages.size} messages are stored, ${messages.length} are shown`);
  const asked = messages.filter(({ role, id }) => role === "user" && !id.startsWith("old-")).map(({ id }) => id);
  const expected = [...commits.accepted.values()].filter(({ id }) => commits.ended.has(id)).map(({ message_id }) => message_id);
  if (asked.join() !== expected.join()) say("order", `accepted were ${expected.join()}, the thread has ${asked.join()}`);
}

/** Errors of a turn whose last run did not come to its end. */
const CUT = new Set(["internal", "attempts_exhausted", "work_exhausted"]);

/** Each turn says how it ended, once, and its reply is what the model said. */
function checkTurns({ commits, calls }: SimulatedThread, messages: readonly ChatMessage[], say: Say): void {
  for (const [turnId, messageId] of commits.ended) {
    const bearer = messages.find(({ id }) => id === messageId);
    const reply = messages.find(({ id }) => id === turnId);
    const facts: TurnFacts | undefined = bearer?.facts;
    if (!facts) {
      say("every turn ends", `${turnId} has no facts`);
      continue;
    }
    const runs = calls.get(turnId) ?? [];
    const said = runs.at(-1)?.said ?? "";
    const stored = reply ? textOf(reply) : "";
    // What the session took before the end is in the message, unless a run was cut off: by the end, or before a run that never began.
    const mayBeCut = facts.outcome === "interrupted" || CUT.has(facts.error?.code ?? "") || facts.attempts > (runs.at(-1)?.attempt ?? 0);
    const isWhole = mayBeCut ? said.startsWith(stored) : said === stored;
    if (!isWhole) say("reply", `${turnId} ended ${facts.outcome} with "${stored.slice(-200)}", said was "${said.slice(-200)}"`);
    if (
      reply &&
      reply.parts.some(
        (part) => "state" in part && /streaming|available$|requested/.test(String(part.state)) && part.state !== "output-available",
      )
    ) {
      say("open parts", `${turnId} ended with ${JSON.stringify(reply.parts)}`);
    }
    const notices = reply?.parts.filter(({ type }) => type === "data-notice").length ?? 0;
    const mayHaveNotice = facts.outcome === "interrupted" || CUT.has(facts.error?.code ?? "");
    if (notices > (mayHaveNotice ? 1 : 0) || (reply && facts.outcome === "interrupted" && notices === 0))
      say("notice", `${turnId} ended ${facts.outcome} with ${notices} notices`);
    if ((facts.outcome === "failed" || facts.outcome === "interrupted") !== (facts.error !== undefined))
      say("facts", `${turnId}: ${JSON.stringify(facts)}`);
  }
}

/** Nothing that any page was ever shown is gone. */
function checkSeen({ faults, commits }: SimulatedThread, { seen }: Actors, messages: readonly ChatMessage[], say: Say): void {
  for (const [id, content] of seen.settled) {
    const stored = messages.find((message) => message.id === id);
    const { facts: _, ...now } = stored ?? {};
    if (!stored || !equal(JSON.stringify(now), content)) say("settled", `shown was ${content}, stored is ${JSON.stringify(stored)}`);
    const told = seen.facts.get(id);
    if (told && !equal(told, JSON.stringify(stored?.facts ?? null)))
      say("settled", `the facts of ${id} were ${told}, are ${JSON.stringify(stored?.facts)}`);
  }
  for (const [id, lives] of seen.live) {
    const stored = messages.find((message) => message.id === id);
    for (const live of lives) {
      const shown = commits.rerun.has(id) ? lasting(live) : live;
      // Where the end of a turn could not be stored three times, it is stored without what was shown.
      const mayBeGone = faults.failures >= 3 || !shown.parts.some(isContent);
      const lost = stored ? lostOf(shown, stored) : mayBeGone ? null : "there is no reply";
      if (lost) say("taken back", `shown of ${id} was ${JSON.stringify(live.parts).slice(0, 500)}: ${lost}`);
    }
  }
}

/** True for a part that shows something. */
function isContent(part: ChatMessage["parts"][number]): boolean {
  return part.type !== "step-start" && !("text" in part && part.text === "");
}

/** The model saw the conversation up to its message, in order and whole. */
function checkPrompts({ calls, commits }: SimulatedThread, messages: readonly ChatMessage[], say: Say): void {
  for (const { turnId, messageId, prompt, base, attempt } of [...calls.values()].flat()) {
    // A call whose object died before the end of `onTurn` may have asked for a turn that is not in the thread.
    if (!prompt || !commits.ended.has(turnId)) continue;
    const before = messages.slice(0, messages.findIndex(({ id }) => id === messageId) + 1);
    for (const role of ["user", "assistant"] as const) {
      const expected = before
        .filter((message) => message.role === role)
        .map(textOf)
        .join("");
      const shown = prompt
        .filter((message) => message.role === role)
        .map(({ text }) => text)
        .join("");
      // A run that goes on is shown what those before it left; what it is told about that is a matter of its own.
      const isRight = role === "assistant" ? shown === expected + base : attempt > 1 ? shown.startsWith(expected) : shown === expected;
      if (!isRight) say("prompt", `${turnId} was shown ${role}: "${shown.slice(-200)}", the thread has "${expected.slice(-200)}"`);
    }
  }
}

/** Every message that a page sent: one effect at most, and exactly one when it was acked. */
function checkSent(thread: SimulatedThread, actors: Actors, messages: readonly ChatMessage[], say: Say): void {
  const { commits } = thread;
  const texts = messages.filter(({ role }) => role === "user").map(textOf);
  for (const text of new Set(texts)) {
    if (texts.filter((other) => other === text).length > 1) say("once", `"${text}" is in the thread more than once`);
  }
  const acceptedTexts = [...commits.accepted.values()].map(({ body }) => textOf(JSON.parse(body) as ChatMessage));
  for (const page of actors.allPages) {
    for (const what of page.waiting) say("promise", `${page.name} still waits for ${what}`);
    for (const { text, turnId, reply } of page.sent) {
      if (turnId !== undefined && acceptedTexts.indexOf(text) !== [...commits.accepted.keys()].indexOf(turnId))
        say("ack", `"${text}" was acked as ${turnId}`);
      if (turnId !== undefined && !commits.accepted.has(turnId)) say("ack", `"${text}" was acked and is nowhere`);
      if (turnId === undefined || reply === undefined) continue;
      const stored = messages.find(({ id }) => id === turnId);
      if (reply && !equal(JSON.stringify(reply), JSON.stringify(stored ?? null)))
        say("reply", `${page.name} was given ${JSON.stringify(reply)} for "${text}"`);
    }
    // Nor is there an order where the storage refused a message, and the page did not hear of it and sent it again.
    if (actors.hasEchoed || thread.faults.failures > 0) continue;
    const mine = page.sent
      .filter(({ text, isRetried }) => !isRetried && acceptedTexts.includes(text))
      .map(({ text }) => acceptedTexts.indexOf(text));
    if (mine.some((place, index) => index > 0 && place < mine[index - 1]!))
      say("order", `${page.name} sent ${page.sent.map(({ text }) => text).join()}, accepted were ${acceptedTexts.join()}`);
  }
}

/** `onTurnEnd` was called for every turn, in their order, and `again` says so whenever it was called before. */
function checkEndCalls({ endCalls, commits, schedule }: SimulatedThread, say: Say): void {
  if (!schedule.hook) return;
  const first: string[] = [];
  for (const [index, { turnId, again }] of endCalls.entries()) {
    const before = endCalls.slice(0, index).filter((call) => call.turnId === turnId);
    if (before.length === 0) first.push(turnId);
    else if (!again) say("end hook", `onTurnEnd was called again for ${turnId}, and not told so`);
    if (before.some(({ hasReturned }) => hasReturned) && !again) say("end hook", `onTurnEnd had returned for ${turnId}`);
  }
  const ended = [...commits.ended.keys()];
  if (first.join() !== ended.join()) say("end hook", `turns ended: ${ended.join()}; onTurnEnd was called for ${first.join()}`);
}

function difference(mine: unknown, fresh: unknown): string {
  if (!Array.isArray(mine) || !Array.isArray(fresh)) return `${JSON.stringify(mine)}, ${JSON.stringify(fresh)}`;
  const at = mine.findIndex((value, index) => fresh[index] === undefined || !equal(JSON.stringify(value), JSON.stringify(fresh[index])));
  return `${mine.length}, ${fresh.length}; at ${at}: ${JSON.stringify(mine[at])?.slice(0, 300)}, ${JSON.stringify(fresh[at])?.slice(0, 300)}`;
}
