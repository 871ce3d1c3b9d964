// One thread, its app and its clients, each behind a link that does something to frames.
import { bearer } from "../../src/auth/bearer.ts";
import { createChatClient } from "../../src/client/chat-client.ts";
import { runClientTools } from "../../src/client/client-tools.ts";
import type { ChatClient, ChatMessage, ChatSnapshot, Sending } from "../../src/client/types.ts";
import { isChatError } from "../../src/errors.ts";
import type { SessionHooks } from "../../src/session/hooks.ts";
import { isAwaitingApproval } from "../../src/session/open-calls.ts";
import { DEFAULT_RECOVERY } from "../../src/session/recovery.ts";
import type { Turn } from "../../src/session/turn-context.ts";
import { DEFAULT_FLUSH } from "../../src/stream/flush-policy.ts";
import { GENERIC_ERROR_TEXT, type TurnResult } from "../../src/stream/source.ts";
import { scriptedStream } from "../../src/testing/world/scripted-stream.ts";
import { SeededRandom } from "../../src/testing/world/seeded-random.ts";
import { playTurn, ScriptedFailure } from "../../src/testing/world/turn-script.ts";
import { VirtualClock } from "../../src/testing/world/virtual-clock.ts";
import type { Incarnation } from "../../src/testing/world/virtual-incarnation.ts";
import { VirtualNetwork, type VirtualBrowser } from "../../src/testing/world/virtual-network.ts";
import { VirtualObject } from "../../src/testing/world/virtual-object.ts";
import { parseState } from "./app.ts";
import { FuzzLink, type Cure, type Fate } from "./frame-fuzz-link.ts";
import { Findings } from "./findings.ts";
import { callsOf } from "./log-watch.ts";
import { textOf } from "./page-watch.ts";
import { makeTurn } from "./turn-maker.ts";
import { CLIENT_TOOLS, isClientTool, SERVER_TOOLS, type ToolInput } from "./world-tools.ts";

const START = 1_790_000_000_000;
const THREAD_ID = "thread-of-a-fuzz-1";
const URL = "https://chat.example/chat";
const NO_FAULTS = { beforeStatement: () => {}, beforeCommit: () => {}, afterCommit: () => {} };

export interface WorldSetting {
  seed: number;
  cure: Cure;
  fates: readonly Fate[];
  rate: number;
  latency: "fast" | "mixed";
  /** Share of ticket requests or of their answers that are lost. */
  loss: number;
  tools: number;
}

export class FuzzWorld {
  readonly setting: WorldSetting;
  readonly clock = new VirtualClock(START);
  readonly random: SeededRandom;
  readonly findings = new Findings(() => this.clock.now() - START);
  readonly object: VirtualObject;
  readonly network: VirtualNetwork;
  /** The present page of each place, once it is open. */
  readonly pages: (FuzzPage | undefined)[] = [];
  readonly allPages: FuzzPage[] = [];
  /** How often the model was asked about each text. */
  readonly asked = new Map<string, number>();
  readonly trace: string[] | null;
  isCalm = false;
  #ids = 0;

  constructor(setting: WorldSetting, isTraced: boolean) {
    this.setting = setting;
    this.trace = isTraced ? [] : null;
    this.random = new SeededRandom(`frame fuzz/${setting.seed}`);
    const chance = this.random.fork("server");
    const wreckage = this.random.fork("wreck");
    this.object = new VirtualObject({
      clock: this.clock,
      newId: this.newId,
      random: () => chance.next(),
      hooks: (life) => this.#hooks(life),
      flush: DEFAULT_FLUSH,
      recovery: DEFAULT_RECOVERY,
      tools: { timeoutMs: 300_000, approvalExpiresMs: null, isStrict: true },
      busy: "queue",
      probe: NO_FAULTS,
      report: (error) => this.#report(error),
      onSend: (connection, data) => this.tell(`object → ${connection.id}: ${data.slice(0, 400)}`),
      wreck: () => ({ isFlushed: wreckage.chance(0.5), clientAfterMs: wreckage.between(0, 400) }),
    });
    const latency = this.random.fork("latency");
    const loss = this.random.fork("loss");
    this.network = new VirtualNetwork({
      clock: this.clock,
      latencyMs: () => (this.isCalm || setting.latency === "fast" ? latency.between(1, 5) : latency.between(1, 150)),
      loss: () => (this.isCalm || !loss.chance(setting.loss) ? "none" : loss.pick(["request", "answer"])),
      router: { secret: "a secret of a fuzz, of 32 bytes or more", authenticate: bearer((token) => ({ id: token })) },
      deps: { now: this.clock.now, newId: this.newId },
      object: () => this.object,
    });
  }

