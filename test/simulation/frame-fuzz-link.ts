// The line between one client and its thread, which does something to the frames that pass, in either direction. It stands
// where a client has its `WebSocket`, so that the client and the session are the real ones.
import { isDeepStrictEqual } from "node:util";
import type { ChatClient, ChatSnapshot } from "../../src/client/types.ts";
import { PING, PONG } from "../../src/protocol/limits.ts";
import type { SeededRandom } from "../../src/testing/world/seeded-random.ts";
import type { VirtualClock } from "../../src/testing/world/virtual-clock.ts";
import type { VirtualBrowser } from "../../src/testing/world/virtual-network.ts";
import type { VirtualWebSocket } from "../../src/testing/world/virtual-web-socket.ts";
import { FuzzSocket } from "./frame-fuzz-socket.ts";
import { cut, extend, misnumber, misspell, mistype, noise, retype, thin } from "./frame-fuzz-damage.ts";
import type { Findings } from "./findings.ts";

/**
 * What heals what a link does to frames; each also heals what those before it do.
 * - `nothing`: there is nothing to heal. The view does not change, and nothing is asked.
 * - `the client`: sees it by the next frame that has numbers, or by a timer.
 * - `a new connection`: an answer does not come, or comes for what was asked before frames came in another order. On a line
 *   that lives nothing says so.
 * - `a whole view`: a frame that is right in form says what is not so. Only the whole view says it again.
 */
export const CURES = ["nothing", "the client", "a new connection", "a whole view"] as const;
export type Cure = (typeof CURES)[number];

/** What happens to a frame of the server. `old socket`: it comes over the socket of a connection before, in its time or again. */
export const DOWN = {
  twice: "nothing",
  "noise before": "nothing",
  extended: "nothing",
  "old socket": "nothing",
  lost: "the client",
  cut: "the client",
  retyped: "the client",
  swapped: "the client",
  thinned: "a whole view",
  mistyped: "a whole view",
  misnumbered: "a whole view",
  misspelt: "a whole view",
  replayed: "a whole view",
} as const satisfies Record<string, Cure>;

/** What happens to a frame of the client. `old socket`: what an older connection has sent comes again, over that or over this one. */
export const UP = {
  "up twice": "nothing",
  "up noise before": "nothing",
  "up old socket": "nothing",
  "up lost": "a new connection",
  "up cut": "a new connection",
  "up retyped": "a new connection",
  "up thinned": "a whole view",
  "up mistyped": "a whole view",
} as const satisfies Record<string, Cure>;

export type Fate = keyof typeof DOWN | keyof typeof UP;

const KEEPS_FORM: Partial<Record<Fate, (text: string, random: SeededRandom) => string>> = {
  cut,
  extended: extend,
  retyped: retype,
  thinned: thin,
  mistyped: mistype,
  misnumbered: misnumber,
  misspelt: misspell,
  "up cut": cut,
  "up retyped": retype,
  "up thinned": thin,
  "up mistyped": mistype,
};

export interface LinkOptions {
  clock: VirtualClock;
  browser: VirtualBrowser;
  random: SeededRandom;
  findings: Findings;
  name: string;
  fates: readonly Fate[];
  /** Share of the frames that something happens to. */
  rate: number;
  /** The worst that happens. */
  cure: Cure;
  tell: (text: string) => void;
}

export class FuzzLink {
  readonly #options: LinkOptions;
  readonly sockets: FuzzSocket[] = [];
  /** Whose link it is. */
  client: ChatClient | undefined;
  /** True when nothing happens any more. */
  isCalm = false;
  /** The next connection is made as by a client that holds nothing. */
  isForgetful = false;
  /** Questions for what is missing, that the client wrote. */
  syncs = 0;
  writes = 0;
  readonly did: Partial<Record<Fate, number>> = {};
  /** Which frames get lost whatever else happens. */
  loses: (direction: "up" | "down", text: string) => boolean = () => false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** The constructor to give to the client. */
  get WebSocket(): new (url: string, protocols: string[]) => WebSocket {
    const open = (url: string, protocols: string[]): FuzzSocket => {
      const { WebSocket } = this.#options.browser;
      const address = this.isForgetful ? url.replace(/cursor=.*/, "cursor=") : url;
      const socket = new FuzzSocket(this, new WebSocket(address, protocols) as unknown as VirtualWebSocket);
      this.sockets.push(socket);
      return socket;
    };
    return function (url: string, protocols: string[]) {
      return open(url, protocols);
    } as unknown as new (url: string, protocols: string[]) => WebSocket;
  }

  calm(): void {
    this.isCalm = true;
    for (const socket of this.sockets) socket.release();
  }

