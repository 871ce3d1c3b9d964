// What the app's class gives to the session: the seam between the two, so that the session never sees the class.
import type { Principal } from "../protocol/principal.ts";
import type { Command, Role } from "../protocol/frames.ts";
import type { Message, TurnFacts } from "../protocol/messages.ts";
import type { Connection } from "../sockets/connection.ts";
import type { TurnResult } from "../stream/source.ts";
import type { Turn } from "./turn-context.ts";

/** What `onTurnEnd` is told. */
export interface TurnEndEvent {
  /** Also the idempotency key: the same turn has the same id when the hook is called again. */
  turnId: string;
  /** The stored reply; null when the turn ended without output. */
  reply: Message | null;
  facts: TurnFacts;
  /** True when an earlier call may have happened: the process died, or the hook threw, before it returned. */
  again: boolean;
}

export interface SessionHooks {
  onTurn(turn: Turn): TurnResult | Promise<TurnResult>;
  /** Undefined when the app has none: then nothing is stored or scheduled for it. */
  readonly onTurnEnd?: ((event: TurnEndEvent) => void | Promise<void>) | undefined;
  onConnect(connection: Connection): void | Promise<void>;
  onDisconnect(connection: Connection): void | Promise<void>;
  /** May only narrow what the role allows. */
  authorize(principal: Principal, role: Role, command: Command): boolean;
  authorizeCreate(principal: Principal, threadId: string): boolean;
  /** May grant a role beyond the stored ones. */
  authorizeThread(principal: Principal): Role | null;
  /** The validated per-request body. Throws `bad_request`. */
  parseBody(value: unknown): unknown;
  /** The validated app state; undefined when the class declares none. Throws `bad_request`. */
  readonly parseState: ((value: object) => unknown) | undefined;
  /** True for the name of a tool that clients run. */
  isClientTool(this: void, toolName: string): boolean;
  /** The validated output of a client tool. Throws `bad_request`. */
  parseToolOutput(toolName: string, output: unknown): unknown;
  /** What people are shown of an error of the model, of a tool or of `onTurn`. Never throws. */
  errorText(error: unknown): string;
}
