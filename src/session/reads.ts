// What can be read of a thread: pages of history, single parts, and what a cursor lacks. Changes nothing.
import { ChatError } from "../errors.ts";
import { readPage, type Page } from "../history/page.ts";
import { tryParseCursor } from "../protocol/cursor.ts";
import type { PartRead, ServerFrame } from "../protocol/frames.ts";
import type { Part } from "../protocol/messages.ts";
import type { Tables } from "../storage/tables.ts";
import type { AppState } from "./app-state.ts";
import { syncFrames } from "./sync.ts";
import { liveIdOf, viewOf } from "./turn-view.ts";
import type { Turns } from "./turns.ts";

export interface ReadsPorts {
  tables: Tables;
  turns: Turns;
  appState: AppState;
}

export class Reads {
  readonly #ports: ReadsPorts;

  constructor(ports: ReadsPorts) {
    this.#ports = ports;
  }

  /** The last page, or the one that ends before message `before`; see `readPage`. @throws {ChatError} `not_found` */
  page(before?: string, options?: { isWhole: boolean }): Page {
    const { session, messages } = this.#ports.tables;
    if (before === undefined) return readPage(messages, session.read().head, options);
    const message = messages.find(before);
    if (!message) throw new ChatError("not_found", "There is no message with this id.");
    return readPage(messages, message.parent, options);
  }

  /** A part with its whole payload: of the live message, else of the stored one of this id. @throws {ChatError} `not_found` */
  part({ message: id, part: index }: Pick<PartRead, "message" | "part">): Part {
    const { tables, turns } = this.#ports;
    const turn = tables.turns.live();
    const message = turn && liveIdOf(turn) === id ? turns.live(turn).message : tables.messages.find(id);
    const part = message?.parts[index];
    if (!part) throw new ChatError("not_found", "There is no such part.");
    return part;
  }

  /** The frames that bring a client with this cursor to now. Sent without an `await` after this. */
  sync(cursor: string | null): ServerFrame[] {
    const { tables, turns, appState } = this.#ports;
    const turn = tables.turns.live();
    const source = {
      tables,
      stateOf: (session: { state: string | null }) => appState.of(session),
      queue: turns.line.items(),
      turn: turn ? viewOf(turn) : null,
      live: turn ? turns.live(turn) : null,
    };
    return syncFrames(source, cursor === null ? null : tryParseCursor(cursor));
  }
}
