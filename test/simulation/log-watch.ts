// Looks at the log of the live turn and at the ledger of its tool calls after every commit: the log only grows, no call goes
// backwards in it, and every answer in it is the first one, of somebody who gave it.
import { isDeepStrictEqual } from "node:util";
import { isCall, toolNameOf, type ToolPart } from "../../src/protocol/tool-part.ts";
import { emptyLive, foldChunks } from "../../src/protocol/fold.ts";
import type { Chunk, LiveState, Part } from "../../src/protocol/messages.ts";
import { firstExpiry, isAwaitingApproval, isAwaitingClient } from "../../src/session/open-calls.ts";
import type { CommitStep, WatchPorts } from "./commit-watch.ts";
import { partsOf, type HistoryWatch } from "./history-watch.ts";
import { ledgerInputOf, liveIdOf, liveOf, outcomeOf, progressOf, type LedgerRow, type TurnRow } from "./rows.ts";

/** How far the state of a call is. */
export function rankOf({ state }: ToolPart): number {
  return { "input-streaming": 0, "input-available": 1, "approval-requested": 2, "approval-responded": 3 }[state as string] ?? 4;
}

export const callsOf = (parts: readonly Part[]): ToolPart[] => parts.filter((part): part is Part & ToolPart => isCall(part));

export class LogWatch {
  readonly #ports: WatchPorts;
  /** The chunks of each turn that were ever in its log; index is seq - 1. */
  readonly chunks = new Map<string, Chunk[]>();
  /** Every call that a tool was started for, with its last outcome; by turn and number. */
  readonly ledger = new Map<string, LedgerRow>();
  /** Answers that were accepted: turn and approval or call → the command. */
  readonly answers = new Map<string, string>();
  /** Answers that no run has taken up. */
  readonly #untaken = new Map<string, number>();
  /** What the live turn began with. */
  #base: LiveState = emptyLive("");
  #live: { turnId: string; state: LiveState } = { turnId: "", state: emptyLive("") };
  #log = { turnId: "", text: "" };

  constructor(ports: WatchPorts) {
    this.#ports = ports;
  }

  /** The live message of the live turn as its log has it. */
  get live(): LiveState {
    return this.#live.state;
  }

  /** What the log of the live turn folds to up to a seq. */
  liveAt(turnId: string, seq: number): LiveState {
    return turnId === this.#live.turnId ? foldChunks(this.#base, (this.chunks.get(turnId) ?? []).slice(0, seq)) : emptyLive(turnId);
  }

  /** The message of a turn that has ended, with the last chunks that were sent of it. */
  ended(turnId: string, chunks: readonly Chunk[]): LiveState | null {
    return turnId === this.#former.turnId ? foldChunks(this.#former.base, chunks) : null;
  }

  /** The turn that was live before the present one. */
  #former = { turnId: "", base: emptyLive("") };

  look(step: CommitStep, history: HistoryWatch): void {
    const turn = liveOf(step.now.turns);
    this.#follow(turn, history);
    const before = this.live;
    this.#append(turn);
    this.#lookAtLedger(step, turn);
    if (turn && this.live !== before) this.#lookAtAdded(turn, before, step);
    this.#lookAtAnswer(step, turn);
    const old = turn && step.before?.turns.find(({ id }) => id === turn.id);
    if (turn && old && old.state !== "queued") this.#lookAtRun(old, turn, before);
    if (turn?.state === "waiting") this.#lookAtWaiting(turn);
    this.#lookAtClaims(step, turn);
  }

