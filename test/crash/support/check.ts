// What must be true of a thread after a crash, against everything that its client was told before.
import { isDeepStrictEqual } from "node:util";
import type { ChatMessage, ChatSnapshot, TurnFacts } from "../../../src/entries/client.ts";
import type { Command } from "../../../src/entries/protocol.ts";
import { REPEATABLE_LENGTH } from "../../../src/turn/machine.ts";
import { wordsOf } from "../score.ts";
import { askTicket, postCommand, repeatOverSocket, type Answer } from "./raw.ts";
import type { Random } from "./random.ts";
import { textOf, Witness, type Sent } from "./witness.ts";

/** What else must be true of a turn that has ended. */
export type Judge = (sent: Sent, reply: ChatMessage | undefined, facts: TurnFacts) => string[];

/** Every way in which the thread of an idle client breaks a promise. Empty when it keeps them all. */
export async function brokenPromises(witness: Witness, random: Random, judge: Judge = judgeScore): Promise<string[]> {
  const problems = await differences([witness], random);
  const mine = witness.client.getSnapshot().messages;
  problems.push(...witness.problems, ...historyProblems(witness, mine));
  for (const sent of witness.sent) problems.push(...turnProblems(witness, sent, mine, judge));
  return [...problems, ...(await repeatProblems(witness, random))];
}

/** How the clients of an idle thread see it in another way than one that comes anew, also when they have had time to hear it. */
export async function differences(witnesses: readonly Witness[], random: Random): Promise<string[]> {
  const fresh = viewOf(await freshView(witnesses[0]!, random));
  const problems: string[] = [];
  for (const witness of witnesses) {
    const place = (): string | undefined => firstDifference(viewOf(witness.client.getSnapshot()), fresh);
    // What a sync brings may come in two frames, the state of the turn before its last chunks.
    await witness
      .until(() => place() === undefined, "", HEARD_MS)
      .catch(() => problems.push(`who resumes and who comes anew differ in ${place()}`));
  }
  return problems;
}

const HEARD_MS = 3_000;

/** Where two values of JSON differ first, with what stands there; undefined where they are equal. */
function firstDifference(one: unknown, other: unknown, path = "view"): string | undefined {
  if (isDeepStrictEqual(one, other)) return undefined;
  if (!isContainer(one) || !isContainer(other)) return `${path}: ${JSON.stringify(one)}, ${JSON.stringify(other)}`;
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const place = firstDifference(one[key], other[key], `${path}.${key}`);
    if (place !== undefined) return place;
  }
  return `${path}, in the order of its fields`;
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** What every client of a thread must have alike. */
function viewOf({ messages, status, queue, turn, state, thread }: ChatSnapshot): unknown {
  return plain({ messages, status, queue, turn, state, thread });
}

/** What somebody sees who opens the thread for the first time. */
async function freshView({ url, user, threadId }: Witness, random: Random): Promise<ChatSnapshot> {
  const visitor = new Witness({ url, user, threadId, random });
  try {
    await visitor.until(({ connection }) => connection.kind === "live", "a new visitor is live");
    return visitor.client.getSnapshot();
  } finally {
    visitor.close();
  }
}

/** One line of messages, in the order of sending, and nothing gone that was shown. */
function historyProblems(witness: Witness, messages: readonly ChatMessage[]): string[] {
  const problems: string[] = [];
  messages.forEach((message, index) => {
    const before = messages[index - 1]?.id ?? null;
    if (message.parent !== before) problems.push(`message ${message.id} stands after ${before}, and has the parent ${message.parent}`);
  });
  const asked = messages.filter(({ role }) => role === "user").map(textOf);
  const expected = witness.sent.map(({ text }) => text);
  if (!isDeepStrictEqual(asked, expected)) problems.push(`sent were ${JSON.stringify(expected)}, stored are ${JSON.stringify(asked)}`);
  for (const shown of witness.messages.values()) {
    const stored = messages.find(({ id }) => id === shown.id);
    const { facts: _, ...content } = shown;
    const { facts: __, ...now } = stored ?? {};
    if (!isDeepStrictEqual(plain(now), plain(content)))
      problems.push(`shown was ${JSON.stringify(shown)}, stored is ${JSON.stringify(stored)}`);
    if (shown.facts && !isDeepStrictEqual(plain(shown.facts), plain(stored?.facts))) problems.push(`the facts of ${shown.id} changed`);
  }
  return problems;
}