  /** What happens to a frame, of `fates`. */
  #fate(fates: object): Fate | null {
    const { random, rate } = this.#options;
    const able = this.#options.fates.filter((fate) => fate in fates);
    if (this.isCalm || able.length === 0 || !random.chance(rate)) return null;
    return random.pick(able);
  }

  #did(fate: Fate, text: string): void {
    this.did[fate] = (this.did[fate] ?? 0) + 1;
    this.#options.tell(`${this.#options.name} ${fate}: ${text.slice(0, 200)}`);
  }

  /** A frame of the server has come over a socket. */
  down(socket: FuzzSocket, text: string): void {
    const { random } = this.#options;
    if (text !== PONG && this.loses("down", text)) return;
    const fate = this.#fate(DOWN);
    if (socket.isDropped || fate === null || fate === "old socket" || !this.#mayHit(socket, fate, text)) return socket.take(text);
    this.#did(fate, text);
    const damage = KEEPS_FORM[fate];
    if (damage && text !== PONG) socket.take(text, damage(text, random));
    else if (fate === "twice")
      socket.take(text, text, () => this.#changesNothing(`the second ${text.slice(0, 80)}`, false, () => socket.deliver(text)));
    else if (fate === "noise before") {
      this.#changesNothing("noise", true, () => socket.deliver(noise(text, random)));
      socket.take(text);
    } else if (fate === "swapped") socket.hold(text);
    else if (fate === "replayed") {
      socket.take(text);
      const old = random.pick(this.sockets.flatMap(({ past }) => past));
      this.#options.tell(`${this.#options.name} hears again: ${old.slice(0, 200)}`);
      socket.deliver(old);
    }
  }

  /** What is worse than this run may bear does not happen. */
  #mayHit(socket: FuzzSocket, fate: Fate, text: string): boolean {
    const healedBy = DOWN[fate as keyof typeof DOWN];
    if (healedBy === "nothing") return text !== PONG;
    // What an ack says is in no view: it is believed until the client is made anew.
    if (healedBy === "a whole view") return fate === "replayed" || !text.startsWith('{"type":"ack"');
    if (this.#options.cure !== "the client") return true;
    // Nothing says that an answer is missing, nor in which order answers came.
    return text === PONG || socket.isFirstView || (/^{"type":"(chunks|delta|turn|snapshot|event)"/.test(text) && !socket.isAnswer(text));
  }

  /** A frame of the client leaves over a socket. */
  up(socket: FuzzSocket, text: string): void {
    const { random, browser } = this.#options;
    this.#options.tell(`${this.#options.name} → ${text.slice(0, 200)}`);
    this.writes++;
    if (text.startsWith('{"type":"sync"')) {
      this.syncs++;
      socket.asks((JSON.parse(text) as { cursor: string }).cursor);
    }
    if (text !== PING && this.loses("up", text)) return;
    const fate = this.#fate(UP);
    socket.sent.push(text);
    if (fate === null || text === PING) return socket.inner.send(text);
    this.#did(fate, text);
    const damage = KEEPS_FORM[fate];
    if (damage) return socket.inner.send(damage(text, random));
    if (fate === "up lost") return;
    if (fate === "up noise before") socket.inner.send(noise(text, random));
    if (fate === "up old socket") {
      const old = random.pick(this.sockets.filter(({ sent }) => sent.length > 0));
      const again = random.pick(old.sent);
      if (random.chance(0.5)) socket.inner.send(again);
      // The object may not have heard yet that this one is gone.
      else if (browser.isOnline) old.inner.connection?.clientSend(again);
    }
    socket.inner.send(text);
    if (fate === "up twice") socket.inner.send(text);
  }

  /** The client has let go of a socket, which has still something to say. */
  dropped(socket: FuzzSocket): void {
    const { clock, random, fates } = this.#options;
    if (!fates.includes("old socket") || this.isCalm) return;
    for (let count = random.between(1, 4); count > 0; count--) {
      clock.setTimer(random.between(0, random.chance(0.5) ? 200 : 15_000), () => {
        const text = random.pick([...socket.past, PONG, '{"type":"mark","mark":"old"}']);
        this.#did("old socket", text);
        this.#changesNothing(`an old socket's ${text.slice(0, 80)}`, true, () => socket.deliver(text));
        if (random.chance(0.3))
          this.#changesNothing("an old socket's close", true, () => socket.end(random.pick([1006, 1000, 4400, 4500])));
      });
    }
  }

  /** Whatever else is on the way, this changes nothing that is shown; `isSilent`: nor does the client write. */
  #changesNothing(what: string, isSilent: boolean, run: () => void): void {
    const { client } = this;
    if (!client) return run();
    const before = client.getSnapshot();
    const writes = this.writes;
    run();
    const after = client.getSnapshot();
    const key = differs(before, after);
    if (key) this.#options.findings.say("harmless", `${this.#options.name}: ${what} changed ${key}`);
    if (isSilent && this.writes !== writes) this.#options.findings.say("harmless", `${this.#options.name}: ${what} made it write`);
  }
}

/** A field in which two snapshots differ. */
export function differs(one: ChatSnapshot, two: ChatSnapshot): string | undefined {
  if (one === two) return undefined;
  return Object.keys({ ...one, ...two }).find((key) => !isDeepStrictEqual(one[key as keyof ChatSnapshot], two[key as keyof ChatSnapshot]));
}
