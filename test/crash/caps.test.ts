// Turns that bring their process down, or are caught by a crash in line: they end, in bounded steps, and in order.
import { afterEach, describe, expect, it } from "vitest";
import { newId } from "../../src/entries/protocol.ts";
import { formatScore, wordsOf } from "./score.ts";
import { createRandom } from "./support/random.ts";
import { askTicket, readMessages, type Place } from "./support/raw.ts";
import { RECOVERIES, useServer } from "./support/server.ts";
import { elapse, leftOf, NOTHING_LEFT, readStoredThreads } from "./support/stored.ts";
import { poll } from "./support/until.ts";
import { textOf, Witness } from "./support/witness.ts";

const MAX_ATTEMPTS = 3;

describe.each(RECOVERIES)('with recovery "%s"', (recovery) => {
  const setting = useServer(recovery);
  const witnesses: Witness[] = [];

  afterEach(() => {
    for (const witness of witnesses.splice(0)) witness.close();
  });

  const watch = (): Witness => {
    const witness = new Witness({ url: setting.server.url, user: "user-1", create: true, random: createRandom(1) });
    witnesses.push(witness);
    return witness;
  };

  const alarms = (): number => setting.server.logs.filter((line) => line.startsWith("alarm ")).length;

  /** Waits for the `onTurnEnd` of a turn, and kills the process: nothing of the thread is due, and nothing of a turn is left. */
  async function expectQuiet(place: Place, turnId: string, outcome: string): Promise<void> {
    await poll(() => setting.server.logs.includes(`end ${turnId} ${outcome}`), "onTurnEnd", 10_000);
    // Comes after all that the object has written.
    await readMessages(place);
    await setting.server.kill();
    expect(leftOf(readStoredThreads(setting.server.storage).get(place.threadId)!)).toEqual(NOTHING_LEFT);
  }

  it("a turn that always brings its process down is given up after the cap, while a client comes back each time", async () => {
    const witness = watch();
    const sent = witness.send({ tag: `deadly-${recovery}`, words: 3, everyMs: 0, afterMs: 60_000 });
    const modelsOf = (): number => setting.outside.modelsOf(witness.turnOf(sent)).length;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      await setting.outside.until(() => modelsOf() === attempt, `attempt ${attempt}`);
      await setting.server.kill();
      await setting.server.restart();
    }
    await witness.settled();
    const turnId = witness.turnOf(sent)!;
    expect(witness.client.getSnapshot().messages).toMatchObject([
      { role: "user", facts: { outcome: "failed", attempts: MAX_ATTEMPTS, error: { code: "attempts_exhausted" } } },
    ]);
    expect(modelsOf()).toBe(MAX_ATTEMPTS);
    await poll(() => setting.server.logs.includes(`end ${turnId} failed`), "onTurnEnd", 10_000);
    // The client came back before any lease was over: no alarm has fired, and none will.
    expect(alarms()).toBe(0);
    const next = await witness.send({ tag: `next-${recovery}`, words: 2, everyMs: 0, afterMs: 0 }).sending.settled;
    expect(next?.facts?.outcome).toBe("completed");
    await expectQuiet(witness, next!.id, "completed");
    await setting.server.restart();
  });

  it("a turn that always brings its process down is given up after the cap, by its alarms alone, and wakes nobody after that", async () => {
    const place: Place = { url: setting.server.url, threadId: newId(), user: "user-1" };
    const turnId = newId();
    const text = formatScore({ tag: `alone-${recovery}`, words: 3, everyMs: 0, afterMs: 60_000 });
    const before = alarms();
    await askTicket(place, { create: true, command: { type: "send", id: turnId, messageId: newId(), parts: [{ type: "text", text }] } });
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      await setting.outside.until(() => setting.outside.modelsOf(turnId).length === attempt, `attempt ${attempt}`);
      await setting.server.kill();
      elapse(setting.server.storage);
      await setting.server.restart();
    }
    await poll(() => setting.server.logs.includes(`end ${turnId} failed`), "the end", 10_000);
    // One for each attempt that was cut off.
    expect([alarms() - before, setting.outside.modelsOf(turnId).length]).toEqual([MAX_ATTEMPTS, MAX_ATTEMPTS]);
    await expectQuiet(place, turnId, "failed");
    elapse(setting.server.storage);
    await setting.server.restart();
    expect(await readMessages(place)).toMatchObject([
      { role: "user", facts: { outcome: "failed", error: { code: "attempts_exhausted" } } },
    ]);
    expect([alarms() - before, setting.outside.modelsOf(turnId).length]).toEqual([MAX_ATTEMPTS, MAX_ATTEMPTS]);
  });

  it("a turn that was killed with a second one in line: both answers are stored as messages of their own, in order", async () => {
    const witness = watch();
    const first = witness.send({ tag: `first-${recovery}`, words: 60, everyMs: 20, afterMs: 0 });
    const second = witness.send({ tag: `second-${recovery}`, words: 5, everyMs: 0, afterMs: 0 });
    await witness.until(() => witness.sent.every((sent) => witness.isAcked(sent)), "both acks");
    // Long enough not to be repeated from its beginning.
    await witness.until(() => witness.shown(first).length > 300, "a part of the first answer");
    const { queue } = witness.client.getSnapshot();
    expect(queue.map(({ turnId }) => turnId)).toEqual([witness.turnOf(second)]);
    await setting.server.kill();
    await setting.server.restart();
    await witness.settled();
    const { messages } = witness.client.getSnapshot();
    expect(messages.map(({ role, id, parent, facts }) => ({ role, id, parent, outcome: facts?.outcome }))).toEqual([
      { role: "user", id: messages[0]!.id, parent: null, outcome: undefined },
      {
        role: "assistant",
        id: witness.turnOf(first),
        parent: messages[0]!.id,
        outcome: recovery === "keep" ? "interrupted" : "completed",
      },
      { role: "user", id: messages[2]!.id, parent: witness.turnOf(first), outcome: undefined },
      { role: "assistant", id: witness.turnOf(second), parent: messages[2]!.id, outcome: "completed" },
    ]);
    expect([textOf(messages[0]!), textOf(messages[2]!)]).toEqual([first.text, second.text]);
    expect(wordsOf(first.score).join("")).toContain(textOf(messages[1]!));
    expect(textOf(messages[3]!)).toBe(wordsOf(second.score).join(""));
    // The second one was asked with the first answer before it.
    const [prompt] = setting.outside.modelsOf(witness.turnOf(second)).map((call) => JSON.stringify(call.prompt));
    expect(prompt).toContain(textOf(messages[1]!).trim());
    expect(setting.outside.modelsOf(witness.turnOf(second))).toHaveLength(1);
  });
});
