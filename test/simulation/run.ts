// One run: a schedule from its first step to rest, and what was found on the way.
import type { ChatSnapshot } from "../../src/client/types.ts";
import { isChatError } from "../../src/errors.ts";
import { ObjectReset } from "../../src/testing/world/virtual-object.ts";
import { DeadIncarnation } from "../../src/testing/world/virtual-storage.ts";
import { Actors } from "./actors.ts";
import { checkSame, checkThread } from "./final-checks.ts";
import type { Finding, Findings } from "./findings.ts";
import { Page } from "./page.ts";
import { reachedBy, type Reached } from "./reached.ts";
import type { Schedule } from "./schedule.ts";
import { SimulatedThread } from "./simulated-thread.ts";

export interface RunResult {
  findings: readonly Finding[];
  trace: readonly string[];
  commits: number;
  frames: number;
  snapshots: number;
  turns: number;
  reached: Reached;
}

/** After a repair of the network a page is live by itself within this time: the longest backoff and one step of opening. */
const SELF_HEAL_MS = 60_000;
const PATIENCE_MS = 1_200_000;
/** Longer than every timer of an object. */
const LONG_MS = 1_200_000;

/** Runs a schedule. Never throws for what it finds. */
export async function runSchedule(schedule: Schedule, isTraced = false): Promise<RunResult> {
  const thread = new SimulatedThread(schedule, isTraced);
  const actors = new Actors(thread);
  const { clock, findings } = thread;
  const onRejection = (error: unknown): void => {
    // What dies with its object has nobody left to tell.
    if (!(error instanceof DeadIncarnation))
      findings.say("unhandled", error instanceof Error ? (error.stack ?? error.message) : String(error));
  };
  process.on("unhandledRejection", onRejection);
  const giveBackConsole = watchConsole(findings);
  try {
    for (const step of schedule.steps) clock.setTimer(step.at, () => actors.do(step));
    const lastAt = schedule.steps.at(-1)?.at ?? 0;
    const hasFailed = await clock.advance(lastAt + 1_000, () => findings.list.length > 0);
    if (!hasFailed) await bringToRest(thread, actors);
  } catch (error) {
    findings.say("thrown", error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    for (const page of actors.allPages) page.client.close();
    thread.object.crash();
    await clock.settle();
    thread.object.storage.close();
    process.off("unhandledRejection", onRejection);
    giveBackConsole();
  }
  return {
    findings: findings.list,
    trace: thread.trace ?? [],
    commits: thread.commits.commits,
    frames: thread.frames.frames,
    snapshots: actors.allPages.reduce((sum, { watch }) => sum + watch.snapshots, 0),
    turns: thread.commits.accepted.size,
    reached: reachedBy(thread),
  };
}

/** What the router and the client log is looked at, and not printed: requests fail whose object died or whose storage failed. */
function watchConsole(findings: Findings): () => void {
  const { error, warn } = console;
  console.error = (text: unknown, cause: unknown) => {
    if (!String(text).startsWith("chatcell")) return;
    const isExpected = cause instanceof ObjectReset || (isChatError(cause, "internal") && text === "chatcell: a request failed");
    if (!isExpected) findings.say("logged", `${String(text)} ${String(cause)}`);
  };
  console.warn = (text: unknown) => {
    if (String(text).startsWith("chatcell")) findings.say("logged", String(text));
  };
  return () => Object.assign(console, { error, warn });
}

async function bringToRest(thread: SimulatedThread, actors: Actors): Promise<void> {
  const { clock, findings, object, commits } = thread;
  heal(thread, actors);
  const isOver = (): boolean => findings.list.length > 0;
  // By then every page that was to be opened again is open.
  if (await clock.advance(5_000, isOver)) return;
  for (const page of openPages(actors)) wake(page);
  const areLive = (): boolean => openPages(actors).every(({ snapshot }) => snapshot.connection.kind === "live");
  await clock.advance(SELF_HEAL_MS, () => isOver() || areLive());
  if (isOver()) return;
  for (const { name, snapshot } of openPages(actors)) {
    if (snapshot.connection.kind !== "live")
      findings.say("live", `${name} is ${JSON.stringify(snapshot.connection)} long after the network healed`);
  }
  if (!commits.exists) return checkBlank(thread, actors);
  const isIdle = (): boolean =>
    commits.turns.length === 0 &&
    object.alarm.at === null &&
    object.isIdle &&
    areLive() &&
    openPages(actors).every(({ waiting }) => [...waiting].every((what) => thread.isLeftWaiting && what.startsWith("reply to ")));
  for (let waitedMs = 0; !isIdle() && !isOver() && waitedMs < PATIENCE_MS; waitedMs += 10_000) {
    const { live } = commits;
    if (live?.state === "waiting") await waitForPeople(thread, actors);
    // Turns that never end by themselves are stopped, by a command as ever.
    else if (waitedMs > 0 && live) stop(actors, live.id);
    await clock.advance(10_000, () => isOver() || isIdle() || commits.live?.state === "waiting");
  }
  if (!isOver()) await checkAtRest(thread, actors);
}

function stop(actors: Actors, turnId: string): void {
  openPages(actors)[0]
    ?.client.stop(turnId)
    .catch(() => {});
}

/** A turn that waits costs nothing, out of memory, for however long. Then it is answered, and goes on. */
async function waitForPeople(thread: SimulatedThread, actors: Actors): Promise<void> {
  const { clock, findings, object, commits } = thread;
  const isOver = (): boolean => findings.list.length > 0;
  const turn = commits.live!;
  const isWaiting = (): boolean => commits.live?.id === turn.id && commits.live.state === "waiting";
  if (thread.isLeftWaiting) {
    // What a frame or a hook has still under way is over by then.
    await clock.advance(60_000, () => isOver() || !isWaiting());
    if (isOver() || !isWaiting()) return;
    const runs = thread.app.calls.get(turn.id)?.length;
    if (commits.session!.end_marks === null && object.isAwake && !object.evict())
      findings.say("waiting", `${turn.id} waits, and the object cannot be evicted`);
    const { deliveries } = object;
    // A hook of an earlier turn may be due.
    const hasMarks = commits.session!.end_marks !== null;
    await clock.advance(LONG_MS, () => isOver() || !isWaiting());
    if (isOver() || !isWaiting()) return;
    if (commits.live!.due_at !== null) findings.say("waiting", `${turn.id} should have expired at ${commits.live!.due_at}`);
    if (turn.due_at === null && object.deliveries !== deliveries && !hasMarks)
      findings.say("waiting", `${turn.id} waits, and the object was woken ${object.deliveries - deliveries} times`);
    if (thread.app.calls.get(turn.id)?.length !== runs) findings.say("waiting", `${turn.id} waits, and runs`);
    thread.isLeftWaiting = false;
  }
  for (const page of openPages(actors)) page.person.look(page.snapshot);
  if (await clock.advance(30_000, () => isOver() || !isWaiting())) return;
  // What nobody can answer any more: a client tool of a page without it.
  stop(actors, turn.id);
}

/** The network, the storage and the model work from here on, and everybody finds out what is broken. */
function heal(thread: SimulatedThread, actors: Actors): void {
  const { faults, object, network } = thread;
  thread.isCalm = true;
  thread.isLeftWaiting = thread.random.fork("rest").chance(0.3);
  faults.heal();
  object.alarm.heal();
  for (const page of actors.allPages) page.browser.isOnline = true;
  actors.repeater.stop();
  for (const connection of network.connections) if (connection.isBroken) connection.end();
}

function wake(page: Page): void {
  const { kind } = page.snapshot.connection;
  if (page.hasLostFrames) page.client.reconnect();
  if (kind === "stopped" || kind === "idle") page.client.connect();
  // A page that may make the thread opens nothing before its first message.
  if (page.snapshot.connection.kind === "idle" && page.sent.length === 0) page.send(`say from ${page.name}`);
  else if (page.snapshot.connection.kind === "idle") page.send(`say again from ${page.name}`);
}

function openPages(actors: Actors): Page[] {
  return actors.pages.filter(({ isClosed }) => !isClosed);
}

function checkBlank({ object, findings }: SimulatedThread, actors: Actors): void {
  const tables = object.storage.query("SELECT name FROM sqlite_master");
  if (tables.length > 0 || object.alarm.at !== null) findings.say("blank", `a thread that was never made has ${JSON.stringify(tables)}`);
  for (const page of actors.allPages) {
    for (const { text, turnId } of page.sent) if (turnId !== undefined) findings.say("ack", `"${text}" was acked, and there is no thread`);
  }
}

async function checkAtRest(thread: SimulatedThread, actors: Actors): Promise<void> {
  const { clock, findings, commits } = thread;
  const isOver = (): boolean => findings.list.length > 0;
  for (const page of openPages(actors)) await loadAll(thread, page);
  const accepted = commits.accepted.size;
  const { repeater } = actors;
  const again = repeater.accepted.slice(-12);
  for (const user of new Set(again.map((noted) => noted.user))) repeater.send(again.filter((noted) => noted.user === user));
  await clock.advance(10_000, isOver);
  for (const { command } of again) if (!repeater.acked.has(command.id)) findings.say("repeat", `${command.id} was repeated and not acked`);
  repeater.stop();
  // Also the last of what was cut has been noticed by then.
  await clock.advance(130_000, isOver);
  if (commits.accepted.size !== accepted) findings.say("repeat", "a repeat began a turn");
  await checkQuiet(thread, actors);
  const fresh = new Page(
    thread,
    actors.seen,
    "fresh page",
    thread.schedule.people === "anonymous" ? "" : "user-0",
    actors.pages[0]!.browser,
  );
  fresh.client.reconnect();
  await clock.advance(10_000, () => isOver() || fresh.snapshot.connection.kind === "live");
  const whole = await loadAll(thread, fresh);
  for (const page of openPages(actors)) checkSame(thread, page.name, await loadAll(thread, page), whole);
  fresh.close();
  await clock.advance(1_000, isOver);
  checkThread(thread, actors, whole);
}

/** Nothing is under way but what a live client does to know that it is: the object neither wakes nor hears of it. */
async function checkQuiet({ clock, findings, object, network }: SimulatedThread, actors: Actors): Promise<void> {
  const isOver = (): boolean => findings.list.length > 0;
  if (!object.evict() && object.isAwake) findings.say("quiet", "an idle object cannot be evicted");
  const { deliveries } = object;
  await clock.advance(40_000, isOver);
  if (object.deliveries !== deliveries || object.isAwake)
    findings.say("quiet", `an idle object was woken ${object.deliveries - deliveries} times`);
  // A question or its answer may be on its way.
  await clock.advance(1_000, () => isOver() || network.underWay === 0);
  const timers = actors.allPages.reduce((sum, page) => sum + page.timers, 0);
  if (clock.pending > timers + network.underWay) findings.say("quiet", `${clock.pending} events are to come, ${timers} of them of clients`);
  for (const { name, timers: own } of actors.allPages) if (own > 1) findings.say("quiet", `${name} has set ${own} timers`);
}

async function loadAll({ clock, findings }: SimulatedThread, page: Page): Promise<ChatSnapshot> {
  for (let pages = 0; page.snapshot.hasEarlier && pages < 50 && findings.list.length === 0; pages++) {
    let isLoaded = false;
    page.client.loadEarlier().then(
      () => (isLoaded = true),
      () => (isLoaded = true),
    );
    await clock.advance(5_000, () => isLoaded);
  }
  return page.snapshot;
}