  /** Another turn is live: what it begins with is the stored message, up to its base. */
  #follow(turn: TurnRow | undefined, history: HistoryWatch): void {
    const id = turn?.id ?? "";
    if (id === this.#live.turnId) return;
    const { outcome } = history.factsOf(this.#live.turnId) ?? {};
    // What a person was asked outlives the run that asked.
    const isLost = outcome === "interrupted" && this.#isAwaited();
    this.#expect(
      !isLost,
      "waiting",
      () => `${this.#live.turnId} was interrupted, and somebody was asked: ${JSON.stringify(this.live.message)}`,
    );
    this.#former = { turnId: this.#live.turnId, base: this.#base };
    this.#base = turn ? emptyLive(liveIdOf(turn)) : emptyLive("");
    const row = turn && turn.base > 0 ? history.messages.get(liveIdOf(turn)) : undefined;
    if (row) {
      const { metadata } = history.versions.get(row.id)!.at(-1)!.body;
      const message = { ...this.#base.message, parts: partsOf(row).slice(0, turn!.base) };
      this.#base = { ...this.#base, message: { ...message, ...(metadata !== undefined ? { metadata } : {}) } };
    }
    this.#live = { turnId: id, state: this.#base };
  }

  #append(turn: TurnRow | undefined): void {
    const rows = this.#ports.object.storage.query<{ turn_id: string; body: string }>("SELECT turn_id, body FROM cc_log ORDER BY n");
    const id = turn?.id ?? "";
    const isOther = rows.some(({ turn_id }) => turn_id !== id);
    this.#expect(!isOther, "log", () => `the log holds chunks of ${rows[0]!.turn_id}, live is ${id || "none"}`);
    const former = this.#log.turnId === id ? this.#log.text : "";
    const text = rows.map(({ body }) => body).join("");
    this.#expect(text.startsWith(former), "log", () => `the log of ${id} is no continuation of what it was`);
    this.#log = { turnId: id, text };
    if (text.length <= former.length) return;
    const added = text.slice(former.length).split("\n").slice(0, -1);
    const chunks = added.map((line) => JSON.parse(line) as Chunk);
    const all = this.chunks.get(id) ?? [];
    this.chunks.set(id, [...all, ...chunks]);
    this.#live = { turnId: id, state: foldChunks(this.live, chunks) };
  }

