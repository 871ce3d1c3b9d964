// The person at a page: answers what a turn waits for, or does not, and runs client tools by hand. What one page does, the
// others do as well, so that answers meet.
import type { ChatMessage, ChatSnapshot } from "../../src/client/types.ts";
import { isAwaitingApproval, isAwaitingClient } from "../../src/session/open-calls.ts";
import type { SeededRandom } from "../../src/testing/world/seeded-random.ts";
import { callsOf } from "./log-watch.ts";
import type { Page } from "./page.ts";
import type { SimulatedThread } from "./simulated-thread.ts";
import { isClientTool } from "./world-tools.ts";

export class Person {
  readonly #page: Page;
  readonly #thread: SimulatedThread;
  /** Requests that have been thought about. */
  readonly #seen = new Set<string>();

  constructor(page: Page, thread: SimulatedThread) {
    this.#page = page;
    this.#thread = thread;
  }

  /** Looks at what is open now. */
  look(snapshot: ChatSnapshot): void {
    const { messages, turn } = snapshot;
    if (!turn) this.#goOn(snapshot);
    const live = turn && messages.find(({ id, createdAt }) => id === turn.messageId && createdAt === undefined);
    if (!live || this.#page.isClosed) return;
    const { isCalm, schedule } = this.#thread;
    const isLeft = isCalm && this.#thread.isLeftWaiting;
    if (isLeft) return;
    const calls = callsOf((live as ChatMessage).parts.slice(turn.base));
    for (const [index, call] of calls.entries()) {
      const isForApproval = isAwaitingApproval(call);
      const isForClient = schedule.clientTools === "by hand" && isAwaitingClient(call, isClientTool);
      const key = `${turn.id}/${index}/${isForApproval ? "approve" : "answer"}`;
      if ((!isForApproval && !isForClient) || this.#seen.has(key + String(isCalm))) continue;
      this.#seen.add(key + String(isCalm));
      const random = this.#thread.random.fork(`person/${this.#page.name}/${key}/${isCalm}`);
      if (!isCalm && random.chance(schedule.silence)) continue;
      const afterMs = isCalm ? random.between(0, 500) : this.#delay(random);
      const act = (): void => (isForApproval ? this.#approve(call.approval!.id, random) : this.#answer(call.toolCallId, random));
      this.#thread.clock.setTimer(afterMs, () => this.#page.isClosed || act());
    }
  }

  /** A reply that broke off, and that nothing follows, now and then goes on. */
  #goOn({ messages }: ChatSnapshot): void {
    const last = messages.at(-1);
    const isBroken = last?.facts?.outcome === "interrupted" || last?.facts?.outcome === "stopped";
    if (!last || !isBroken || last.role !== "assistant" || this.#thread.isCalm || this.#seen.has(last.id)) return;
    this.#seen.add(last.id);
    const random = this.#thread.random.fork(`go on/${this.#page.name}/${last.id}`);
    if (!random.chance(last.facts?.outcome === "interrupted" ? 0.6 : 0.15)) return;
    const goOn = (): void => this.#page.asks(`continue ${last.id}`, this.#page.client.continue(last.id));
    this.#thread.clock.setTimer(random.between(0, 2_000), () => this.#page.isClosed || goOn());
  }

  /** Pages that see a request at once answer it at about the same time. */
  #delay(random: SeededRandom): number {
    if (random.chance(0.5)) return random.between(0, 30);
    return random.between(0, random.chance(0.8) ? 4_000 : 60_000);
  }

  #approve(approvalId: string, random: SeededRandom): void {
    const { client } = this.#page;
    const times = random.chance(0.1) ? 2 : 1;
    for (let time = 0; time < times; time++) {
      const approved = random.chance(0.75);
      const reason = random.chance(0.3) ? { reason: "because" } : {};
      this.#page.ask(`approve ${approvalId}`, client.approve(approvalId, { approved, ...reason }));
    }
  }

  #answer(callId: string, random: SeededRandom): void {
    const { client } = this.#page;
    const give = (): void => {
      const outcome = random.chance(0.85) ? { output: { picked: random.between(0, 9) } } : { errorText: "Nothing to pick." };
      if (!this.#page.isClosed) this.#page.ask(`output ${callId}`, client.addToolOutput(callId, outcome as never));
    };
    if (random.chance(0.4)) return give();
    const afterMs = random.between(0, 3_000);
    const goesOn = random.chance(0.85);
    this.#page.ask(`claim ${callId}`, client.claim(callId), () => goesOn && this.#thread.clock.setTimer(afterMs, give));
  }
}
