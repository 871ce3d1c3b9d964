// The objects that the workerd tests talk to. `Puppet` hands the stream of each turn to the test, which plays the model.
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import type { UIMessageChunk } from "ai";
import {
  anonymous,
  bearer,
  ChatSessionObject,
  routeChatRequest,
  type Command,
  type Connection,
  type Principal,
  type Role,
  type Turn,
  type TurnEndEvent,
} from "../../src/entries/index.ts";

export interface Env {
  PUPPET: DurableObjectNamespace<Puppet>;
  HOOKED: DurableObjectNamespace<Hooked>;
  PLAIN: DurableObjectNamespace<PlainObject>;
  CHATCELL_SECRET: string;
}

/** One run of `onTurn`, held by the test. */
export interface Play {
  turn: Turn;
  write(chunk: UIMessageChunk): void;
  text(...deltas: string[]): void;
  end(): void;
  fail(error: unknown): void;
}

export class Puppet extends ChatSessionObject<Env> {
  static override readonly connectionState = z.object({ tab: z.number() });
  static override readonly body = z.object({ tone: z.string() }).optional();
  static override readonly migrations = [{ id: 1, name: "notes", sql: "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)" }];

  plays: Play[] = [];
  ends: TurnEndEvent[] = [];
  connects: Connection[] = [];
  disconnects: string[] = [];
  constructions = 0;
  mayCommand = true;
  #waiting: ((play: Play) => void)[] = [];

  /** The next run that has begun and that no one has taken. */
  async nextPlay(): Promise<Play> {
    const play = this.plays.shift();
    return play ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  override onTurn(turn: Turn): ReadableStream<UIMessageChunk> {
    return new ReadableStream<UIMessageChunk>({
      start: (controller) => {
        const play: Play = {
          turn,
          write: (chunk) => controller.enqueue(chunk),
          text: (...deltas) => {
            controller.enqueue({ type: "text-start", id: "t" });
            for (const delta of deltas) controller.enqueue({ type: "text-delta", id: "t", delta });
            controller.enqueue({ type: "text-end", id: "t" });
          },
          end: () => controller.close(),
          fail: (error) => controller.error(error),
        };
        const taker = this.#waiting.shift();
        if (taker) taker(play);
        else this.plays.push(play);
      },
    });
  }

  override onConnect(connection: Connection): void {
    this.connects.push(connection);
  }

  override onDisconnect(connection: Connection): void {
    this.disconnects.push(connection.id);
  }

  override authorize(_principal: Principal, _role: Role, _command: Command): boolean {
    return this.mayCommand;
  }
}

/** A class with the hook that `Puppet` does not have. */
export class Hooked extends Puppet {
  override async onTurnEnd(event: TurnEndEvent): Promise<void> {
    this.ends.push(event);
  }
}

/** An object that is no chat, for tests of storage by itself. */
export class PlainObject extends DurableObject<Env> {}

/** `Bearer <id>` is the principal of that id. */
const verify = (token: string): Principal | null => (token.startsWith("user-") ? { id: token } : null);

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const answer = await routeChatRequest(request, {
      namespace: env.PUPPET,
      secret: env.CHATCELL_SECRET,
      authenticate: [bearer(verify), anonymous()],
      allowedOrigins: ["https://app.example"],
    });
    return answer ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
