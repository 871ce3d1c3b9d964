// Where messages wait over a reload. Storage is never trusted and never waited for: what is wrong with it costs no more than
// what it would have kept. Pages that share it keep their hands off each other's entries; that two of them send one is no
// harm, since the server takes an id once.
import type { OutboxEntry, TurnFields, TurnRequest } from "./outbox.ts";
import type { OutboxKeeper, OutboxStorage } from "./types.ts";

type Stored = Pick<OutboxEntry<TurnRequest>, "request" | "createdAt" | "author" | "error">;

/**
 * Keeps messages that the server has not taken over a reload, for at most 6 days. They are sent with the same ids, by the
 * principal who wrote them only. `storage` is called when it is needed; what fails in it costs no more than this.
 */
export const storedOutbox =
  (storage: () => OutboxStorage): OutboxKeeper =>
  (outbox, { url, threadId, create }) => {
    const key = `chatcell ${url} ${threadId}`;
    let loaded: Promise<void> | undefined;
    /** Ids that this page has sent or has read: what becomes of them in storage is its to say. */
    const own = new Set<string>();
    let kept = "[]";

    const read = async (): Promise<Stored[]> => {
      try {
        const stored = JSON.parse((await storage().getItem(key))!) as Stored[];
        return stored.filter((entry) => Array.isArray((entry?.request as TurnFields | undefined)?.parts));
      } catch {
        return []; // Nothing there, nothing to be had, or nothing that we wrote.
      }
    };

    const load = async (): Promise<void> => {
      for (const { request, createdAt, author, error } of await read()) {
        if (own.has(request.id)) continue;
        own.add(request.id);
        kept = ""; // It is in storage, and in none of what this page has stored.
        // Of an epoch that was known before the reload, a thread that is to be made knows nothing.
        if (create === true) delete request.epoch;
        // One that only waited for its client, when that was closed, goes on waiting.
        const entry = outbox.add(request, createdAt, error?.code === "interrupted" ? undefined : error);
        entry.author = author;
      }
    };

    return {
      load: (then) => {
        loaded ??= load().then(then);
      },

      save: async (): Promise<void> => {
        const entries = outbox
          .unseen()
          .filter(({ request, delivery }) => (request as TurnFields).parts && delivery !== "sent")
          .map(({ request, createdAt, author, error }) => ({ request, createdAt, author, error }));
        const text = JSON.stringify(entries);
        if (text === kept) return;
        kept = text;
        for (const { request } of entries) own.add(request.id);
        const others = (await read()).filter(({ request }) => !own.has(request.id));
        const all = [...others, ...entries];
        try {
          await (all.length ? storage().setItem(key, JSON.stringify(all)) : storage().removeItem(key));
        } catch {
          // Full, or not to be had.
        }
      },
    };
  };
