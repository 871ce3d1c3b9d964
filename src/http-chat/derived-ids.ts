// Ids that follow from what they are for, so that a request that is repeated, or made twice at once, is one command.
import { encodeBase64url } from "../auth/base64url.ts";

/** An id that the server takes. */
const ID = /^[\w-]{8,64}$/;
/** Of a derived message id: so many characters say which message of the page it stands for. 60 bits. */
const TAG_LENGTH = 10;

/** An id of 22 characters that is the same for the same parts, and for no others. */
export async function deriveId(...parts: unknown[]): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(parts)));
  return encodeBase64url(new Uint8Array(digest, 0, 16));
}

/** The ids that one message of a page may have in its thread. */
export interface PageId {
  /** The one that it has by itself, or null when the server takes no such id. */
  own: string | null;
  is: (id: string) => boolean;
  /** An id for what takes its place, the same for the same parts. */
  next: (...parts: unknown[]) => Promise<string>;
}

/**
 * A page keeps its id for a message that it edits, and in the thread the edit is another message. Nobody remembers which: ids of
 * edits begin with what follows from the page's.
 */
export async function pageIdOf(localId: string): Promise<PageId> {
  const tag = (await deriveId("message", localId)).slice(0, TAG_LENGTH);
  const own = ID.test(localId) ? localId : null;
  return {
    own,
    is: (id) => id === localId || (id.length === 22 && id.startsWith(tag)),
    next: async (...parts) => tag + (await deriveId(localId, ...parts)).slice(TAG_LENGTH),
  };
}
