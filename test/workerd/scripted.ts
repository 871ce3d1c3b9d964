// An object whose turns follow a scene of the test. Scenes are kept outside of the object, so they outlive its memory: what a
// run does after a crash is in the same place as what it did before.
import { z } from "zod";
import { ChatSessionObject, type ChatOptions, type Principal, type Role, type Turn, type TurnResult } from "../../src/entries/index.ts";

/** What an object of {@link Scripted} does. */
export interface SceneHooks {
  onTurn(turn: Turn): TurnResult | Promise<TurnResult>;
  errorText(error: unknown): string | undefined;
}

/** By the text of the object's id. */
export const scenes = new Map<string, SceneHooks>();

const PREFIX = "scripted-";

/** True for a thread whose object is a {@link Scripted}. */
export const isScripted = (threadId: string): boolean => threadId.startsWith(PREFIX);

/** An id that clients may choose, of 22 characters. @param id random */
export const scriptedId = (id: string): string => PREFIX + id.slice(0, 22 - PREFIX.length);

const GRANTED: Record<string, Role> = { "user-2": "member", "user-viewer": "viewer" };

export class Scripted extends ChatSessionObject {
  static override readonly clientTools = {
    pickDate: { input: z.object({ label: z.string() }), output: z.object({ date: z.iso.date() }) },
    locate: {},
    when: { output: z.coerce.date() },
    strange: { output: z.string().transform((text) => (text === "nothing" ? undefined : 1n)) },
  };

  /** A timer would keep the local platform from evicting the object while a tool hangs. */
  static override configure(): ChatOptions {
    return { limits: { toolTimeoutMs: Infinity } };
  }

  get #scene(): SceneHooks {
    const scene = scenes.get(this.ctx.id.toString());
    if (!scene) throw new Error("This thread has no scene.");
    return scene;
  }

  override onTurn(turn: Turn): TurnResult | Promise<TurnResult> {
    return this.#scene.onTurn(turn);
  }

  override errorText(error: unknown): string | undefined {
    return this.#scene.errorText(error);
  }

  override authorizeThread(principal: Principal): Role | null {
    return GRANTED[principal.id] ?? null;
  }
}

/** Settings with the other policy of recovery. */
export const GO_ON: ChatOptions = { ...Scripted.configure(), recovery: "continue" };
