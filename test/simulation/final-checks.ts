// What must hold when everything has healed and come to rest.
import { isDeepStrictEqual } from "node:util";
import type { ChatMessage, ChatSnapshot } from "../../src/client/types.ts";
import { isCall } from "../../src/protocol/tool-part.ts";
import type { TurnFacts } from "../../src/protocol/messages.ts";
import type { Actors } from "./actors.ts";
import { callsOf, rankOf } from "./log-watch.ts";
import { isContent, lasting, lostOf, textOf } from "./page-watch.ts";
import { inputOf, ledgerInputOf, liveIdOf, outcomeOf } from "./rows.ts";
import type { SimulatedThread } from "./simulated-thread.ts";

type Say = (check: string, text: string) => void;

/** Looks at the thread as a page shows it that has loaded everything, and at everything that was noted on the way. */
export function checkThread(thread: SimulatedThread, actors: Actors, whole: ChatSnapshot): void {
  const { findings } = thread;
  const say: Say = (check, text) => findings.say(check, text);
  const stored = storedMessages(thread);
  checkRest(thread, say);
  checkTree(thread, whole.messages, say);
  checkOrder(thread, say);
  checkTurns(thread, stored, say);
  checkCalls(thread, stored, say);
  checkSeen(thread, actors, stored, say);
  checkSent(thread, actors, say);
  checkEndCalls(thread, say);
}

/** A message as it is stored in the end, on whichever branch. */
type Stored = Pick<ChatMessage, "id" | "parts" | "metadata"> & { role: string; facts: TurnFacts | null };

function storedMessages({ commits }: SimulatedThread): Map<string, Stored> {
  const stored = new Map<string, Stored>();
  for (const [id, versions] of commits.history.versions) {
    const { body, facts } = versions.at(-1)!;
    // One that is too long for its row is not looked at.
    if (body) stored.set(id, { id, role: commits.history.messages.get(id)!.role, ...(body as Pick<ChatMessage, "parts">), facts });
  }
  return stored;
}

/** Two pages that have loaded everything show the same. */
export function checkSame(thread: SimulatedThread, name: string, mine: ChatSnapshot, fresh: ChatSnapshot): void {
  // What was refused is its page's alone.
  mine = { ...mine, messages: mine.messages.filter(({ delivery }) => delivery !== "failed") };
  for (const key of ["messages", "queue", "status", "error", "thread", "state", "turn", "hasEarlier"] as const) {
    if (!isDeepStrictEqual(mine[key], fresh[key]))
      thread.findings.say("same view", `${key} of ${name} differ from those of a new page: ${difference(mine[key], fresh[key])}`);
  }
}

function checkRest({ commits, object }: SimulatedThread, say: Say): void {
  if (commits.turns.length > 0) say("every turn ends", `${commits.turns.length} turns are left: ${JSON.stringify(commits.turns)}`);
  const rest = object.storage.query<{ log: number; calls: number; marks: string | null; due: number | null }>(
    "SELECT (SELECT count(*) FROM cc_log) AS log, (SELECT count(*) FROM cc_tool_call) AS calls, end_marks AS marks, due_at AS due FROM cc_session",
  )[0]!;
  if (rest.log > 0) say("log", `${rest.log} blocks of the log are left`);
  if (rest.calls > 0) say("ledger", `${rest.calls} calls of the ledger are left`);
  if (rest.marks !== null || rest.due !== null) say("end marks", `left are ${rest.marks}, due ${rest.due}`);
  if (object.alarm.at !== null) say("idle alarm", "an idle thread has an alarm");
  for (const id of commits.accepted.keys()) {
    const { ended } = commits.history;
    if (ended.has(id) === commits.dropped.has(id)) say("once", `${id} ended ${ended.has(id)}, left the queue ${commits.dropped.has(id)}`);
  }
}

