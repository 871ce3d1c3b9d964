// What must be true of a thread after a crash, against everything that its client was told before.
import { isDeepStrictEqual } from "node:util";
import type { ChatMessage } from "../../../src/entries/client.ts";
import { REPEATABLE_LENGTH } from "../../../src/turn/machine.ts";
import { wordsOf } from "../score.ts";
import { askTicket, repeatOverSocket } from "./raw.ts";
import type { Random } from "./random.ts";
import { textOf, Witness, type Sent } from "./witness.ts";

/** Every way in which the thread of an idle client breaks a promise. Empty when it keeps them all. */
export async function brokenPromises(witness: Witness, random: Random): Promise<string[]> {
  const mine = witness.client.getSnapshot().messages;
  const problems = [...witness.problems, ...historyProblems(witness, mine)];
  for (const sent of witness.sent) problems.push(...turnProblems(witness, sent, mine));
  const { messages: fresh } = await freshView(witness, random);
  if (!isDeepStrictEqual(plain(fresh), plain(mine))) {
    problems.push(`who resumes has ${JSON.stringify(mine)}, who comes anew ${JSON.stringify(fresh)}`);
  }
  return [...problems, ...(await repeatProblems(witness, fresh, random))];
}

/** What somebody sees who opens the thread for the first time. */
async function freshView({ url, user, threadId }: Witness, random: Random) {
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
function turnProblems(witness: Witness, sent: Sent, messages: readonly ChatMessage[]): string[] {
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
  const whole = wordsOf(sent.score).join("");
  if (!stored.startsWith(shown)) say(`shown was "${shown}", stored is "${stored}"`);
  if (!whole.startsWith(stored)) say(`stored is "${stored}", which is no beginning of the answer`);
  const notices = reply?.parts.filter(({ type }) => type === "data-notice").length ?? 0;
  if (facts.outcome === "completed") {
    if (stored !== whole) say(`completed with "${stored}"`);
    if (notices > 0) say("completed with a notice");
  } else if (facts.outcome === "interrupted") {
    if (reply && (notices !== 1 || reply.parts.at(-1)?.type !== "data-notice"))
      say(`interrupted, and its parts are ${JSON.stringify(reply.parts)}`);
    if (reply?.parts.some((part) => "state" in part && part.state === "streaming")) say("interrupted with a part that is still open");
    if (stored.length < REPEATABLE_LENGTH) say(`interrupted with so little that it should have been repeated: "${stored}"`);
    if (facts.error?.code !== "interrupted") say(`interrupted with the error ${JSON.stringify(facts.error)}`);
  } else say(`ended ${facts.outcome}: ${JSON.stringify(facts.error)}`);
  if (reply && question.facts) say("has an outcome twice");
  const told = witness.ends.get(turnId);
  if (told && !isDeepStrictEqual(plain(told.facts), plain(facts)))
    say(`was told to have ended ${JSON.stringify(told.facts)}, and has ${JSON.stringify(facts)}`);
  return problems;
}

/** Every command, sent once more: the same answer, by socket and, where it came so, by ticket; and nothing happens. */
async function repeatProblems(witness: Witness, before: readonly ChatMessage[], random: Random): Promise<string[]> {
  const problems: string[] = [];
  const commands = [...witness.commands.values()];
  const answers = await repeatOverSocket(witness, commands);
  for (const [index, command] of commands.entries()) {
    const answer = answers[index]!;
    const known = witness.acks.get(command.id);
    if (!known || !isDeepStrictEqual(answer, known))
      problems.push(`the ack was ${JSON.stringify(known)}, a repeat gets ${JSON.stringify(answer)}`);
    if (command.epoch !== undefined) continue;
    const { ack } = await askTicket(witness, { create: true, command });
    if (!isDeepStrictEqual(ack, known))
      problems.push(`the ack was ${JSON.stringify(known)}, a repeat by ticket gets ${JSON.stringify(ack)}`);
  }
  const after = await freshView(witness, random);
  if (after.status === "streaming" || after.status === "submitted") problems.push("a repeat began a turn");
  if (!isDeepStrictEqual(plain(after.messages), plain(before))) problems.push("a repeat changed the history");
  return problems;
}

/** As it travels: without keys that are undefined, and without prototypes. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