  readonly newId = (): string => `id-${String(++this.#ids).padStart(8, "0")}`;

  tell(text: string): void {
    this.trace?.push(`+${this.clock.now() - START} ${text}`);
  }

  openPage(place: number): FuzzPage {
    const page = new FuzzPage(this, `page ${place}.${this.allPages.length}`);
    this.pages[place] = page;
    this.allPages.push(page);
    return page;
  }

  /** The server itself, by its binding. */
  command(command: object): void {
    const answer = this.object.command({ principal: { id: "system:cron" }, tenant: "", threadId: "", command });
    this.tell(`server ${JSON.stringify(command).slice(0, 100)}: ${JSON.stringify(answer).slice(0, 100)}`);
  }

  get exists(): boolean {
    return this.object.storage.query("SELECT 1 FROM sqlite_master WHERE name = 'cc_session'").length > 0;
  }

  get turns(): { id: string; state: string }[] {
    return this.exists ? this.object.storage.query("SELECT id, state FROM cc_turn ORDER BY ord") : [];
  }

  #hooks(life: Incarnation): SessionHooks {
    return {
      onTurn: (turn) => this.#onTurn(turn, life),
      onConnect: () => {},
      onDisconnect: () => {},
      authorize: () => true,
      authorizeCreate: () => true,
      authorizeThread: () => null,
      parseBody: (value) => value,
      parseState,
      isClientTool,
      parseToolOutput: (_name, output) => output,
      errorText: () => GENERIC_ERROR_TEXT,
    };
  }

  async #onTurn(turn: Turn, life: Incarnation): Promise<TurnResult> {
    const text = textOf(turn.message);
    const nth = (this.asked.get(text) ?? 0) + 1;
    this.asked.set(text, nth);
    this.tell(`onTurn ${turn.id} "${text}" ${JSON.stringify(turn.resume ?? {})}`);
    const random = this.random.fork(`turn/${text}/${nth}`);
    const hasAnswers = turn.resume?.kind === "approval" || turn.resume?.kind === "client-tool";
    const script = makeTurn(random, { run: nth, turnId: turn.id, isCalm: this.isCalm, tools: this.setting.tools, hasAnswers });
    const onChunk = (): void => {};
    if (script.form !== "model") return playTurn(script, turn, life, onChunk);
    const messages = turn.modelMessages();
    this.clock.hold(messages);
    return scriptedStream({
      ...script,
      messages: await messages,
      tools: turn.tools(toolsOf(life)),
      approvalOf: (input) => (input as ToolInput).approval,
      newId: this.newId,
      signal: turn.signal,
      life,
      onChunk,
    });
  }

  /** Models and tools fail on purpose, and what they do when they are stopped is theirs. */
  #report(error: unknown): void {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      const isOurs = cause instanceof ScriptedFailure || cause.name === "AbortError" || isChatError(cause, "interrupted");
      if (isOurs || isChatError(cause, "model_error")) return;
    }
    this.findings.say("reported", error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

/** Tools that do nothing, and take their time. */
function toolsOf(life: Incarnation): Record<string, object> {
  const execute = async ({ uid, act, waitMs }: ToolInput, { abortSignal }: { abortSignal: AbortSignal }): Promise<unknown> => {
    const end = life.begin();
    await life.sleep(act === "never" ? Infinity : Math.min(waitMs, 2_000), abortSignal);
    end();
    if (act === "fails") throw new ScriptedFailure("The tool fails.");
    return { done: uid };
  };
  const server = SERVER_TOOLS.map((name) => [name, { execute, ...(name === "remote" ? { type: "dynamic" } : {}) }]);
  return Object.fromEntries([...CLIENT_TOOLS.map((name) => [name, {}]), ...server]) as Record<string, object>;
}

/** One client behind its link, with a person who answers what a turn waits for. */
export class FuzzPage {
  readonly name: string;
  readonly client: ChatClient;
  readonly link: FuzzLink;
  readonly browser: VirtualBrowser;
  /** Promises that are not kept or broken yet: of commands, and of replies. */
  readonly waiting = new Set<string>();
  readonly waitingForReply = new Set<string>();
  /** What each message that it sent came to, by its text. */
  readonly sent = new Map<string, { code?: string; turnId?: string; reply?: ChatMessage | null }>();
  readonly #world: FuzzWorld;
  readonly #seen = new Set<string>();
  #asked = 0;

  constructor(world: FuzzWorld, name: string, isSound = false) {
    this.name = name;
    this.#world = world;
    this.browser = world.network.browser();
    const { clock, findings, setting } = world;
    const random = world.random.fork(`client/${name}`);
    const tell = (text: string): void => world.tell(text);
    this.link = new FuzzLink({ ...setting, clock, browser: this.browser, random: random.fork("link"), findings, name, tell });
    this.link.isCalm = isSound;
    this.client = createChatClient({
      url: URL,
      threadId: THREAD_ID,
      create: !world.exists,
      headers: { authorization: "Bearer user-0" },
      fetch: this.browser.fetch,
      WebSocket: this.link.WebSocket,
      deps: { now: clock.now, random: () => random.next(), newId: world.newId, setTimer: (run, delayMs) => clock.setTimer(delayMs, run) },
    });
    this.link.client = this.client;
    if (!isSound) runClientTools(this.client, Object.fromEntries(CLIENT_TOOLS.map((tool) => [tool, async () => ({ picked: 1 })])));
    this.client.subscribe((snapshot) => {
      this.look(snapshot);
      try {
        if (!isSound) this.#answer(snapshot);
      } catch (error) {
        // A person who is shown parts without a type does not know what to do with them; that is no fault of the client.
        if (setting.cure !== "a whole view") throw error;
      }
    });
  }

  get snapshot(): ChatSnapshot {
    return this.client.getSnapshot();
  }

  /** Nothing is ever shown twice; where a frame says that a message of ours is another's turn, it is, until ours is acked. */
  look({ messages, queue }: ChatSnapshot): void {
    const isLiedTo = this.#world.setting.cure === "a whole view";
    const ids = [
      ...messages.filter(({ delivery }) => !isLiedTo || delivery === undefined).map(({ id }) => id),
      ...(isLiedTo ? [] : queue.flatMap(({ messageId, kind }) => (kind === "send" || kind === "edit" ? [messageId] : []))),
    ];
    if (new Set(ids).size !== ids.length) this.#world.findings.say("shown twice", `${this.name} shows ${ids.join()}`);
  }

  #answer({ turn, messages }: ChatSnapshot): void {
    const live = turn && messages.find(({ id, createdAt }) => id === turn.messageId && createdAt === undefined);
    for (const call of live ? callsOf(live.parts.slice(turn.base)) : []) {
      if (!isAwaitingApproval(call) || this.#seen.has(call.approval!.id)) continue;
      this.#seen.add(call.approval!.id);
      const random = this.#world.random.fork(`approval/${this.name}/${call.approval!.id}`);
      const answer = (): void => this.ask("approve", this.client.approve(call.approval!.id, { approved: random.chance(0.7) }));
      this.#world.clock.setTimer(random.between(0, 2_000), answer);
    }
  }

  send(text: string): void {
    const sent: NonNullable<ReturnType<typeof this.sent.get>> = {};
    this.sent.set(text, sent);
    const sending = this.client.send(text);
    const note = (code: string): void => void (sent.code = code);
    this.ask(`send "${text}"`, sending, ({ turnId }) => (sent.turnId = turnId), note);
    this.ask(`reply to "${text}"`, sending.settled, (reply) => (sent.reply = reply), note, this.waitingForReply);
  }

  asks(what: string, sending: Sending): void {
    this.ask(what, sending);
    this.ask(`reply to ${what}`, sending.settled, undefined, undefined, this.waitingForReply);
  }

  /** Notes a promise until it is kept, or broken as it may be. */
  ask<Value>(
    what: string,
    promise: Promise<Value>,
    onKept: (value: Value) => unknown = () => {},
    onBroken: (code: string) => void = () => {},
    waiting = this.waiting,
  ): void {
    const key = `${what} (${++this.#asked})`;
    waiting.add(key);
    promise.then(
      (value) => {
        waiting.delete(key);
        onKept(value);
      },
      (error: unknown) => {
        waiting.delete(key);
        this.#world.tell(`${this.name}: ${what} was refused: ${String(error)}`);
        if (isChatError(error)) onBroken(error.code);
        else this.#world.findings.say("promise", `${this.name}: ${what} was broken with ${String(error)}`);
      },
    );
  }
}
