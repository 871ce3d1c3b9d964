// One page of a browser: a real client, the person at it, and a note of everything that it promised.
import { createChatClient } from "../../src/client/chat-client.ts";
import { runClientTools } from "../../src/client/client-tools.ts";
import type { ChatClient, ChatMessage, ChatSnapshot, ClientToolContext, ClientTools, Sending } from "../../src/client/types.ts";
import { isChatError } from "../../src/errors.ts";
import type { SeededRandom } from "../../src/testing/world/seeded-random.ts";
import type { VirtualBrowser } from "../../src/testing/world/virtual-network.ts";
import { Person } from "./person.ts";
import { PageWatch, type Model, type Seen } from "./page-watch.ts";
import { THREAD_ID, URL, type SimulatedThread } from "./simulated-thread.ts";
import { CLIENT_TOOLS } from "./world-tools.ts";

/** One message that a page sent. */
export interface Sent {
  text: string;
  /** From the ack. */
  turnId?: string;
  /** Why it was refused. */
  code?: string;
  /** Undefined while its turn is not over for this page. */
  reply?: ChatMessage | null;
  isRetried: boolean;
}

/** What a client of ours is never refused with: it writes what the protocol says. */
const NEVER = new Set(["bad_frame", "unknown_frame", "stale_epoch", "id_reused", "too_large"]);

export class Page {
  readonly name: string;
  readonly user: string;
  readonly browser: VirtualBrowser;
  readonly client: ChatClient;
  readonly watch: PageWatch;
  readonly person: Person;
  readonly sent: Sent[] = [];
  /** Promises that are not kept or broken yet, by what they were given for. */
  readonly waiting = new Set<string>();
  /** Chance of the client's own jitter. */
  readonly #random: SeededRandom;
  readonly #thread: SimulatedThread;
  #asked = 0;
  isClosed = false;
  /** True when frames to it were lost that nothing may follow: then only another connection shows it. */
  hasLostFrames = false;
  /** True for a page that was opened before there was a thread. */
  readonly mayCreate: boolean;

  constructor(thread: SimulatedThread, seen: Seen, name: string, user: string, browser: VirtualBrowser) {
    this.name = name;
    this.user = user;
    this.browser = browser;
    this.#thread = thread;
    this.mayCreate = !thread.commits.exists;
    this.#random = thread.random.fork(`page/${name}`);
    const { commits } = thread;
    const model: Model = {
      saidOf: (liveId) => thread.app.runsOf(liveId).map(({ said }) => said),
      isRerun: (liveId) => thread.app.runsOf(liveId).some(({ turnId }) => commits.rerun.has(turnId)),
      versionsOf: (id) => commits.history.versions.get(id) ?? [],
    };
    this.watch = new PageWatch(name, seen, model, thread.findings);
    const { clock, schedule } = thread;
    this.client = createChatClient({
      url: URL,
      threadId: THREAD_ID,
      create: this.mayCreate,
      ...(schedule.people === "anonymous" ? {} : { headers: { authorization: `Bearer ${user}` } }),
      fetch: browser.fetch,
      WebSocket: browser.WebSocket,
      deps: {
        now: clock.now,
        random: () => this.#random.next(),
        newId: () => thread.newId(),
        setTimer: (run, delayMs) => this.#setTimer(run, delayMs),
      },
    });
    this.person = new Person(this, thread);
    if (schedule.clientTools === "by itself") runClientTools(this.client, this.#clientTools());
    this.client.subscribe((snapshot) => {
      this.watch.look(snapshot);
      this.person.look(snapshot);
    });
  }

  /** Timers of its client that are set. */
  timers = 0;

  #setTimer(run: () => void, delayMs: number): () => void {
    let isSet = true;
    this.timers++;
    const end = (): boolean => {
      if (!isSet) return false;
      isSet = false;
      this.timers--;
      return true;
    };
    const cancel = this.#thread.clock.setTimer(delayMs, () => end() && run());
    return () => end() && cancel();
  }

  #clientTools(): ClientTools {
    const { clock, random } = this.#thread;
    const tool = async (_input: unknown, { callId, signal }: ClientToolContext): Promise<unknown> => {
      const chance = random.fork(`tool/${this.name}/${callId}/${clock.now()}`);
      // A tool that never comes to its end, in a page that may be closed before.
      if (!this.#thread.isCalm && chance.chance(0.1)) return new Promise(() => {});
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(chance.between(0, chance.chance(0.2) ? 20_000 : 1_000), resolve);
        signal.addEventListener("abort", () => (cancel(), resolve()));
      });
      if (chance.chance(0.15)) throw new Error("Nothing to pick.");
      return { picked: chance.between(0, 9) };
    };
    return Object.fromEntries(CLIENT_TOOLS.map((name) => [name, tool]));
  }

  get snapshot(): ChatSnapshot {
    return this.client.getSnapshot();
  }

  send(text: string): void {
    const sent: Sent = { text, isRetried: false };
    this.sent.push(sent);
    this.#follow(sent, this.client.send(text));
  }

  /** Sends a message again that was refused. */
  retry(): void {
    const failed = this.snapshot.messages.find(({ delivery }) => delivery === "failed");
    if (!failed) return;
    const text = failed.parts.map((part) => ("text" in part ? part.text : "")).join("");
    const sent = this.sent.find((one) => one.text === text);
    if (!sent) return;
    sent.isRetried = true;
    delete sent.code;
    this.#follow(sent, this.client.retry(failed.id));
  }

  /** Asks for a turn that is no message of its own. */
  asks(what: string, sending: Sending): void {
    this.ask(what, sending);
    this.ask(`reply to ${what}`, sending.settled);
  }

  #follow(sent: Sent, sending: Sending): void {
    this.ask(
      `send "${sent.text}"`,
      sending,
      (result) => {
        sent.turnId = result.turnId;
      },
      (code) => {
        sent.code = code;
      },
    );
    this.ask(`reply to "${sent.text}"`, sending.settled, (reply) => {
      sent.reply = reply;
    });
  }

  /** Notes a promise until it is kept or broken. */
  ask<Value>(
    what: string,
    promise: Promise<Value>,
    onKept: (value: Value) => void = () => {},
    onBroken: (code: string) => void = () => {},
  ): void {
    const key = `${what} (${++this.#asked})`;
    this.waiting.add(key);
    promise.then(
      (value) => {
        this.waiting.delete(key);
        onKept(value);
      },
      (error: unknown) => {
        this.waiting.delete(key);
        if (isChatError(error) && !NEVER.has(error.code)) onBroken(error.code);
        else this.#thread.findings.say("promise", `${this.name}: ${what} was broken with ${String(error)}`);
      },
    );
  }

  close(): void {
    this.isClosed = true;
    this.client.close();
  }
}