/** What is shown is the active branch. */
function checkTree({ commits }: SimulatedThread, messages: readonly ChatMessage[], say: Say): void {
  const branch = commits.history.branch(commits.session!.head).map(({ id }) => id);
  const shown = messages.map(({ id }) => id);
  if (shown.join() !== branch.join()) say("tree", `the active branch is ${branch.join()}, shown are ${shown.join()}`);
}

/** Turns begin in the order in which they were accepted. */
function checkOrder({ commits }: SimulatedThread, say: Say): void {
  const accepted = [...commits.accepted.keys()];
  const places = commits.started.filter((id) => commits.accepted.has(id)).map((id) => accepted.indexOf(id));
  if (places.some((place, index) => index > 0 && place < places[index - 1]!))
    say("order", `accepted were ${accepted.join()}, begun ${commits.started.join()}`);
}

/** Errors of a turn whose last run did not come to its end. */
const CUT = new Set(["internal", "attempts_exhausted", "work_exhausted"]);

/** Each turn says how it ended, once, and its reply is what the model said. */
function checkTurns(thread: SimulatedThread, stored: ReadonlyMap<string, Stored>, say: Say): void {
  const { commits } = thread;
  for (const [turnId, { messageId, facts, hasOutput }] of commits.history.ended) {
    const runs = thread.app.calls.get(turnId) ?? [];
    const { error, outcome } = facts;
    const last = commits.accepted.get(turnId);
    const wasCut = outcome === "interrupted" || CUT.has(error?.code ?? "");
    if (thread.faults.failures === 0 && runs.length === 0 && error?.code !== "head_moved" && !wasCut && outcome !== "stopped")
      say("run once", `${turnId} ended ${outcome}, and never ran`);
    if ((outcome === "failed" || outcome === "interrupted") !== (error !== undefined)) say("facts", `${turnId}: ${JSON.stringify(facts)}`);
    if (outcome === "completed" && commits.log.untaken(turnId) > 0) say("resume", `${turnId} ended, and an answer was not taken up`);
    const reply = stored.get(messageId);
    // A reply that went on later says more now.
    const isFinal = thread.app.runsOf(messageId).at(-1)?.turnId === turnId;
    if (!hasOutput || !reply || !isFinal || !last) continue;
    const said = runs.at(-1)?.said ?? "";
    const text = textOf(reply);
    // What the session took before the end is in the message, unless a run was cut off: by the end, or before a run that never began.
    const mayBeCut = wasCut || runs.at(-1)?.isCut || facts.attempts > (runs.at(-1)?.attempt ?? 0);
    const isWhole = mayBeCut ? said.startsWith(text) : said === text;
    if (!isWhole) say("reply", `${turnId} ended ${outcome} with "${text.slice(-200)}", said was "${said.slice(-200)}"`);
    const notices = reply.parts.filter(({ type }) => type === "data-notice").length;
    if (notices > (wasCut ? 1 : 0) || (outcome === "interrupted" && notices === 0))
      say("notice", `${turnId} ended ${outcome} with ${notices} notices`);
  }
  for (const { id, parts, role } of stored.values()) {
    const open = parts.filter((part) => ("state" in part && part.state === "streaming") || (isCall(part) && rankOf(part) < 4));
    if (role === "assistant" && open.length > 0) say("open parts", `${id} was stored with ${JSON.stringify(open)}`);
  }
}

