// Carries out the steps of a schedule.
import { formatCursor } from "../../src/protocol/cursor.ts";
import type { SeededRandom } from "../../src/testing/world/seeded-random.ts";
import type { VirtualBrowser } from "../../src/testing/world/virtual-network.ts";
import { ObjectReset } from "../../src/testing/world/virtual-object.ts";
import { Page } from "./page.ts";
import { Seen } from "./page-watch.ts";
import { Repeater } from "./repeater.ts";
import type { Step } from "./schedule.ts";
import type { SimulatedThread } from "./simulated-thread.ts";

export class Actors {
  readonly #thread: SimulatedThread;
  readonly seen = new Seen();
  /** The present page of each place. */
  readonly pages: Page[] = [];
  /** Every page that ever was. */
  readonly allPages: Page[] = [];
  readonly repeater: Repeater;
  /** True when frames were sent twice on purpose: then messages may arrive out of order. */
  hasEchoed = false;
  #texts = 0;

  constructor(thread: SimulatedThread) {
    this.#thread = thread;
    this.repeater = new Repeater(thread);
    const shared = thread.network.browser();
    for (let place = 0; place < thread.schedule.pages; place++) this.#openPage(place, shared);
    thread.listeners.add((connection, data) => {
      const page = this.pages.find(({ browser }) => browser.sockets.includes(connection.client));
      if (page) this.repeater.note(data, page.user, page.browser);
    });
  }

  do(step: Step): void {
    const random = this.#thread.random.fork(`step/${step.n}`);
    this.#thread.tell(`step ${JSON.stringify(step)}`);
    const page = "page" in step ? this.pages[step.page] : undefined;
    if ("page" in step && (!page || page.isClosed)) return;
    if (page) this.#doAtPage(step, page, random);
    else this.#doAtObject(step);
  }

  #openPage(place: number, given?: VirtualBrowser): void {
    const { schedule, network } = this.#thread;
    // All pages of one anonymous person are in one browser, whose cookie says who it is.
    const browser = schedule.people === "anonymous" ? (this.pages[0]?.browser ?? given!) : network.browser();
    if (schedule.people === "anonymous") browser.origin = "https://chat.example";
    const user = schedule.people === "users" ? `user-${place}` : "user-0";
    const page = new Page(this.#thread, this.seen, `page ${place}.${this.allPages.length}`, user, browser);
    this.pages[place] = page;
    this.allPages.push(page);
  }

  #doAtPage(step: Step, page: Page, random: SeededRandom): void {
    const { clock } = this.#thread;
    switch (step.do) {
      case "send":
        for (let count = 0; count < step.count; count++) page.send(`say ${++this.#texts}`);
        break;
      case "stop":
        this.#stop(page, step.what, random);
        break;
      case "cancel":
        this.#cancel(page, random);
        break;
      case "retry":
        page.retry();
        break;
      case "reconnect":
        page.client.reconnect();
        break;
      case "edit queued":
        this.#editQueued(page, random);
        break;
      case "edit":
        this.#edit(page, step.what, random);
        break;
      case "regenerate":
      case "continue":
        this.#again(page, step.do, step.what, random);
        break;
      case "set":
        this.#set(page, step.field, step.how, random);
        break;
      case "answer":
        this.#answer(page, step.over, random);
        break;
      case "claim":
        this.#claim(page, random);
        break;
      case "load earlier":
        page.ask("load earlier", page.client.loadEarlier());
        break;
      case "reopen":
        page.close();
        clock.setTimer(step.afterMs, () => this.pages[step.page]?.isClosed && this.#openPage(step.page));
        break;
      case "cut":
        for (const connection of page.browser.connections) {
          connection.cut({ clientAfterMs: step.clientAfterMs ?? undefined, serverAfterMs: step.serverAfterMs ?? undefined });
        }
        break;
      case "offline":
        this.#goOffline(page, step.forMs, random);
        break;
      case "repeat":
        this.#repeat(page, step.count, step.over, random);
        break;
      case "echo":
        this.#echo(page, step.count);
        break;
      case "sync":
        this.#sync(page, random);
        break;
      case "lose frames":
        for (const other of this.allPages) if (other.browser === page.browser) other.hasLostFrames = true;
        for (const connection of page.browser.connections)
          connection.loseNext(step.count, (data) => /^{"type":"(chunks|delta|turn)"/.test(data));
        break;
      case "forge": {
        const mine = this.repeater.accepted.filter(({ user }) => user === page.user);
        if (mine.length > 0) this.repeater.forge(random.pick(mine));
      }
    }
  }

  #doAtObject(step: Step): void {
    const { object, faults, commits } = this.#thread;
    switch (step.do) {
      case "crash":
        object.crash();
        break;
      case "crash at":
        faults.arm({ effect: "crash", when: step.when, ahead: step.ahead });
        break;
      case "fail at":
        commits.mayRetry = true;
        faults.arm({ effect: "fail", when: step.when, ahead: step.ahead, times: step.times });
        break;
      case "evict":
        object.evict();
        break;
      case "server":
        this.#server(step.what);
        break;
      case "alarm":
        // The second delivery takes the session's note of its alarm away: it may then leave one that nothing needs.
        if (step.againMs !== null) commits.mayRetry = true;
        object.alarm.spoil({ lateMs: step.lateMs, ...(step.againMs !== null ? { againMs: step.againMs } : {}) });
    }
  }

