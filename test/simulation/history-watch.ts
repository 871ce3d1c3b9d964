// Looks at history after every commit: what is added stands where it has to, what is there stays, and the head is the last
// message of the active branch.
import { isDeepStrictEqual } from "node:util";
import type { Part, TurnFacts } from "../../src/protocol/messages.ts";
import type { CommitStep, WatchPorts } from "./commit-watch.ts";
import { inputOf, liveIdOf, type MessageRow, type TurnRow } from "./rows.ts";

/** A message as it was stored at some time. */
export interface Version {
  body: { parts: Part[]; metadata?: unknown };
  facts: TurnFacts | null;
  lastTurn: TurnFacts | null;
}

export class HistoryWatch {
  readonly #ports: WatchPorts;
  readonly messages = new Map<string, MessageRow>();
  /** Every content that a message ever had, the first one first. */
  readonly versions = new Map<string, Version[]>();
  /** Turns that ended, in their order, with their facts and the message that bears them. */
  readonly ended = new Map<string, { messageId: string; facts: TurnFacts; hasOutput: boolean }>();
  /** User messages with the message that they took the place of. */
  readonly edits = new Map<string, string>();

  constructor(ports: WatchPorts) {
    this.#ports = ports;
  }

  adopt(): void {
    for (const row of this.#query("SELECT * FROM cc_message ORDER BY rev")) this.#note(row);
  }

  factsOf(turnId: string): TurnFacts | undefined {
    return this.ended.get(turnId)?.facts;
  }

  /** The branch that ends at a message, oldest first. */
  branch(last: string | null): MessageRow[] {
    const branch: MessageRow[] = [];
    for (let row = this.messages.get(last ?? ""); row; row = this.messages.get(row.parent ?? "")) branch.push(row);
    return branch.reverse();
  }

  look({ before, now, commands, present, passed }: CommitStep): void {
    const since = before?.session.rev ?? 0;
    const turns = before?.turns ?? [];
    const gone = [...turns.filter(({ id }) => !now.turns.some((turn) => turn.id === id)), ...passed];
    let head = before?.session.head ?? null;
    let headRev = before?.session.head_rev ?? 0;
    let seen = 0;
    for (const row of this.#query("SELECT * FROM cc_message WHERE rev > ? OR changed > ? ORDER BY coalesce(changed, rev)", since, since)) {
      seen++;
      const old = this.messages.get(row.id);
      this.#note(row);
      if (old) {
        this.#lookAtChange(old, row, gone, head);
        continue;
      }
      const isAppend = commands.some(({ id }) => id === row.id) && present?.command.type === "append";
      const parent = this.#parentOf(row, head, turns, now.turns, isAppend);
      this.#expect(row.parent === parent, "order", () => `${row.id} stands under ${row.parent}, that should be ${parent}`);
      if (row.parent !== head) headRev = row.rev;
      head = row.id;
    }
    this.#noteHidden(gone, since);
    this.#expect(now.session.head === head, "head", () => `the head is ${now.session.head}, the last message ${head}`);
    this.#expect(now.session.head_rev === headRev, "head", () => `head_rev is ${now.session.head_rev}, that should be ${headRev}`);
    this.#expect(seen === 0 || now.session.rev > since, "rev", () => "messages changed and rev did not");
    const count = this.#ports.object.storage.query<{ n: number }>("SELECT count(*) AS n FROM cc_message")[0]!.n;
    this.#expect(count === this.messages.size, "append only", () => `${this.messages.size} messages were stored, ${count} are`);
  }

  /** Where a new message has to stand. */
  #parentOf(row: MessageRow, head: string | null, before: readonly TurnRow[], now: readonly TurnRow[], isAppend: boolean): string | null {
    if (row.role === "user") {
      const turn = now.find(({ message_id, kind }) => message_id === row.id && (kind === "send" || kind === "edit"));
      this.#expect(turn?.state === "running", "user message", () => `${row.id} entered history, and its turn is ${turn?.state ?? "none"}`);
      const { target } = turn ? inputOf(turn) : {};
      if (turn?.kind !== "edit" || target === undefined) return head;
      this.edits.set(row.id, target);
      return this.messages.get(target)?.parent ?? null;
    }
    const queued = before.find(({ id }) => id === row.id);
    if (isAppend || queued?.kind === "append") {
      this.#expect(row.author !== null && row.facts === null, "append", () => `${row.id} was appended without an author, or with facts`);
      return head;
    }
    this.#expect(queued !== undefined && queued.kind !== "continue", "reply", () => `${row.id} is the reply of no turn that ended`);
    this.#noteEnd(row.id, row.id, row.facts, true);
    return queued?.message_id ?? null;
  }