/** Each call that a tool was started for is in its message with its outcome, and an answer that was given with who gave it. */
function checkCalls(thread: SimulatedThread, stored: ReadonlyMap<string, Stored>, say: Say): void {
  const { commits, faults } = thread;
  // Where the end of a turn could not be stored three times, it is stored without what was shown.
  const mayBeGone = faults.failures >= 3;
  for (const id of commits.superseded) {
    const message = stored.get(liveIdOf(commits.accepted.get(id)!));
    if (message && !JSON.stringify(message.parts).includes('"superseded"'))
      say("supersede", `${id} was superseded, and does not say so: ${JSON.stringify(message)}`);
  }
  for (const row of commits.log.ledger.values()) {
    const turn = commits.accepted.get(row.turn_id);
    const message = turn && stored.get(liveIdOf(turn));
    const { uid } = ledgerInputOf(row);
    if (!turn || uid === undefined || (mayBeGone && !message)) continue;
    const parts = callsOf(message?.parts ?? []).filter((part) => (part.input as { uid?: unknown } | undefined)?.uid === uid);
    const part = parts[0];
    if (parts.length !== 1 || !part) {
      if (!mayBeGone)
        say("call", `${JSON.stringify(uid)} was started, its message has ${parts.length} of it: ${JSON.stringify(message?.parts)}`);
      continue;
    }
    const outcome = outcomeOf(row);
    if (outcome === null && part.state !== "output-error")
      say("call", `${JSON.stringify(uid)} has no outcome in the ledger, its part is ${JSON.stringify(part)}`);
    if (outcome?.type === "output" && !isDeepStrictEqual(part.output, outcome.output))
      say("call", `${JSON.stringify(uid)} gave ${row.outcome}, its part is ${JSON.stringify(part)}`);
    // What the storage did not take the stream has told all the same.
    if (outcome?.type === "error" && faults.failures === 0 && part.errorText !== outcome.errorText)
      say("call", `${JSON.stringify(uid)} failed with ${row.outcome}, its part is ${JSON.stringify(part)}`);
  }
  for (const [key, commandId] of commits.log.answers) {
    const command = commits.carriedOut.get(commandId);
    const turn = command?.type === "resolve" ? commits.accepted.get(command.turnId) : undefined;
    if (command?.type !== "resolve" || !turn || !("approvalId" in command)) continue;
    const message = stored.get(liveIdOf(turn));
    if (!message && mayBeGone) continue;
    const approval = callsOf(message?.parts ?? []).find((part) => part.approval?.id === command.approvalId)?.approval as
      Record<string, unknown> | undefined;
    const call = callsOf(message?.parts ?? []).find((part) => part.approval?.id === command.approvalId);
    const runs = thread.app.calls.get(turn.id) ?? [];
    const { uid } = (call?.input ?? {}) as { uid?: unknown };
    // Also one that died between the commit of its start and the start.
    const isRun = thread.app.tools.calls.has(String(uid)) || [...commits.log.ledger.values()].some((row) => ledgerInputOf(row).uid === uid);
    const isOver =
      commits.history.factsOf(turn.id)?.outcome === "completed" && runs.every(({ resume, isModel }) => isModel || resume === undefined);
    // Where its start could not be stored, a tool does not run.
    if (isOver && isRun !== command.approved && faults.failures === 0)
      say("answer", `${key} was answered with ${command.approved}, and its tool has ${isRun ? "" : "not "}run`);
    const isThere =
      approval?.approved === command.approved &&
      approval.reason === command.reason &&
      typeof approval.by === "string" &&
      typeof approval.at === "number";
    if (!isThere && !mayBeGone)
      say("answer", `${key} was answered with ${JSON.stringify(command)}, its part says ${JSON.stringify(approval)}`);
  }
}

/** Nothing that any page was ever shown is gone. */
function checkSeen(thread: SimulatedThread, { seen }: Actors, stored: ReadonlyMap<string, Stored>, say: Say): void {
  const { faults, commits } = thread;
  for (const id of seen.settled) if (!commits.history.messages.has(id)) say("settled", `${id} was shown, and is not stored`);
  for (const [id, lives] of seen.live) {
    const reply = stored.get(id);
    if (commits.history.messages.has(id) && !reply) continue;
    const runs = thread.app.runsOf(id);
    const isRerun = runs.some(({ turnId }) => commits.rerun.has(turnId));
    for (const live of lives) {
      const shown = isRerun ? lasting(live) : live;
      const mayBeGone = faults.failures >= 3 || !shown.parts.some(isContent);
      const lost = reply ? lostOf(shown, reply) : mayBeGone ? null : "there is no reply";
      if (lost && !(faults.failures >= 3)) say("taken back", `shown of ${id} was ${JSON.stringify(live.parts).slice(0, 500)}: ${lost}`);
    }
  }
}

