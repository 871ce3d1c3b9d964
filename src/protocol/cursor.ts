// What a client holds, in one url-safe string: `epoch.rev` or `epoch.rev.turnId.seq`. Ids hold no dot.

/** How far a client has come: the settled revision, and the seq of the live message it holds. */
export interface Cursor {
  epoch: string;
  rev: number;
  live?: { turnId: string; seq: number };
}

/** The string form of a cursor. */
export function formatCursor({ epoch, rev, live }: Omit<Cursor, "live"> & { live?: Cursor["live"] | null }): string {
  return live ? `${epoch}.${rev}.${live.turnId}.${live.seq}` : `${epoch}.${rev}`;
}

/** The cursor in `text`, or null when it is not one. Never throws: an unusable cursor only costs a snapshot. */
export function tryParseCursor(text: string): Cursor | null {
  const match = /^([\w-]{1,64})\.(\d{1,15})(?:\.([\w-]{1,64})\.(\d{1,15}))?$/.exec(text);
  if (!match) return null;
  const [, epoch, rev, turnId, seq] = match;
  return { epoch: epoch!, rev: Number(rev), ...(turnId ? { live: { turnId, seq: Number(seq) } } : {}) };
}
