// History that nobody had to type: a thread with so many messages, put into its tables. No assertions.
import { newId } from "../../../src/protocol/ids.ts";
import { getTicket } from "./client.ts";
import { evict, query } from "./objects.ts";

const MESSAGES = `INSERT INTO cc_message (rev, id, parent, role, author, facts, format, body, overflow, created_at)
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
  SELECT i, 'message-' || i, CASE WHEN i > 1 THEN 'message-' || (i - 1) END, CASE i % 2 WHEN 1 THEN 'user' ELSE 'assistant' END,
    CASE i % 2 WHEN 1 THEN 'user-1' END, NULL, 1, '{"parts":[{"type":"text","text":"message ' || i || '"}]}', 0, i FROM n`;

/** The epoch of every thread of {@link threadOf}. */
export const EPOCH = "epoch-of-typed-history";

/** A thread of user-1 with `count` messages, one for each revision, not in memory. */
export async function threadOf(count: number): Promise<string> {
  const threadId = newId();
  await getTicket(threadId, "user-1", { create: true });
  await query(threadId, MESSAGES, count);
  await query(threadId, "UPDATE cc_session SET epoch = ?, rev = ?, head = ?", EPOCH, count, `message-${count}`);
  await evict(threadId);
  return threadId;
}
