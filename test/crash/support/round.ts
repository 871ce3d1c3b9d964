// One crash: several threads at work, the process killed at a chosen point of the first of them, and started again.
import type { WorkerdProcess } from "../../../src/entries/testing.ts";
import type { Score } from "../score.ts";
import { brokenPromises } from "./check.ts";
import type { Random } from "./random.ts";
import { pause } from "./until.ts";
import { Witness, type Sent } from "./witness.ts";

export const KILL_POINTS = [
  "before the ack",
  "before the first chunk",
  "in mid-stream",
  "around the end",
  "with queued turns",
  "again in the recovery",
] as const;

export type KillPoint = (typeof KILL_POINTS)[number];

const THREADS = 4;
let tags = 0;

/** How the checked turns ended, for the test to see that a kill point is met. */
export interface Tally {
  kills: number;
  completed: number;
  interrupted: number;
  /** Next to nothing was stored of the answer: run again, or interrupted without a reply. */
  early: number;
  /** Killed before the client had the ack. */
  unacked: number;
}

/** @throws when a promise was broken, with all that is needed to see why */
export async function playRound(server: WorkerdProcess, point: KillPoint, random: Random, tally: Tally): Promise<void> {
  const witnesses = Array.from(
    { length: THREADS },
    (_, index) => new Witness({ url: server.url, user: `user-${index}`, create: true, random }),
  );
  try {
    // Half of the threads exist already, with an open socket: their messages do not come by ticket.
    for (const witness of witnesses) if (random.next() < 0.5) await witness.send(scoreOf(random, "quick")).sending.settled;
    const [first, ...others] = witnesses;
    for (const other of others) play(other, random.pick(KILL_POINTS), random);
    const sent = play(first!, point, random);
    // Some have lost their connection before, and come back with a cursor in the middle of a turn.
    for (const witness of witnesses) if (random.next() < 0.3) witness.link.cutAfter(random.between(1, 8));
    await reach(first!, sent, point, random);
    await server.kill();
    for (const witness of witnesses) tally.unacked += witness.sent.filter((one) => !witness.isAcked(one)).length;
    tally.kills++;
    if (point === "again in the recovery") {
      await server.restart();
      await pause(random.between(0, 60));
      await server.kill();
      tally.kills++;
    }
    await server.restart();
    await Promise.all(witnesses.map((witness) => check(witness, random, tally)));
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new Error(`${detail}\n\nlast lines of workerd:\n${server.logs.slice(-20).join("\n")}`, { cause: error });
  } finally {
    for (const witness of witnesses) witness.close();
  }
}

/** Sends what a kill point needs; the first of what was sent is the turn that is watched. */
function play(witness: Witness, point: KillPoint, random: Random): Sent {
  const sent = witness.send(scoreOf(random, point === "around the end" ? "short" : point === "before the first chunk" ? "late" : "long"));
  if (point !== "with queued turns") return sent;
  witness.send(scoreOf(random, "short"));
  if (random.next() < 0.5) witness.send(scoreOf(random, "quick"));
  return sent;
}

function scoreOf(random: Random, length: "quick" | "short" | "late" | "long"): Score {
  const tag = `t${tags++}`;
  switch (length) {
    case "quick":
      return { tag, words: random.between(1, 3), everyMs: 0, afterMs: 0 };
    case "short":
      return { tag, words: random.between(5, 20), everyMs: 4, afterMs: 0 };
    case "late":
      return { tag, words: random.between(1, 10), everyMs: 4, afterMs: 100 };
    case "long":
      return { tag, words: random.between(60, 160), everyMs: 4, afterMs: 0 };
  }
}

/** Waits for the point, and then for a moment of chance around it. */
async function reach(witness: Witness, sent: Sent, point: KillPoint, random: Random): Promise<void> {
  const shows = (share: number) => (): boolean => wordsIn(witness.shown(sent)) >= sent.score.words * share;
  switch (point) {
    case "before the ack":
      return pause(random.between(0, 12));
    case "before the first chunk":
      await witness.until(() => witness.isAcked(sent), "the ack");
      return pause(random.between(0, 90));
    case "in mid-stream":
    case "again in the recovery":
      await witness.until(shows(random.next() * 0.8), "a part of the answer");
      return pause(random.between(0, 70));
    case "around the end":
      if (random.next() < 0.5) {
        await witness.until(shows(0.01), "the beginning of a short answer");
        return pause(random.between(0, sent.score.words * 6));
      }
      await witness.until(() => witness.hasEnded(sent), "the end of a short answer");
      return pause(random.between(0, 4));
    case "with queued turns":
      await witness.until(() => witness.sent.every((one) => witness.isAcked(one)), "the acks of all turns");
      await witness.until(shows(random.next()), "a part of the first answer");
      return pause(random.between(0, 70));
  }
}

function wordsIn(text: string): number {
  return text.split(" ").length - 1;
}

async function check(witness: Witness, random: Random, tally: Tally): Promise<void> {
  await witness.settled();
  const problems = await brokenPromises(witness, random);
  if (problems.length > 0) throw new Error(`${problems.join("\n")}\n${witness.describe()}`);
  for (const message of witness.client.getSnapshot().messages) {
    if (message.facts?.outcome === "completed") tally.completed++;
    if (message.facts?.outcome === "interrupted") tally.interrupted++;
    if (message.facts && (message.facts.attempts > 1 || message.role === "user")) tally.early++;
  }
  const reply = await witness.send(scoreOf(random, "quick")).sending.settled;
  if (reply?.facts?.outcome !== "completed") throw new Error(`the next message got ${JSON.stringify(reply)}\n${witness.describe()}`);
}