  #lookAtChange(old: MessageRow, row: MessageRow, turns: readonly TurnRow[], head: string | null): void {
    const isSame = old.parent === row.parent && old.rev === row.rev && old.role === row.role;
    this.#expect(isSame, "append only", () => `${row.id} changed its place`);
    if (old.body !== row.body) return this.#lookAtContinued(old, row, turns, head);
    if (old.last_turn !== row.last_turn) {
      const facts = row.last_turn;
      const turn = turns.find(
        ({ id, kind, message_id, ...rest }) =>
          !this.ended.has(id) &&
          (kind === "regenerate" ? message_id === row.id : kind === "continue" && liveIdOf({ id, kind, message_id, ...rest }) === row.id),
      );
      this.#expect(old.facts === row.facts && facts !== null, "facts", () => `the facts of ${row.id} changed with its lastTurn`);
      this.#expect(turn !== undefined, "facts", () => `${row.id} got a lastTurn, and no turn about it ended`);
      if (turn) this.#noteEnd(turn.id, row.id, facts, false);
      return;
    }
    const turn = turns.find(
      ({ id, message_id, kind }) => message_id === row.id && !this.ended.has(id) && (kind === "send" || kind === "edit"),
    );
    this.#expect(old.facts === null && turn !== undefined, "facts", () => `${row.id} got facts, and its turn did not end`);
    if (turn) this.#noteEnd(turn.id, row.id, row.facts, false);
  }

  /** A reply that went on: what it had is still there, and its facts are those of the turn that went on. */
  #lookAtContinued(old: MessageRow, row: MessageRow, turns: readonly TurnRow[], head: string | null): void {
    const turn = turns.find((one) => one.kind === "continue" && liveIdOf(one) === row.id && !this.ended.has(one.id));
    if (!turn) return this.#say("append only", `${row.id} changed from ${old.body} to ${row.body}`);
    this.#noteEnd(turn.id, row.id, row.facts, true);
    this.#expect(row.id === head, "continue", () => `${row.id} went on, and ${head} is the last message`);
    this.#expect(row.last_turn === null, "facts", () => `${row.id} went on and has still a lastTurn`);
    const [was, is] = [partsOf(old), partsOf(row)];
    const base = was.filter((part, index) => index < was.length - 1 || part.type !== "data-notice");
    // A data part with the id of an older one takes its place.
    const isKept = (part: Part, index: number) => part.type.startsWith("data-") || isDeepStrictEqual(part, is[index]);
    this.#expect(base.every(isKept), "continue", () => `${row.id} went on from ${old.body} and is ${row.body}`);
    this.#expect(is.length > base.length, "continue", () => `${row.id} went on with nothing, and was replaced`);
  }

  /** Of two turns about one message that end in one commit only the last is seen: the others could not go on at all. */
  #noteHidden(gone: readonly TurnRow[], since: number): void {
    for (const turn of gone) {
      const row = this.messages.get(turn.kind === "continue" ? liveIdOf(turn) : "");
      if (this.ended.has(turn.id) || turn.state !== "queued" || !row || (row.changed ?? 0) <= since || row.last_turn === null) continue;
      if ((JSON.parse(row.last_turn) as TurnFacts).error?.code === "head_moved") this.#noteEnd(turn.id, row.id, row.last_turn, false);
    }
  }

  #noteEnd(turnId: string, messageId: string, facts: string | null, hasOutput: boolean): void {
    this.#expect(!this.ended.has(turnId), "once", () => `${turnId} ended twice`);
    this.#expect(facts !== null, "facts", () => `${turnId} ended without facts`);
    this.ended.set(turnId, { messageId, facts: JSON.parse(facts ?? "{}") as TurnFacts, hasOutput });
  }

  #note(row: MessageRow): void {
    this.messages.set(row.id, row);
    const version: Version = {
      body: JSON.parse(row.body) as Version["body"],
      facts: row.facts === null ? null : (JSON.parse(row.facts) as TurnFacts),
      lastTurn: row.last_turn === null ? null : (JSON.parse(row.last_turn) as TurnFacts),
    };
    const versions = this.versions.get(row.id);
    if (versions) versions.push(version);
    else this.versions.set(row.id, [version]);
  }

  /** With the bodies whole. */
  #query(sql: string, ...params: number[]): MessageRow[] {
    const { storage } = this.#ports.object;
    return storage.query<MessageRow>(sql, ...params).map((row) => {
      if (row.overflow === 0) return row;
      const rest = storage.query<{ body: string }>("SELECT body FROM cc_overflow WHERE tbl = 'cc_message' AND key = ? ORDER BY n", row.id);
      return { ...row, body: row.body + rest.map(({ body }) => body).join("") };
    });
  }

  #say(check: string, text: string): void {
    this.#ports.findings.say(check, text);
  }

  #expect(isRight: boolean, check: string, text: () => string): void {
    this.#ports.findings.expect(isRight, check, text);
  }
}

/** The parts of a message. */
export function partsOf({ body }: Pick<MessageRow, "body">): Part[] {
  return (JSON.parse(body) as { parts: Part[] }).parts;
}