  #added(turn: TurnRow, before: LiveState): Chunk[] {
    return (this.chunks.get(turn.id) ?? []).slice(before.seq);
  }

  #lookAtAdded(turn: TurnRow, before: LiveState, step: CommitStep): void {
    let state = before;
    for (const chunk of this.#added(turn, before)) {
      const next = foldChunks(state, [chunk]);
      if (chunk.type === "reset-step") this.#lookAtDiscard(turn, state, next);
      else this.#lookAtRanks(turn, state, next);
      if (chunk.type === "tool-approval-response") this.#lookAtApproval(turn, state, chunk, step);
      if (chunk.type === "tool-output-error" || chunk.type === "tool-output-denied") this.#lookAtEnd(turn, state, chunk.toolCallId, step);
      if (chunk.type === "tool-output-available") this.#lookAtOutput(turn, state, chunk, step);
      state = next;
    }
  }

  #lookAtDiscard(turn: TurnRow, { message: { parts } }: LiveState, next: LiveState): void {
    const gone = parts.slice(next.message.parts.length);
    const fence = turn.base;
    this.#expect(callsOf(gone).length === 0, "discard", () => `a step of ${turn.id} with a call was discarded: ${JSON.stringify(gone)}`);
    this.#expect(next.message.parts.length >= fence, "discard", () => `a discard of ${turn.id} reaches into what it began with`);
  }

  #lookAtRanks(turn: TurnRow, { message }: LiveState, next: LiveState): void {
    for (const [index, part] of message.parts.entries()) {
      const now = next.message.parts[index];
      if (now === part || !isCall(part)) continue;
      const isBack = !now || !isCall(now) || rankOf(now) < rankOf(part);
      if (isBack) this.#say("part state", `of ${turn.id}: ${JSON.stringify(part)} became ${JSON.stringify(now)}`);
    }
  }

  /** An answer is one that was asked for, is the first, and says who gave it and when. */
  #lookAtApproval(turn: TurnRow, state: LiveState, chunk: Chunk, { present }: CommitStep): void {
    const { approvalId, approved, by, at, reason } = chunk as Chunk & Record<string, unknown>;
    const part = callsOf(state.message.parts).find(({ approval }) => approval?.id === approvalId);
    const wrong = (text: string): void =>
      this.#say("answer", `${text}: ${JSON.stringify(chunk)} of ${turn.id}, carried out is ${JSON.stringify(present?.command)}`);
    if (!part || part.state !== "approval-requested") return wrong("an answer to nothing, or a second one");
    const isAutomatic = (part.approval as { isAutomatic?: boolean }).isAutomatic === true;
    if (at === undefined) wrong("an answer without a time");
    if (isAutomatic) return by === undefined ? undefined : wrong("an automatic answer by somebody");
    if (at !== this.#ports.now()) wrong("an answer of another time");
    const { command } = present ?? {};
    if (by === "system:expiry") {
      const { expiresAt } = part.approval as { expiresAt?: number };
      if (approved !== false || expiresAt === undefined || expiresAt > this.#ports.now()) wrong("an expiry too early");
      return;
    }
    const isGiven =
      command?.type === "resolve" && "approvalId" in command && command.approvalId === approvalId && command.turnId === turn.id;
    if (!isGiven || command.approved !== approved || command.reason !== reason) return wrong("an answer that nobody gave");
    const principal = present?.principalId ?? (present?.connection ? this.#ports.principalOf(present.connection) : undefined);
    if (principal !== undefined && by !== principal) wrong(`an answer by ${principal}`);
  }

  /** What waits for somebody ends by an answer, not by what a run leaves open. */
  #lookAtEnd(turn: TurnRow, { message }: LiveState, callId: string, { present }: CommitStep): void {
    const part = callsOf(message.parts).findLast(({ toolCallId }) => toolCallId === callId);
    if (!part || !(isAwaitingApproval(part) || isAwaitingClient(part, this.#ports.isClientTool))) return;
    const { command } = present ?? {};
    const isGiven = command?.type === "resolve" && "callId" in command && command.callId === callId;
    this.#expect(isGiven, "answer", () => `of ${turn.id} nobody answered ${JSON.stringify(part)}, and it ended`);
  }

  /** An outcome was in the ledger before, or a client gave it. */
  #lookAtOutput(turn: TurnRow, state: LiveState, chunk: Extract<Chunk, { type: "tool-output-available" }>, { present }: CommitStep): void {
    if (chunk.preliminary) return;
    const part = callsOf(state.message.parts).findLast(({ toolCallId }) => toolCallId === chunk.toolCallId);
    if (!part) return;
    if (this.#ports.isClientTool(toolNameOf(part))) {
      const { command } = present ?? {};
      const isGiven =
        command?.type === "resolve" && "callId" in command && command.callId === chunk.toolCallId && command.turnId === turn.id;
      this.#expect(
        isGiven && isDeepStrictEqual(command.output, chunk.output),
        "answer",
        () => `an output that nobody gave: ${JSON.stringify(chunk)}`,
      );
      this.#expect(part.state === "input-available", "answer", () => `an output to ${JSON.stringify(part)}: ${JSON.stringify(chunk)}`);
      return;
    }
    const rows = [...this.ledger.values()].filter(({ turn_id, call_id }) => turn_id === turn.id && call_id === chunk.toolCallId);
    // A model may write calls of its own, which no tool was run for.
    if (rows.length === 0) return;
    const isKnown = rows.some((row) => {
      const outcome = outcomeOf(row);
      return outcome?.type === "output" && isDeepStrictEqual(outcome.output, chunk.output);
    });
    this.#expect(isKnown, "outcome", () => `${JSON.stringify(chunk)} is in the log, the ledger has ${JSON.stringify(rows)}`);
  }

  /** A command that answers has put its answer into the log, and only one of each call has. */
  #lookAtAnswer({ commands, present, before }: CommitStep, turn: TurnRow | undefined): void {
    const { command } = present ?? {};
    if (commands.length === 0 || command?.type !== "resolve") return;
    const old = before?.turns.find(({ id }) => id === command.turnId);
    const added = turn && old ? (this.chunks.get(turn.id) ?? []) : [];
    const [key, isThere] =
      "approvalId" in command
        ? [command.approvalId, added.some((chunk) => chunk.type === "tool-approval-response" && chunk.approvalId === command.approvalId)]
        : [
            `${command.callId} ${callCount(this.live, command.callId)}`,
            added.some(
              (chunk) => /^tool-output-(available|error)$/.test(chunk.type) && "toolCallId" in chunk && chunk.toolCallId === command.callId,
            ),
          ];
    this.#expect(turn?.id === command.turnId && isThere, "answer", () => `${JSON.stringify(command)} was accepted, and is not in the log`);
    const known = this.answers.get(`${command.turnId} ${key}`);
    this.#expect(known === undefined, "first answer", () => `${command.id} answers ${command.turnId} ${key}, as ${known} did`);
    this.answers.set(`${command.turnId} ${key}`, command.id);
    this.#untaken.set(command.turnId, (this.#untaken.get(command.turnId) ?? 0) + 1);
  }

  /** A run that follows on answers is the only one that does, and nothing is open then. */
  #lookAtRun(old: TurnRow, turn: TurnRow, before: LiveState): void {
    const added = this.#added(turn, before);
    const expired = added.filter(
      (chunk) => chunk.type === "tool-approval-response" && (chunk as { by?: string }).by === "system:expiry",
    ).length;
    const answers = (this.#untaken.get(turn.id) ?? 0) + expired;
    if (progressOf(turn).run === progressOf(old).run) return void this.#untaken.set(turn.id, answers);
    const { resume } = progressOf(turn);
    if (resume === "recovery")
      this.#expect(answers === 0, "resume", () => `${turn.id} runs again, and ${answers} answers are not taken up`);
    else {
      this.#expect(answers > 0, "resume", () => `${turn.id} goes on (${resume}), and nobody has answered`);
      this.#expect(!this.#isAwaited(), "resume", () => `${turn.id} goes on, and somebody has still to answer`);
    }
    this.#untaken.set(turn.id, 0);
  }

  /** Answers to a turn that no run has taken up. */
  untaken(turnId: string): number {
    return this.#untaken.get(turnId) ?? 0;
  }

  #isAwaited(): boolean {
    return callsOf(this.live.message.parts).some((part) => isAwaitingApproval(part) || isAwaitingClient(part, this.#ports.isClientTool));
  }

  #lookAtWaiting(turn: TurnRow): void {
    this.#expect(this.#isAwaited(), "waiting", () => `${turn.id} waits, and nothing is open: ${JSON.stringify(this.live.message)}`);
    const expiry = firstExpiry(this.live);
    this.#expect(turn.due_at === expiry, "waiting", () => `${turn.id} waits until ${turn.due_at}, its first expiry is ${expiry}`);
    const { text, reasoning, input } = this.live.open;
    const isOpen = Object.keys({ ...text, ...reasoning, ...input }).length > 0;
    this.#expect(!isOpen, "waiting", () => `${turn.id} waits, and parts are open: ${JSON.stringify(this.live)}`);
  }

  /** A call is never taken from a connection that is open, and only who holds it answers, over whatever connection. */
  #lookAtClaims({ before, now, present, commands }: CommitStep, turn: TurnRow | undefined): void {
    const old = turn && before?.turns.find(({ id }) => id === turn.id);
    const claims = (turn && progressOf(turn).claims) ?? {};
    const former = (old && old.state !== "queued" && progressOf(old).claims) || {};
    for (const [callId, connectionId] of Object.entries(claims)) {
      if (former[callId] === connectionId) continue;
      const { command, connection } = present ?? {};
      const isAsked =
        commands.length === 1 &&
        command?.type === "claim" &&
        command.callId === callId &&
        connection === this.#ports.connectionOf(connectionId);
      this.#expect(isAsked, "claim", () => `${connectionId} holds ${callId}, and did not ask for it`);
      const holder = former[callId] === undefined ? undefined : this.#ports.connectionOf(former[callId]);
      this.#expect(holder?.serverState !== "open", "claim", () => `${callId} was taken from ${former[callId]}`);
    }
    const { command, connection, principalId } = present ?? {};
    if (commands.length === 0 || command?.type !== "resolve" || !("callId" in command)) return;
    const holder = former[command.callId] === undefined ? undefined : this.#ports.connectionOf(former[command.callId]!);
    this.#expect(
      holder?.serverState !== "open" || holder === connection || this.#ports.principalOf(holder) === principalId,
      "claim",
      () => `${command.callId} was answered, and somebody else held it (rev ${now.session.rev})`,
    );
  }

  /** Calls of the live turn only; what a call is never changes, and its outcome comes once. */
  #lookAtLedger({ now }: CommitStep, turn: TurnRow | undefined): void {
    for (const row of now.ledger) {
      const key = `${row.turn_id}:${row.n}`;
      const old = this.ledger.get(key);
      this.#expect(row.turn_id === turn?.id, "ledger", () => `the ledger holds a call of ${row.turn_id}, live is ${turn?.id}`);
      if (old) {
        const isSame = old.call_id === row.call_id && old.body === row.body && old.run === row.run && old.name === row.name;
        this.#expect(isSame, "ledger", () => `${key} became another call`);
        this.#expect(old.outcome === null || old.outcome === row.outcome, "ledger", () => `the outcome of ${key} changed`);
      }
      this.ledger.set(key, row);
    }
  }

  /** A call that the ledger knows as begun, by what it was called with. */
  begun(turnId: string, key: string): LedgerRow | undefined {
    return [...this.ledger.values()].find(
      (row) => row.turn_id === turnId && `${row.turn_id}:${row.n}` === key && ledgerInputOf(row) !== undefined,
    );
  }

  #say(check: string, text: string): void {
    this.#ports.findings.say(check, text);
  }

  #expect(isRight: boolean, check: string, text: () => string): void {
    this.#ports.findings.expect(isRight, check, text);
  }
}

/** How many calls of a message have an id: providers use them again. */
function callCount({ message }: LiveState, callId: string): number {
  return callsOf(message.parts).filter(({ toolCallId }) => toolCallId === callId).length;
}