  #stop(page: Page, what: "default" | "queued" | "old", random: SeededRandom): void {
    const known = [...this.#thread.commits.accepted.keys()];
    const turnId =
      what === "default"
        ? undefined
        : what === "queued"
          ? page.snapshot.queue.at(-1)?.turnId
          : known.length > 0
            ? random.pick(known)
            : undefined;
    page.ask(`stop ${turnId ?? ""}`, page.client.stop(turnId));
  }

  #cancel(page: Page, random: SeededRandom): void {
    const { queue } = page.snapshot;
    const known = [...this.#thread.commits.accepted.keys()];
    const turnId = queue.length > 0 ? random.pick(queue).turnId : known.at(-1);
    if (turnId) page.ask(`cancel ${turnId}`, page.client.cancel(turnId));
  }

  #editQueued(page: Page, random: SeededRandom): void {
    const { queue } = page.snapshot;
    const known = [...this.#thread.commits.accepted.keys()];
    const turnId = queue.length > 0 ? random.pick(queue).turnId : known.at(-1);
    if (turnId) page.ask(`edit ${turnId}`, page.client.edit({ turnId, text: `say ${++this.#texts}` }));
  }

  #edit(page: Page, what: "last" | "any", random: SeededRandom): void {
    const mine = page.snapshot.messages.filter(({ role, delivery }) => role === "user" && delivery === undefined);
    if (mine.length === 0) return;
    const { id } = what === "last" ? mine.at(-1)! : random.pick(mine);
    page.asks(`edit ${id}`, page.client.edit({ messageId: id, text: `say ${++this.#texts}` }));
  }

  #again(page: Page, kind: "regenerate" | "continue", what: "last" | "any", random: SeededRandom): void {
    const { messages, turn } = page.snapshot;
    if (kind === "continue" && turn && random.chance(0.7)) {
      // What was stopped too early goes on.
      const goOn = (): void => void (page.isClosed || page.asks("continue what was stopped", page.client.continue()));
      return page.ask(`stop ${turn.id}`, page.client.stop(turn.id), goOn);
    }
    const shown = messages.filter(({ delivery }) => delivery === undefined);
    if (shown.length === 0) return;
    // Mostly one that can go on.
    const broken = kind === "continue" ? shown.filter(({ facts }) => facts && facts.outcome !== "completed") : [];
    const id = broken.length > 0 && random.chance(0.8) ? broken.at(-1)!.id : what === "last" ? undefined : random.pick(shown).id;
    page.asks(`${kind} ${id ?? "last"}`, page.client[kind](id));
  }

  #set(page: Page, field: "state" | "title", how: "client" | "known rev" | "old rev" | "no rev", random: SeededRandom): void {
    const n = ++this.#texts;
    const patch = random.pick([{ count: n }, { mode: `mode ${n}` }, { count: n, mode: "both" }, { count: "not a number" }]);
    if (how === "client") {
      if (field === "state") page.ask(`set ${n}`, page.client.setState(patch));
      else page.ask(`title ${n}`, page.client.setTitle(random.chance(0.2) ? null : `title ${n}`));
      return;
    }
    const { session } = this.#thread.commits;
    if (!session) return;
    const known = field === "state" ? session.state_rev : session.meta_rev;
    const ifRev = how === "known rev" ? known : how === "old rev" ? Math.max(0, known - random.between(1, 3)) : undefined;
    const value = field === "state" ? patch : `title ${n}`;
    this.#write(page, { type: "set", field, value, ...(ifRev !== undefined ? { ifRev } : {}) });
  }

  /** Late, twice, or by somebody who does not see what it is about any more. */
  #answer(page: Page, over: "socket" | "http", random: SeededRandom): void {
    const { chunks } = this.#thread.commits.log;
    const requests = [...chunks].flatMap(([turnId, items]) =>
      items.flatMap((chunk): { turnId: string; approvalId?: string; callId?: string }[] =>
        chunk.type === "tool-approval-request"
          ? [{ turnId, approvalId: chunk.approvalId }]
          : chunk.type === "tool-input-available"
            ? [{ turnId, callId: chunk.toolCallId }]
            : [],
      ),
    );
    if (requests.length === 0) return;
    const request = random.chance(0.6) ? requests.at(-1)! : random.pick(requests);
    const fields = "approvalId" in request ? { approved: random.chance(0.7) } : { output: { picked: 1 } };
    const frame = { type: "resolve", ...request, ...fields };
    if (over === "socket") this.#write(page, frame);
    else this.repeater.command({ ...frame, id: this.#thread.newId(), epoch: this.#thread.commits.session!.epoch }, page.user, page.browser);
  }

  #claim(page: Page, random: SeededRandom): void {
    const calls = [...this.#thread.commits.log.chunks].flatMap(([turnId, items]) =>
      items.flatMap((chunk) => (chunk.type === "tool-input-available" ? [{ turnId, callId: chunk.toolCallId }] : [])),
    );
    if (calls.length > 0) this.#write(page, { type: "claim", ...(random.chance(0.7) ? calls.at(-1)! : random.pick(calls)) });
  }

  /** A frame over the page's own socket, of which its client knows nothing: not every one is answered. */
  #write(page: Page, frame: object): void {
    const { epoch } = this.#thread.commits.session!;
    page.browser.sockets
      .findLast(({ readyState }) => readyState === 1)
      ?.send(JSON.stringify({ ...frame, id: this.#thread.newId(), epoch }));
  }

  #server(what: "append" | "send" | "stop" | "set" | "setState"): void {
    const { object, commits } = this.#thread;
    if (!commits.exists) return;
    const n = ++this.#texts;
    if (what === "setState") return this.#thread.setState({ count: n });
    const parts = [{ type: "text" as const, text: what === "append" ? `appended ${n}` : `say ${n}` }];
    const id = this.#thread.newId();
    const command =
      what === "append"
        ? { type: what, id, parts, metadata: { n } }
        : what === "send"
          ? { type: what, id, messageId: this.#thread.newId(), parts }
          : what === "set"
            ? { type: what, id, field: "title", value: `title ${n}` }
            : { type: what, id };
    try {
      const answer = object.command({ principal: { id: "system:cron" }, tenant: "", threadId: "", command });
      this.#thread.tell(`server ${what}: ${JSON.stringify(answer)}`);
    } catch (error) {
      if (!(error instanceof ObjectReset)) throw error;
    }
  }

  #goOffline(page: Page, forMs: number, random: SeededRandom): void {
    page.browser.isOnline = false;
    for (const connection of page.browser.connections) {
      connection.cut({ clientAfterMs: random.between(0, 500), serverAfterMs: random.chance(0.5) ? random.between(0, 60_000) : undefined });
    }
    this.#thread.clock.setTimer(forMs, () => (page.browser.isOnline = true));
  }

  #repeat(page: Page, count: number, over: "socket" | "ticket" | "http", random: SeededRandom): void {
    if (over === "ticket") {
      const [body] = this.#thread.ticketBodies;
      if (body && page.user === this.pages[0]?.user) this.repeater.repeatTicket(body, page.user, page.browser);
      return;
    }
    const mine = this.repeater.accepted.filter(({ user }) => user === page.user);
    if (mine.length === 0) return;
    const again = Array.from({ length: count }, () => random.pick(mine));
    if (over === "socket") this.repeater.send(again);
    else for (const noted of again) this.repeater.post(noted);
  }

  #sync(page: Page, random: SeededRandom): void {
    const { session, live: turn, log } = this.#thread.commits;
    if (!session) return;
    const rev = random.between(Math.max(0, session.rev - 4), session.rev);
    const live = turn && random.chance(0.8) ? { turnId: turn.id, seq: random.between(0, log.chunks.get(turn.id)?.length ?? 0) } : undefined;
    const frame = {
      type: "sync",
      id: this.#thread.newId(),
      cursor: formatCursor({ epoch: session.epoch, rev, ...(live ? { live } : {}) }),
    };
    page.browser.sockets.findLast(({ readyState }) => readyState === 1)?.send(JSON.stringify(frame));
  }

  #echo(page: Page, count: number): void {
    this.hasEchoed = true;
    let left = count;
    const { listeners } = this.#thread;
    const listen: Parameters<typeof listeners.add>[0] = ({ client }, text) => {
      if (this.#thread.isCalm || !page.browser.sockets.includes(client)) return;
      this.repeater.note(text, page.user, page.browser);
      const noted = this.repeater.noted.get((JSON.parse(text) as { id: string }).id);
      if (!noted) return;
      if (--left <= 0) listeners.delete(listen);
      this.repeater.send([noted]);
    };
    listeners.add(listen);
  }
}