/** The turn of one message has ended, once, with all that was shown of it. */
function turnProblems(witness: Witness, sent: Sent, messages: readonly ChatMessage[], judge: Judge): string[] {
  const turnId = witness.turnOf(sent);
  const at = messages.findIndex((message) => textOf(message) === sent.text);
  const question = messages[at];
  if (!turnId || !question) return [`the message "${sent.text}" is gone (turn ${turnId}, acked: ${witness.isAcked(sent)})`];
  const replies = messages.filter(({ id }) => id === turnId);
  const [reply] = replies;
  const shown = witness.shown(sent);
  const problems: string[] = [];
  const say = (problem: string): void => void problems.push(`turn ${turnId}: ${problem}`);
  if (replies.length > 1) say("has two replies");
  if (reply && messages[at + 1] !== reply) say("the reply does not follow its message");
  const { facts } = reply ?? question;
  if (!facts) return [...problems, `turn ${turnId}: has not ended: ${JSON.stringify(messages.slice(at))}`];
  const stored = reply ? textOf(reply) : "";
  if (!stored.startsWith(shown)) say(`shown was "${shown}", stored is "${stored}"`);
  const notices = reply?.parts.filter(({ type }) => type === "data-notice").length ?? 0;
  if (facts.outcome === "completed" && notices > 0) say("completed with a notice");
  if (facts.outcome === "interrupted" && reply && (notices !== 1 || reply.parts.at(-1)?.type !== "data-notice"))
    say(`interrupted, and its parts are ${JSON.stringify(reply.parts)}`);
  if (reply?.parts.some((part) => "state" in part && String(part.state).endsWith("streaming"))) say("ended with a part that is still open");
  if (reply && question.facts) say("has an outcome twice");
  const told = witness.ends.get(turnId);
  if (told && !isDeepStrictEqual(plain(told.facts), plain(facts)))
    say(`was told to have ended ${JSON.stringify(told.facts)}, and has ${JSON.stringify(facts)}`);
  for (const problem of judge(sent, reply, facts)) say(problem);
  return problems;
}

/** An answer of text alone: whole, or interrupted with much of it shown. */
export const judgeScore: Judge = (sent, reply, facts) => {
  const stored = reply ? textOf(reply) : "";
  const whole = wordsOf(sent.score).join("");
  const problems: string[] = [];
  if (!whole.startsWith(stored)) problems.push(`stored is "${stored}", which is no beginning of the answer`);
  if (facts.outcome === "completed") {
    if (stored !== whole) problems.push(`completed with "${stored}"`);
  } else if (facts.outcome === "interrupted") {
    if (stored.length < REPEATABLE_LENGTH) problems.push(`interrupted with so little that it should have been repeated: "${stored}"`);
    if (facts.error?.code !== "interrupted") problems.push(`interrupted with the error ${JSON.stringify(facts.error)}`);
  } else problems.push(`ended ${facts.outcome}: ${JSON.stringify(facts.error)}`);
  return problems;
};

/** Every command, sent once more over each road that it may take: the same answer, and nothing happens. */
async function repeatProblems(witness: Witness, random: Random): Promise<string[]> {
  const problems: string[] = [];
  const commands = [...witness.commands.values()];
  const expect = (road: string, command: Command, answer: Answer | undefined): void => {
    const known = witness.acks.get(command.id);
    const refusal = witness.refusals.get(command.id);
    const isSame = known ? isDeepStrictEqual(answer, known) : answer?.type === "error" && answer.code === refusal;
    if (!isSame) problems.push(`the answer was ${JSON.stringify(known ?? refusal)}, a repeat by ${road} gets ${JSON.stringify(answer)}`);
  };
  const { epoch, answers } = await repeatOverSocket(witness, commands);
  for (const [index, command] of commands.entries()) {
    expect("socket", command, answers[index]);
    expect("HTTP", command, await postCommand(witness, { ...command, epoch }));
    if (command.type === "send" && command.epoch === undefined) {
      expect("ticket", command, (await askTicket(witness, { create: true, command })).ack);
    }
  }
  return [...problems, ...(await differences([witness], random)).map((problem) => `after the repeats, ${problem}`)];
}

/** As it travels: without keys that are undefined, and without prototypes. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
