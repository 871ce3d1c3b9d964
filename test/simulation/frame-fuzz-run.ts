// One run of a fuzz: what clients do while their frames are spoilt; then the lines are healed, and all have to show what is.
import { isDeepStrictEqual } from "node:util";
import type { ChatSnapshot } from "../../src/client/types.ts";
import { ObjectReset } from "../../src/testing/world/object-reset.ts";
import { SeededRandom } from "../../src/testing/world/seeded-random.ts";
import { DeadIncarnation } from "../../src/testing/world/virtual-storage.ts";
import { CURES, DOWN, UP, type Cure, type Fate } from "./frame-fuzz-link.ts";
import { FuzzPage, FuzzWorld, type WorldSetting } from "./frame-fuzz-world.ts";
import type { Finding, Findings } from "./findings.ts";
import { textOf } from "./page-watch.ts";

const DOES = {
  send: 30,
  "send some": 6,
  stop: 6,
  cancel: 4,
  edit: 6,
  "edit queued": 4,
  regenerate: 6,
  continue: 5,
  state: 8,
  title: 4,
  "load earlier": 9,
  append: 6,
  reopen: 5,
  reconnect: 8,
  cut: 7,
  evict: 4,
  crash: 2,
} as const;

export interface FuzzStep {
  at: number;
  n: number;
  page: number;
  do: keyof typeof DOES | "append many";
}

export interface FuzzSchedule extends WorldSetting {
  pages: number;
  steps: FuzzStep[];
}

export interface FuzzResult {
  findings: readonly Finding[];
  trace: readonly string[];
  did: Partial<Record<Fate, number>>;
}

const PATIENCE_MS = 120_000;
/** May be about a message that a page does not hold: then it asks for the whole view at the end of the turn, as it has to. */
const BRANCHES = new Set<FuzzStep["do"]>(["edit", "regenerate", "continue"]);

/** The schedule of a seed, whose frames bear at worst what `cure` heals. */
export function makeFuzz(seed: number, cure: Cure): FuzzSchedule {
  const random = new SeededRandom(`frame fuzz schedule/${cure}/${seed}`);
  const bearable = CURES.slice(0, CURES.indexOf(cure) + 1) as string[];
  const able = Object.entries({ ...DOWN, ...UP }).filter(([, healedBy]) => bearable.includes(healedBy));
  // One kind of damage alone goes further than all of them at once.
  const share = random.pick([0.2, 0.5, 1]);
  const own = able.filter(([, healedBy]) => healedBy === cure);
  const fates = new Set([random.pick(own), ...able.filter(() => random.chance(share))].map(([fate]) => fate as Fate));
  const steps: FuzzStep[] = [{ at: 0, n: 0, page: 0, do: "send" }];
  const pages = random.between(1, 2);
  const paceMs = random.pick([150, 1_000, 4_000]);
  // A long history, of which a page that comes later has the last page only.
  const isLong = random.chance(0.35);
  if (isLong) steps.push({ at: 400, n: 100, page: 0, do: "append many" });
  for (let n = 1, at = isLong ? 400 : 0; n < random.between(4, 14); n++) {
    at += random.between(0, paceMs);
    const what = isLong && random.chance(0.35) ? random.pick(["reopen", "load earlier", "load earlier"] as const) : random.weighted(DOES);
    steps.push({ at, n, page: random.between(0, pages - 1), do: what });
  }
  return {
    seed,
    cure,
    fates: [...fates],
    rate: random.pick([0.05, 0.2, 0.5]),
    latency: random.pick(["fast", "mixed"]),
    loss: cure === "nothing" ? 0 : random.pick([0, 0.1]),
    tools: random.pick([0, 0.3, 0.7]),
    pages,
    steps,
  };
}

