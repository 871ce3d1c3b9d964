// What has to hold of a thread that has come to rest, whatever went wrong before. What these checks find is a fault of
// chatcell, or of an app that reaches around it.
import type { ChatSnapshot } from "../../client/types.ts";
import type { ThreadWorld } from "./thread-world.ts";

/** More pages of history are not loaded. */
const MAX_PAGES = 50;

/** What does not hold of a thread, in words; empty for a sound one. It must have come to rest. */
export async function findUnsound(world: ThreadWorld): Promise<string[]> {
  const { object } = world;
  if (!object.hasThread) return checkBlank(world);
  const found = [...checkTurns(world), ...checkPromises(world)];
  for (const { client } of world.clients) await loadAll(world, client);
  // What a new client is shown is read from storage, not from memory.
  if (object.isAwake && !object.evict()) found.push("an idle object cannot be evicted");
  for (const watched of world.clients.filter(({ client }) => client.getSnapshot().connection.kind === "live")) {
    const { client: fresh } = world.openClient(watched.principal);
    await world.pace.settle();
    await loadAll(world, fresh);
    const difference = differenceOf(watched.client.getSnapshot(), fresh.getSnapshot());
    if (difference) found.push(`a client of ${watched.principal.id} shows something else than a new one: ${difference}`);
    found.push(...checkTree(fresh.getSnapshot()));
    fresh.close();
    await world.pace.settle();
  }
  return found;
}

function checkBlank({ object }: ThreadWorld): string[] {
  return object.alarm.at === null ? [] : ["an object without a thread has an alarm"];
}

function checkTurns({ object }: ThreadWorld): string[] {
  const found: string[] = [];
  const [turn] = object.turns;
  if (turn && turn.state !== "waiting") found.push(`turn ${turn.id} is ${turn.state}, and nothing is under way`);
  const left = object.storage.query<{ log: number; calls: number; marks: string | null }>(
    "SELECT (SELECT count(*) FROM cc_log) AS log, (SELECT count(*) FROM cc_tool_call) AS calls, end_marks AS marks FROM cc_session",
  )[0]!;
  if (left.marks !== null) found.push(`\`onTurnEnd\` is still to be called: ${left.marks}`);
  if (turn) return found;
  if (left.log > 0) found.push(`${left.log} blocks of a log are left`);
  if (left.calls > 0) found.push(`${left.calls} tool calls are left in the ledger`);
  if (object.alarm.at !== null) found.push("an idle thread has an alarm");
  return found;
}

/** Every promise of a client was kept, or waits for a person. */
function checkPromises({ clients, object }: ThreadWorld): string[] {
  const waiting = new Set(object.turns.map(({ id }) => id));
  return clients.flatMap(({ principal, client, pending, unsettled }) => {
    if (client.getSnapshot().connection.kind !== "live") return [];
    const turns = [...unsettled].filter((turnId) => !waiting.has(turnId)).map((turnId) => `the end of turn ${turnId}`);
    return [...pending, ...turns].map((what) => `a client of ${principal.id} never heard of ${what}`);
  });
}

function checkTree({ messages }: ChatSnapshot): string[] {
  const shown = messages.filter(({ delivery }) => delivery === undefined);
  const ids = new Set(shown.map(({ id }) => id));
  const found = ids.size < shown.length ? ["a message is there twice"] : [];
  for (const [index, { id, parent }] of shown.entries()) {
    if (index > 0 && parent !== undefined && parent !== shown[index - 1]!.id) found.push(`message ${id} does not follow on its parent`);
  }
  return found;
}

function differenceOf(mine: ChatSnapshot, fresh: ChatSnapshot): string | null {
  // What was refused is its client's alone.
  const own = { ...mine, messages: mine.messages.filter(({ delivery }) => delivery !== "failed") };
  for (const key of ["messages", "queue", "state", "thread", "turn"] as const) {
    const [a, b] = [canonical(own[key]), canonical(fresh[key])];
    if (a !== b) return `${key} are ${a.slice(0, 400)}, those of a new one ${b.slice(0, 400)}`;
  }
  return null;
}

/** JSON with its keys in order. */
function canonical(value: unknown): string {
  const sorted = (_key: string, part: unknown): unknown =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part;
  return JSON.stringify(value, sorted) ?? "undefined";
}

async function loadAll({ pace }: ThreadWorld, client: ThreadWorld["clients"][number]["client"]): Promise<void> {
  for (let pages = 0; client.getSnapshot().hasEarlier && pages < MAX_PAGES; pages++) {
    const loading = client.loadEarlier().catch(() => {});
    await pace.settle();
    await loading;
  }
}
