// One thread with two tabs whose turn calls tools and asks a person: driven to a sign, and judged after a crash by what is stored
// and by what has happened outside.
import { isDeepStrictEqual } from "node:util";
import { isChatError, type ChatMessage, type Part } from "../../../src/entries/client.ts";
import { checkProviderRules, type WorkerdProcess } from "../../../src/entries/testing.ts";
import { callsOfStep, errandOf, wordsOf, wordsOfStep, type Errand } from "../score.ts";
import { brokenPromises, differences, judgeScore, type Judge } from "./check.ts";
import { receiptOf, type Outside } from "./outside.ts";
import type { Random } from "./random.ts";
import type { Recovery } from "./server.ts";
import { pause } from "./until.ts";
import { textOf, Witness, type Sent } from "./witness.ts";

/** The outcome of a call that a crash has cut off. */
const UNKNOWN = "Interrupted, outcome unknown.";

/** A call in a message, as far as it is looked at. */
export interface CallPart {
  type: string;
  state: string;
  input: { what: string };
  output?: unknown;
  errorText?: string;
  approval?: { id: string; approved?: boolean; reason?: string; by?: string; at?: number };
}

export function callsIn(parts: readonly Part[]): CallPart[] {
  return parts.filter(({ type }) => type.startsWith("tool-")) as unknown as CallPart[];
}

/** Moments of an errand, in their usual order. A crash comes at one of them, or soon after. */
export const SIGNS = {
  "at the ack": (run) => run.tabs[0].isAcked(run.sent),
  "at the first model call": (run) => run.models >= 1,
  "in the first text": (run) => run.shown.length > 0,
  "while a tool is at work": (run) => run.effects >= 1,
  "while two tools are at work": (run) => run.effects >= 2,
  "at an outcome": (run) => callsIn(run.shown).some(({ state }) => state === "output-available"),
  "at the second model call": (run) => run.models >= 2,
  "at the question": (run) => run.question !== undefined,
  "in the wait": (run) => run.tabs[0].client.getSnapshot().status === "waiting",
  "at the answer": (run) => run.answers !== null,
  "at the ack of the answer": (run) =>
    run.tabs.some(({ acks, commands }) => [...acks.keys()].some((id) => commands.get(id)?.type === "resolve")),
  "while the approved tool is at work": (run) => run.outside.effectsOf(run.turnId).some(({ tool }) => tool === "pay"),
  "in the last text": (run) => run.models >= run.errand.steps.length,
  "at the end": (run) => run.tabs[0].hasEnded(run.sent),
} as const satisfies Record<string, (run: ErrandRun) => boolean>;

export type Sign = keyof typeof SIGNS;
const ALL_SIGNS = Object.keys(SIGNS) as Sign[];
const isAfterAnswer = (sign: Sign): boolean => ALL_SIGNS.indexOf(sign) >= ALL_SIGNS.indexOf("at the answer");

/** Unlike every other errand: tools of two kinds, and one that asks; its question comes alone or beside a slow tool. */
export function chooseErrand(tag: string, random: Random): Errand {
  const step = (words: number) => ({ words, everyMs: random.between(0, 3), afterMs: random.between(0, 10) });
  const book = { tool: "book", ms: random.between(20, 120) } as const;
  const search = { tool: "search", ms: random.between(0, 60) } as const;
  const pay = { tool: "pay", ms: random.between(0, 50) } as const;
  const acting = {
    ...step(random.pick([0, 5, 40])),
    calls: random.pick([
      [book, search],
      [search, book],
    ]),
  };
  const asking = { ...step(random.pick([0, 10])), calls: random.pick([[pay], [{ ...book, ms: 150 }, pay], [pay, search]]) };
  return errandOf(tag, [acting, asking, { ...step(random.between(2, 30)), calls: [] }], random.pick([0, 0, 15]));
}

export interface ErrandOptions {
  server: WorkerdProcess;
  outside: Outside;
  random: Random;
  user: string;
  errand: Errand;
  /** Up to where it is driven before the crash: from `at the answer` on, the question is answered before it. */
  sign: Sign;
  /** @default by chance, but for the signs that need one */
  isApproved?: boolean;
}

export class ErrandRun {
  readonly tabs: readonly [Witness, Witness];
  readonly sent: Sent;
  readonly errand: Errand;
  readonly outside: Outside;
  readonly isApproved: boolean;
  /** What the tabs were told of their answers, once these were given. */
  answers: Promise<PromiseSettledResult<void>[]> | null = null;
  readonly #random: Random;
  readonly #sign: Sign;
  /** From the check on, only the check answers. */
  #isOver = false;