/** Runs a schedule. Never throws for what it finds. */
export async function runFuzz(schedule: FuzzSchedule, isTraced = false): Promise<FuzzResult> {
  const world = new FuzzWorld(schedule, isTraced);
  const { clock, findings } = world;
  const giveBack = watchProcess(findings, schedule.cure === "a whole view");
  try {
    for (const step of schedule.steps) clock.setTimer(step.at, () => act(world, step));
    await clock.advance((schedule.steps.at(-1)?.at ?? 0) + 2_000, () => findings.list.length > 0);
    if (findings.list.length === 0) await bringToRest(world, schedule);
  } catch (error) {
    findings.say("thrown", error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    for (const { client } of world.allPages) client.close();
    await clock.settle();
    for (const { name, waiting, waitingForReply } of world.allPages)
      for (const what of [...waiting, ...waitingForReply]) findings.say("promise", `${name} waits for ${what} after its close`);
    world.object.crash();
    await clock.settle();
    world.object.storage.close();
    giveBack();
  }
  const did: FuzzResult["did"] = {};
  for (const { link } of world.allPages)
    for (const [fate, times] of Object.entries(link.did)) did[fate as Fate] = (did[fate as Fate] ?? 0) + times;
  return { findings: findings.list, trace: world.trace ?? [], did };
}

/**
 * Nothing may escape, neither as a rejection nor to the console; that a frame was skipped is to be said. `isLiedTo`: subscribers
 * are shown parts of no type, which they may trip over, each on its own.
 */
function watchProcess(findings: Findings, isLiedTo: boolean): () => void {
  const { error, warn } = console;
  const onRejection = (reason: unknown): void => {
    if (!(reason instanceof DeadIncarnation)) findings.say("unhandled", reason instanceof Error ? (reason.stack ?? "") : String(reason));
  };
  // What a listener of a socket throws comes up here.
  const onException = (error: Error): void => findings.say("escaped", error.stack ?? String(error));
  process.on("unhandledRejection", onRejection);
  process.on("uncaughtException", onException);
  console.error = (text: unknown, cause: unknown) => {
    if (cause instanceof ObjectReset || (isLiedTo && text instanceof TypeError && text.stack?.includes("client-tools.ts"))) return;
    findings.say("logged", text instanceof Error ? (text.stack ?? "") : `${String(text)} ${String(cause)}`);
  };
  console.warn = (text: unknown) => {
    if (text !== "chatcell: skipped a frame:") findings.say("logged", String(text));
  };
  return () => {
    process.off("unhandledRejection", onRejection);
    process.off("uncaughtException", onException);
    Object.assign(console, { error, warn });
  };
}

function act(world: FuzzWorld, { do: what, n, page: place }: FuzzStep): void {
  // One that comes later has the last page of history only.
  if (what === "reopen") world.pages[place]?.client.close();
  const page = what === "reopen" ? world.openPage(place) : (world.pages[place] ?? world.openPage(place));
  const { client, snapshot, browser } = page;
  const random = world.random.fork(`step/${n}`);
  world.tell(`step ${n}: ${page.name} ${what}`);
  const { messages, queue } = snapshot;
  const mine = messages.filter(({ role, delivery }) => role === "user" && delivery === undefined);
  switch (what) {
    case "send":
      return page.send(`say ${n}`);
    case "send some":
      for (let count = 0; count < 3; count++) page.send(`say ${n}.${count}`);
      return;
    case "stop":
      return page.ask("stop", client.stop());
    case "cancel":
      return queue[0] && page.ask("cancel", client.cancel(queue[0].turnId));
    case "edit":
      return mine.length > 0 ? page.asks("edit", client.edit({ messageId: random.pick(mine).id, text: `say ${n}` })) : undefined;
    case "edit queued":
      return queue[0] && page.ask("edit queued", client.edit({ turnId: queue[0].turnId, text: `say ${n}` }));
    case "regenerate":
    case "continue":
      return page.asks(what, client[what](random.chance(0.7) || messages.length === 0 ? undefined : random.pick(messages).id));
    case "state":
      return page.ask("set state", client.setState(random.pick([{ count: n }, { mode: `mode ${n}` }, { count: "not a number" }])));
    case "title":
      return page.ask("set title", client.setTitle(`title ${n}`));
    case "load earlier":
      return page.ask("load earlier", client.loadEarlier());
    case "reopen":
      return;
    case "reconnect":
      return client.reconnect();
    case "cut":
      for (const connection of browser.connections)
        connection.cut({
          clientAfterMs: random.between(0, 300),
          serverAfterMs: random.chance(0.3) ? undefined : random.between(0, 20_000),
        });
      return;
    default:
      return actAtObject(world, what, random);
  }
}

function actAtObject(world: FuzzWorld, what: "append" | "append many" | "evict" | "crash", random: SeededRandom): void {
  if (what === "evict") return void world.object.evict();
  if (what === "crash") return world.object.crash();
  if (!world.exists) return;
  for (let count = what === "append" ? random.pick([1, 3]) : 40; count > 0; count--)
    world.command({ type: "append", id: world.newId(), parts: [{ type: "text", text: `appended ${count}` }] });
}

/** The lines are healed; the clients do what they do by themselves, and what the worst damage takes is done for them. */
async function bringToRest(world: FuzzWorld, schedule: FuzzSchedule): Promise<void> {
  const { clock, findings, setting, network } = world;
  const pages = world.pages.filter((page) => page !== undefined);
  const isOver = (): boolean => findings.list.length > 0;
  const areLive = (): boolean => pages.every(({ snapshot }) => snapshot.connection.kind === "live");
  world.isCalm = true;
  for (const { link } of world.allPages) link.calm();
  if (setting.cure === "nothing" && !schedule.steps.some((step) => BRANCHES.has(step.do))) checkUnasked(world);
  for (const connection of network.connections) if (connection.isBroken) connection.end();
  for (const page of pages) {
    const { link, client, name } = page;
    link.isForgetful = setting.cure === "a whole view";
    if (setting.cure === "a new connection" || setting.cure === "a whole view") client.reconnect();
    // A page that may make the thread opens nothing before its first message.
    if (page.snapshot.connection.kind === "idle") page.send(`say from ${name}`);
  }
  if (!(await clock.advance(PATIENCE_MS, () => isOver() || areLive())) || isOver()) {
    for (const { name, snapshot } of pages) findings.say("live", `${name} is ${JSON.stringify(snapshot.connection)}`);
    return;
  }
  for (const { link } of pages) link.isForgetful = false;
  const isAtRest = (): boolean => areLive() && world.turns.length === 0 && world.object.isIdle && network.underWay === 0;
  for (let round = 0; round < 20 && !isOver() && !isAtRest(); round++) {
    await clock.advance(5_000, () => isOver() || isAtRest());
    const [turn] = world.turns;
    if (turn && round > 0) world.command({ type: "stop", id: world.newId(), turnId: turn.id });
  }
  // Of what was lost last, nothing says that it is missing but the next change.
  if (setting.cure !== "nothing") world.command({ type: "set", id: world.newId(), field: "title", value: "the end" });
  await clock.advance(5_000, isOver);
  if (!isOver()) await checkAtRest(world);
}

/** Where nothing is missing, nobody asks for it. */
function checkUnasked({ allPages, findings }: FuzzWorld): void {
  for (const { name, link } of allPages)
    if (link.syncs > 0) findings.say("unasked", `${name} asked for what is missing ${link.syncs} times`);
}

async function checkAtRest(world: FuzzWorld): Promise<void> {
  const { clock, findings, setting, object } = world;
  const fresh = new FuzzPage(world, "a new page", true);
  fresh.client.connect();
  const isLive = await clock.advance(10_000, () => fresh.snapshot.connection.kind === "live");
  if (!isLive) return findings.say("live", "a new page does not come to life");
  // Pages that were loaded above the view stay as they are: what is wrong there only a new page shows right.
  const isPartial = setting.cure === "a whole view";
  const whole = isPartial ? fresh.snapshot : await loadAll(world, fresh);
  for (const page of world.pages.filter((one) => one !== undefined)) {
    if (isPartial) compare(findings, page.name, lastPage(page.snapshot, whole), whole);
    else compare(findings, page.name, await loadAll(world, page), whole);
    for (const what of page.waiting) findings.say("promise", `${page.name} still waits for ${what}`);
    // A wrong revision in an ack is a reply that is waited for until the close.
    if (isPartial) continue;
    for (const what of page.waitingForReply) findings.say("promise", `${page.name} still waits for ${what}`);
  }
  fresh.client.close();
  const rows = object.storage.query<{ id: string; role: string; body: string }>("SELECT id, role, body FROM cc_message");
  const texts = rows.filter(({ role }) => role === "user").map(({ body }) => textOf(JSON.parse(body) as { parts: never[] }));
  const twice = texts.filter((text, index) => texts.indexOf(text) !== index);
  if (twice.length > 0) findings.say("once", `stored twice: ${twice.join()}`);
  if (({} as { polluted?: boolean }).polluted) findings.say("polluted", "a frame has changed the prototype of all objects");
}

/** What a page shows is what a new page shows, but for what was refused, which is its own. */
function compare(findings: Findings, name: string, mine: ChatSnapshot, whole: ChatSnapshot): void {
  const shown = { ...mine, messages: mine.messages.filter(({ delivery }) => delivery !== "failed") };
  for (const key of ["messages", "queue", "state", "thread", "turn", "status", "error", "hasEarlier", "principal", "role"] as const) {
    if (isDeepStrictEqual(shown[key], whole[key])) continue;
    findings.say("diverged", `${key} of ${name}: ${JSON.stringify(shown[key])}, a new page has ${JSON.stringify(whole[key])}`);
  }
}

/** Of what is shown, as much as the view has that is compared with it. */
function lastPage(mine: ChatSnapshot, { messages, hasEarlier }: ChatSnapshot): ChatSnapshot {
  const own = mine.messages.filter(({ delivery }) => delivery !== "failed");
  return { ...mine, messages: own.slice(Math.max(own.length - messages.length, 0)), hasEarlier };
}

async function loadAll({ clock }: FuzzWorld, { client }: FuzzPage): Promise<ChatSnapshot> {
  for (let pages = 0; client.getSnapshot().hasEarlier && pages < 20; pages++) {
    let isLoaded = false;
    client.loadEarlier().then(
      () => (isLoaded = true),
      () => (isLoaded = true),
    );
    await clock.advance(5_000, () => isLoaded);
  }
  return client.getSnapshot();
}
