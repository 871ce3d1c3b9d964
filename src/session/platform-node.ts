// platform.ts for plain Node, where `cloudflare:workers` does not exist: an object gets its whole platform from the simulated
// world that made it. It names nothing of that world, so a Worker whose bundler takes this file by mistake is told so.
import { ChatError } from "../errors.ts";
import type { Platform } from "./platform.ts";

/** Where the `ctx` of an object in a simulated world has its {@link Platform}. Registered, since there may be two copies of this file. */
export const SIMULATED: unique symbol = Symbol.for("chatcell.simulated") as never;

/** A `ctx` of a simulated world. */
export interface SimulatedState {
  readonly [SIMULATED]: Platform;
}

/** The base class: as in workerd, all that it does is to keep what it was given. */
export class DurableObject<Env = unknown> {
  protected readonly ctx: DurableObjectState;
  protected readonly env: Env;

  constructor(ctx: DurableObjectState, env: Env) {
    this.ctx = ctx;
    this.env = env;
  }
}

/** @throws {ChatError} `configuration` outside of a simulated world */
export function platformOf(ctx: DurableObjectState): Platform {
  const platform = (ctx as Partial<SimulatedState> | undefined)?.[SIMULATED];
  if (platform) return platform;
  throw new ChatError(
    "configuration",
    "This is chatcell for Node, which lives in a simulated world only: use `createTestThread` of chatcell/testing. " +
      "In a Worker it means that the bundler has resolved the export condition `node` before `workerd`: put `workerd` first.",
  );
}