  /** Resolves when two tabs are live in a thread with one answered message, and the errand was sent. */
  static async start(options: ErrandOptions): Promise<ErrandRun> {
    const { server, random, user, errand } = options;
    const first = new Witness({ url: server.url, user, create: true, random });
    await first.send({ tag: `${errand.tag}-before`, words: 2, everyMs: 0, afterMs: 0 }).sending.settled;
    const second = new Witness({ url: server.url, user, threadId: first.threadId, random });
    await second.until(({ connection }) => connection.kind === "live", "the second tab is live");
    return new ErrandRun([first, second], options);
  }

  private constructor(tabs: readonly [Witness, Witness], { outside, random, errand, sign, isApproved }: ErrandOptions) {
    this.tabs = tabs;
    this.outside = outside;
    this.errand = errand;
    this.#random = random;
    this.#sign = sign;
    // A tool that is refused is never at work.
    this.isApproved = isApproved ?? (sign === "while the approved tool is at work" || random.next() < 0.7);
    this.sent = tabs[0].send(errand);
    if (random.next() < 0.3) random.pick(tabs).link.cutAfter(random.between(1, 10));
    if (isAfterAnswer(sign)) void this.#answerSoon();
  }

  get turnId(): string {
    return this.tabs[0].turnOf(this.sent) ?? "";
  }

  /** What was shown of the reply. */
  get shown(): readonly Part[] {
    return this.tabs[0].shownParts(this.sent);
  }

  /** The last message of the thread. */
  get reply(): ChatMessage {
    return this.tabs[0].client.getSnapshot().messages.at(-1)!;
  }

  get models(): number {
    return this.outside.modelsOf(this.turnId).length;
  }

  get effects(): number {
    return this.outside.effectsOf(this.turnId).length;
  }

  get question(): CallPart | undefined {
    return callsIn(this.shown).find(({ state }) => state === "approval-requested");
  }