/** Every message that a page sent: one effect at most, and exactly one when it was acked. */
function checkSent(thread: SimulatedThread, actors: Actors, say: Say): void {
  const { commits } = thread;
  const texts = [...commits.history.versions.values()].flatMap(([first]) => (first?.body ? [textOf(first.body as ChatMessage)] : []));
  const asked = texts.filter((text) => text.startsWith("say "));
  for (const text of new Set(asked)) {
    if (asked.filter((other) => other === text).length > 1) say("once", `"${text}" is in the thread more than once`);
  }
  const acceptedTexts = [...commits.accepted.values()].map((turn) => textOf({ parts: inputOf(turn).parts ?? [] }));
  const ids = [...commits.accepted.keys()];
  for (const page of actors.allPages) {
    for (const what of page.waiting) say("promise", `${page.name} still waits for ${what}`);
    for (const { text, turnId, reply } of page.sent) {
      if (turnId !== undefined && !commits.accepted.has(turnId)) say("ack", `"${text}" was acked and is nowhere`);
      if (turnId !== undefined && acceptedTexts[ids.indexOf(turnId)] !== text) say("ack", `"${text}" was acked as ${turnId}`);
      if (turnId === undefined || !reply) continue;
      const versions = commits.history.versions.get(turnId) ?? [];
      const isStored = versions.some(
        ({ body, facts }) => isDeepStrictEqual(body.parts, reply.parts) && isDeepStrictEqual(facts, reply.facts ?? null),
      );
      if (!isStored) say("reply", `${page.name} was given ${JSON.stringify(reply)} for "${text}"`);
    }
    // Nor is there an order where a message was refused, by the storage or for a turn that ran, and the page did not hear of it and
    // sent it again.
    if (actors.hasEchoed || thread.faults.failures > 0 || thread.schedule.busy === "reject") continue;
    const mine = page.sent
      .filter(({ text, isRetried }) => !isRetried && acceptedTexts.includes(text))
      .map(({ text }) => acceptedTexts.indexOf(text));
    if (mine.some((place, index) => index > 0 && place < mine[index - 1]!))
      say("order", `${page.name} sent ${page.sent.map(({ text }) => text).join()}, accepted were ${acceptedTexts.join()}`);
  }
}

/** `onTurnEnd` was called for every turn, in their order, and `again` says so whenever it was called before. */
function checkEndCalls({ app: { endCalls }, commits, schedule }: SimulatedThread, say: Say): void {
  if (!schedule.hook) return;
  const first: string[] = [];
  for (const [index, { turnId, again }] of endCalls.entries()) {
    const before = endCalls.slice(0, index).filter((call) => call.turnId === turnId);
    if (before.length === 0) first.push(turnId);
    else if (!again) say("end hook", `onTurnEnd was called again for ${turnId}, and not told so`);
    if (before.some(({ hasReturned }) => hasReturned) && !again) say("end hook", `onTurnEnd had returned for ${turnId}`);
  }
  const ended = [...commits.history.ended.keys()];
  if (first.join() !== ended.join()) say("end hook", `turns ended: ${ended.join()}; onTurnEnd was called for ${first.join()}`);
}

function difference(mine: unknown, fresh: unknown): string {
  if (!Array.isArray(mine) || !Array.isArray(fresh)) return `${JSON.stringify(mine)}, ${JSON.stringify(fresh)}`;
  const at = mine.findIndex((value, index) => !isDeepStrictEqual(value, fresh[index]));
  return `${mine.length}, ${fresh.length}; at ${at}: ${JSON.stringify(mine[at])?.slice(0, 300)}, ${JSON.stringify(fresh[at])?.slice(0, 300)}`;
}
