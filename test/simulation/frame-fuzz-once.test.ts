// A message whose frame, whose ack, or both get lost: it is asked once, stored once, and ends as sent. Whatever carries it: the
// ticket request that makes the thread, or a socket, whose line dies with the frame or lives on without it.
import { expect, it } from "vitest";
import type { ChatSnapshot } from "../../src/client/types.ts";
import type { SeededRandom } from "../../src/testing/world/seeded-random.ts";
import type { Fate } from "./frame-fuzz-link.ts";
import { FuzzPage, FuzzWorld } from "./frame-fuzz-world.ts";
import { textOf } from "./page-watch.ts";

const COUNT = Number(process.env.FUZZ_SCHEDULES ?? 60);
const FIRST = Number(process.env.FUZZ_SEED ?? 1);
const TEXTS = ["say a", "say b", "say c", "say d"];

/** What got lost in a run, by what was lost: for the test to know that it looked at each. */
type Lost = Record<"send" | "ack" | "both", number>;

/** What each message went through, as its page was shown it. */
function watchDeliveries(page: FuzzPage): Map<string, Set<string>> {
  const seen = new Map<string, Set<string>>(TEXTS.map((text) => [text, new Set()]));
  const look = ({ messages, queue }: ChatSnapshot): void => {
    for (const { parts, delivery } of [...messages, ...queue]) seen.get(textOf({ parts }))?.add(delivery ?? "in the thread");
  };
  page.client.subscribe(look);
  return seen;
}

/** Loses frames of a page as `random` says; each time the line dies as well, or does not. */
function loseFrames(world: FuzzWorld, page: FuzzPage, random: SeededRandom, lost: Lost): void {
  const ids = new Map<string, { send: boolean; ack: boolean }>();
  const lose = (id: string, what: "send" | "ack"): boolean => {
    if (world.isCalm || !random.chance(0.4)) return false;
    const both = ids.get(id) ?? { send: false, ack: false };
    if (both[what === "send" ? "ack" : "send"] && !both[what]) lost.both++;
    both[what] = true;
    ids.set(id, both);
    lost[what]++;
    world.tell(`the ${what} of ${id} is lost`);
    const cut = { clientAfterMs: random.between(0, 300), serverAfterMs: random.chance(0.5) ? random.between(0, 5_000) : undefined };
    if (random.chance(0.5)) world.clock.setTimer(0, () => page.browser.connections.forEach((connection) => connection.cut(cut)));
    else world.clock.setTimer(random.between(100, 3_000), () => page.client.reconnect());
    return true;
  };
  page.link.loses = (direction, text) => {
    const { type, id, ref } = JSON.parse(text) as { type: string; id: string; ref: string };
    if (direction === "up") return type === "send" && lose(id, "send");
    return type === "ack" && lose(ref, "ack");
  };
}

async function runOnce(seed: number, lost: Lost): Promise<string[]> {
  const fates: Fate[] = [];
  const world = new FuzzWorld({ seed, cure: "a new connection", fates, rate: 0, latency: "mixed", loss: 0.3, tools: 0 }, false);
  const { clock, object, findings } = world;
  const random = world.random.fork("once");
  const page = new FuzzPage(world, "page");
  loseFrames(world, page, random, lost);
  const seen = watchDeliveries(page);
  for (const [index, text] of TEXTS.entries()) clock.setTimer(index * random.between(0, 1_500), () => page.send(text));
  await clock.advance(random.between(4_000, 20_000));
  world.isCalm = true;
  for (const connection of page.browser.connections) if (connection.isBroken) connection.end();
  page.client.reconnect();
  for (let round = 0; round < 30 && (world.turns.length > 0 || page.waitingForReply.size > 0); round++) {
    await clock.advance(10_000, () => world.turns.length === 0 && page.waitingForReply.size === 0);
    // One that never ends by itself.
    const [turn] = world.turns;
    if (turn) world.command({ type: "stop", id: world.newId(), turnId: turn.id });
  }
  await clock.advance(2_000);
  const wrong = findings.list.map(({ check, text }) => `${check}: ${text}`);
  const expectSame = (what: string, is: unknown, due: unknown): void => {
    if (JSON.stringify(is) !== JSON.stringify(due)) wrong.push(`${what}: ${JSON.stringify(is)}, due is ${JSON.stringify(due)}`);
  };
  const stored = object.storage.query<{ id: string; body: string }>("SELECT id, body FROM cc_message WHERE role = 'user' ORDER BY rev");
  const rows = stored.map(({ body }) => textOf(JSON.parse(body) as { parts: never[] }));
  expectSame("rows", rows.toSorted(), TEXTS);
  expectSame("commands", object.storage.query("SELECT count(*) AS n FROM cc_command WHERE result LIKE '%position%'"), [
    { n: TEXTS.length },
  ]);
  expectSame("turns", new Set([...page.sent.values()].map(({ turnId }) => turnId)).size, TEXTS.length);
  for (const text of TEXTS) {
    const { turnId, code, reply } = page.sent.get(text) ?? {};
    expectSame(`calls of the model for "${text}"`, world.asked.get(text), 1);
    expectSame(`the promise of "${text}"`, [typeof turnId, code, reply === undefined], ["string", null, false]);
    expectSame(`what "${text}" went through failed`, seen.get(text)!.has("failed"), false);
  }
  expectSame(
    "what is unsent",
    page.snapshot.messages.filter(({ delivery }) => delivery !== undefined),
    [],
  );
  expectSame("what is shown", page.snapshot.messages.filter(({ role }) => role === "user").map(textOf), rows);
  page.client.close();
  object.crash();
  await clock.settle();
  object.storage.close();
  return wrong;
}

it("is one row, one turn and one call of the model, and ends as sent, when its frame, its ack or both are lost", async () => {
  const lost: Lost = { send: 0, ack: 0, both: 0 };
  for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
    const wrong = await runOnce(seed, lost);
    if (wrong.length > 0) throw new Error([`FUZZ_SEED=${seed} FUZZ_SCHEDULES=1`, ...wrong].join("\n"));
  }
  if (COUNT >= 50) for (const times of Object.values(lost)) expect(times).toBeGreaterThan(10);
});
