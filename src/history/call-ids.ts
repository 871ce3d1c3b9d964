// The ids of tool calls as a model is shown them. Some providers count from zero in every reply, and a thread may change its
// provider: one id may then stand for many calls, or be one that the next provider refuses.

/** OpenAI takes no longer one. */
const MAX_ID_LENGTH = 64;

/**
 * Gives each call of a prompt an id of its own that every provider takes. Calls must come in the order of the thread: an id
 * then depends only on what came before it, and the beginning of the prompt stays the same from turn to turn (it is cached).
 */
export class CallIds {
  readonly #used = new Set<string>();
  /** Base of ids that were taken → the number to try next. */
  readonly #next = new Map<string, number>();

  /** Keeps `id` for a call that comes later and must have it. False when it is taken already. */
  reserve(id: string): boolean {
    if (this.#used.has(id)) return false;
    this.#used.add(id);
    return true;
  }

  /** The id for a call that was stored with `id`: that one when it can be used, else one made from it. */
  claim(id: unknown): string {
    const base = (typeof id === "string" && id.replace(/[^\w-]/g, "_").slice(0, MAX_ID_LENGTH)) || "call";
    if (this.reserve(base)) return base;
    for (let number = this.#next.get(base) ?? 2; ; number++) {
      const suffix = `_${number}`;
      const candidate = base.slice(0, MAX_ID_LENGTH - suffix.length) + suffix;
      if (!this.reserve(candidate)) continue;
      this.#next.set(base, number + 1);
      return candidate;
    }
  }
}
