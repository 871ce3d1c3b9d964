// The app's typed value of a thread, and the title: compare-and-set, validated, told to every client as what changed.
import { ChatError } from "../errors.ts";
import { utf8Length } from "../protocol/bytes.ts";
import type { SetCommand } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { SessionRow } from "../storage/session-table.ts";
import { tryParseObject } from "../storage/row-codec.ts";
import type { Tables } from "../storage/tables.ts";
import type { Commit } from "./commit.ts";
import type { SessionHooks } from "./hooks.ts";
import { viewOf } from "./turn-view.ts";

export interface AppStateOptions {
  tables: Tables;
  hooks: Pick<SessionHooks, "parseState">;
}

export class AppState {
  readonly #options: AppStateOptions;

  constructor(options: AppStateOptions) {
    this.#options = options;
  }

  /** The state of a thread as its schema gives it; undefined when the class declares none. */
  of(session: Pick<SessionRow, "state">): unknown {
    const { parseState } = this.#options.hooks;
    if (!parseState) return undefined;
    const stored = tryParseObject(session.state);
    try {
      return parseState(stored ?? {});
    } catch {
      // Stored under an older schema, or the schema has no defaults: it is shown as it is, and a `set` brings it up to date.
      return stored ?? {};
    }
  }

  /**
   * Sets the title, or merges a value into the state at its top level; the whole is validated.
   * @throws {ChatError} `state_conflict` when the field has changed since `ifRev`, with its value and revision; `bad_request`,
   * `too_large`
   */
  set(commit: Commit, { field, value, ifRev }: Pick<SetCommand, "field" | "value" | "ifRev">): void {
    const { session } = commit;
    const isState = field === "state";
    const current = isState ? this.of(session) : session.title;
    const fieldRev = isState ? session.stateRev : session.metaRev;
    if (ifRev !== undefined && ifRev !== fieldRev) {
      throw new ChatError("state_conflict", `The ${field} has changed since revision ${ifRev}.`, {
        details: { value: current, rev: fieldRev },
      });
    }
    const from = session.rev;
    if (isState) {
      const { state, text } = this.#merged(current, value as object);
      const rev = commit.nextRev();
      commit.change({ state: text, stateRev: rev });
      this.#announce(commit, from, { state, stateRev: rev });
    } else {
      const rev = commit.nextRev();
      commit.change({ title: value as string | null, metaRev: rev });
      this.#announce(commit, from, { title: value as string | null, metaRev: rev });
    }
  }

  #merged(current: unknown, change: object): { state: unknown; text: string } {
    const { parseState } = this.#options.hooks;
    if (!parseState) throw new ChatError("bad_request", "This chat has no state: the class has no `static state`.");
    const state = parseState({ ...(current as object), ...change });
    const text = JSON.stringify(state);
    if (text === undefined || utf8Length(text) > LIMITS.maxStateBytes) {
      throw new ChatError("too_large", `The state of a thread may have at most ${LIMITS.maxStateBytes} bytes as JSON.`);
    }
    return { state: JSON.parse(text) as unknown, text };
  }

  #announce(commit: Commit, from: number, change: { state?: unknown; stateRev?: number; title?: string | null; metaRev?: number }): void {
    const live = this.#options.tables.turns.live();
    commit.broadcast({ type: "delta", from, to: commit.session.rev, session: change, turn: live ? viewOf(live) : null });
  }
}