  /** Waits for the sign, and then for a moment, by default of chance. */
  async reach(momentMs = this.#random.pick([0, 0, this.#random.between(0, 80)])): Promise<void> {
    const isReached = (): boolean => SIGNS[this.#sign](this);
    const what = `the sign "${this.#sign}"`;
    // Whatever tells of it first: a frame, or the world outside.
    await Promise.race([this.tabs[0].until(isReached, what), this.tabs[1].until(isReached, what), this.outside.until(isReached, what)]);
    if (momentMs > 0) await pause(momentMs);
  }

  /** After a restart: the turn ends, or waits and goes on when it is answered; with every promise kept. @throws what was broken */
  async check(recovery: Recovery, kills: number): Promise<"ended" | "waited"> {
    const [tab] = this.tabs;
    this.#isOver = true;
    await this.#settled();
    const hasWaited = tab.client.getSnapshot().turn !== null;
    const problems: string[] = [];
    if (hasWaited) {
      problems.push(...(await differences(this.tabs, this.#random)), ...this.#callProblems(this.shown));
      if (!this.question) problems.push(`waits without a question: ${JSON.stringify(this.shown)}`);
      else this.#answer();
      await this.#settled();
    }
    problems.push(...(await brokenPromises(tab, this.#random, this.#judge(recovery, kills))));
    problems.push(...this.tabs[1].problems, ...(await differences(this.tabs, this.#random)));
    problems.push(...(await this.#answerProblems()), ...this.#modelProblems(kills));
    if (problems.length > 0) throw new Error(`${problems.join("\n")}\n${tab.describe()}`);
    return hasWaited ? "waited" : "ended";
  }

  close(): void {
    this.#isOver = true;
    for (const tab of this.tabs) tab.close();
  }

  async #answerSoon(): Promise<void> {
    const isAsked = (): boolean => this.question !== undefined || this.tabs[0].hasEnded(this.sent) || this.#isOver;
    await this.tabs[0].until(isAsked, "the question", 60_000).catch(() => {});
    if (this.#sign !== "at the answer") await pause(this.#random.between(0, 20));
    if (!this.#isOver && this.question) this.#answer();
  }

  /** One tab answers, or both at once: the other one the other way round. */
  #answer(): void {
    if (this.answers) return;
    const { id } = this.question!.approval!;
    const [first, other] = this.#random.next() < 0.5 ? this.tabs : [this.tabs[1], this.tabs[0]];
    const second = this.#random.next() < 0.3 ? [other] : [];
    const approve = ({ client }: Witness, approved: boolean): Promise<void> =>
      client.approve(id, approved ? { approved } : { approved, reason: "Not today." });
    this.answers = Promise.allSettled([approve(first, this.isApproved), ...second.map((tab) => approve(tab, this.isApproved))]);
  }

  /** Both tabs are connected, and nothing runs; a turn may wait for an answer that was not given yet. */
  async #settled(): Promise<void> {
    for (const tab of this.tabs) {
      await tab.until(
        ({ connection, status, queue, turn, messages }) =>
          connection.kind === "live" &&
          queue.length === 0 &&
          messages.some((message) => textOf(message) === this.sent.text) &&
          (turn === null ? status !== "submitted" && status !== "streaming" : turn.state === "waiting" && this.answers === null),
        "the turn has ended or waits",
      );
    }
  }

  #judge(recovery: Recovery, kills: number): Judge {
    return (sent, reply, facts) => {
      if (sent !== this.sent) return judgeScore(sent, reply, facts);
      const problems = [...this.#callProblems(reply?.parts ?? []), ...this.#textProblems(reply, facts.outcome)];
      const isInterrupted = facts.outcome === "interrupted" && recovery === "keep" && kills > 0;
      if (facts.outcome !== "completed" && !isInterrupted) problems.push(`ended ${facts.outcome}: ${JSON.stringify(facts.error)}`);
      const calls = callsIn(reply?.parts ?? []);
      for (const { state, input } of calls) {
        if (!["output-available", "output-error", "output-denied"].includes(state)) problems.push(`${input.what} ended ${state}`);
      }
      return problems;
    };
  }

  /** No word twice, none out of order; the last step whole where the turn completed, and all of it where nothing was cut off. */
  #textProblems(reply: ChatMessage | undefined, outcome: string): string[] {
    const words = wordsOf(this.errand).map((word) => word.trim());
    const stored = reply ? textOf(reply).split(" ").filter(Boolean) : [];
    const places = stored.map((word) => words.indexOf(word));
    const problems: string[] = [];
    if (places.some((place, index) => place <= (places[index - 1] ?? -1))) problems.push(`the text is out of order: ${stored.join(" ")}`);
    const last = wordsOfStep(this.errand, this.errand.steps.length - 1).map((word) => word.trim());
    if (outcome === "completed" && !isDeepStrictEqual(stored.slice(-last.length), last))
      problems.push(`completed with ${stored.join(" ")}`);
    return problems;
  }

  /** Each call at most once outside, and what happened is in the message with the outcome that is true of it. */
  #callProblems(parts: readonly Part[]): string[] {
    const problems: string[] = [];
    const calls = callsIn(parts);
    const planned = this.errand.steps.flatMap((_, step) => callsOfStep(this.errand, step));
    for (const { tool, input } of planned) {
      const { what } = input;
      const effects = this.outside.effects.filter((effect) => effect.what === what);
      const [effect] = effects;
      const told = calls.filter((call) => call.input?.what === what);
      const [call] = told;
      const say = (problem: string): void => void problems.push(`${tool} ${what} ${problem}: ${JSON.stringify({ effects, told })}`);
      if (new Set(effects.map(({ key }) => key)).size > 1) say("had several keys");
      if (effects.length > 1 && tool !== "search") say("happened more than once");
      if (this.outside.effects.some((other) => other.what !== what && other.key === effect?.key)) say("has the key of another call");
      if (told.length > 1) say("is told twice");
      if (effect && !call) say("happened and is not told");
      if (effect && call?.state !== "output-available" && call?.state !== "output-error") say("happened and has no outcome");
      if (call?.state === "output-available" && !isDeepStrictEqual(call.output, effect && receiptOf(effect))) say("has another outcome");
      if (call?.state === "output-error" && call.errorText !== UNKNOWN) say("failed");
      if (tool === "pay" && effect && call?.approval?.approved !== true) say("happened without an approval");
    }
    if (calls.length > planned.length) problems.push(`calls that nobody planned: ${JSON.stringify(calls)}`);
    return problems;
  }

  /** The first answer counts, and stands in the message; whoever was slower was told. */
  async #answerProblems(): Promise<string[]> {
    if (!this.answers) return [];
    const results = await this.answers;
    const refused = results.filter((result) => result.status === "rejected");
    const isTold = refused.length === results.length - 1 && refused.every(({ reason }) => isChatError(reason, "already_resolved"));
    const problems = isTold ? [] : [`the answers were answered ${JSON.stringify(results)}`];
    const asked = callsIn(this.reply.parts).find(({ type }) => type === "tool-pay");
    const { approved, by, at, reason } = asked?.approval ?? {};
    const isStored = approved === this.isApproved && by === this.tabs[0].user && typeof at === "number";
    if (!isStored || (!approved && reason !== "Not today.")) problems.push(`the answer is stored as ${JSON.stringify(asked)}`);
    if (approved === false && asked?.state !== "output-denied") problems.push(`denied, and then ${JSON.stringify(asked)}`);
    return problems;
  }

  /** Each crash costs at most one more call of the model; every prompt is one that any provider takes. */
  #modelProblems(kills: number): string[] {
    const calls = this.outside.modelsOf(this.turnId);
    const cap = this.errand.steps.length + kills;
    const problems = calls.flatMap(({ prompt, step }) => checkProviderRules(prompt).map((fault) => `prompt of step ${step}: ${fault}`));
    if (calls.length > cap) problems.push(`${calls.length} calls of the model, ${cap} at most: ${calls.map(({ step }) => step).join(" ")}`);
    return problems;
  }
}
