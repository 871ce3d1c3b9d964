// The world outside of the killed process, as one HTTP server: what calls it has happened, whatever becomes of the caller.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { PromptMessage } from "../../../src/entries/testing.ts";
import { Bell } from "./until.ts";

/** The model was asked. */
export interface ModelCall {
  kind: "model";
  turnId: string;
  attempt: number;
  /** Which step of the errand the prompt asks for, from 0. */
  step: number;
  prompt: PromptMessage[];
}

/** A tool did something that cannot be taken back. */
export interface Effect {
  kind: "effect";
  turnId: string;
  tool: string;
  /** Idempotency key. */
  key: string;
  /** Which call: see `callsOfStep`. */
  what: string;
  ms: number;
}

export class Outside {
  /** Everything that happened, oldest first. */
  readonly models: ModelCall[] = [];
  readonly effects: Effect[] = [];
  readonly #bell = new Bell();
  readonly #server = createServer((request, response) => void this.#take(request, response));

  static async start(): Promise<Outside> {
    const outside = new Outside();
    await new Promise<void>((resolve) => outside.#server.listen(0, "127.0.0.1", resolve));
    return outside;
  }

  /** `host:port`, as `startWorkerd` takes it. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  modelsOf(turnId: string | undefined): ModelCall[] {
    return this.models.filter((call) => call.turnId === turnId);
  }

  effectsOf(turnId: string | undefined): Effect[] {
    return this.effects.filter((effect) => effect.turnId === turnId);
  }

  /** Resolves as soon as what has happened makes `isTrue` true. */
  until(isTrue: () => boolean, what: string, deadlineMs?: number): Promise<void> {
    return this.#bell.until(isTrue, () => `${what}\n${JSON.stringify({ models: this.models.length, effects: this.effects })}`, deadlineMs);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body: Buffer[] = [];
    for await (const piece of request) body.push(piece as Buffer);
    const value = JSON.parse(Buffer.concat(body).toString()) as object;
    if (request.url === "/model") {
      this.models.push({ kind: "model", ...value } as ModelCall);
      response.end("null");
    } else {
      const effect = { kind: "effect", ...value } as Effect;
      this.effects.push(effect);
      setTimeout(() => response.end(JSON.stringify(receiptOf(effect))), effect.ms).unref();
    }
    this.#bell.ring();
  }
}

/** What a tool is answered: the same whenever the same is asked. */
export function receiptOf({ what, key }: Pick<Effect, "what" | "key">): unknown {
  return { what, key };
}
