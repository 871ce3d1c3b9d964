// Which thread the page shows, and what is in it already: that is in the HTML, before any socket is open.
import { error } from "@sveltejs/kit";
import { newThreadId, type MessagePage } from "chatcell/client";
import { routeChat } from "$lib/server/route-chat.ts";
import type { PageServerLoad } from "./$types";

export const load: PageServerLoad = async ({ url, request, platform, setHeaders }) => {
  // It is one visitor's: their history, or the id of the thread that they are about to make.
  setHeaders({ "cache-control": "private, no-store" });
  const threadId = url.searchParams.get("t");
  if (threadId === null) return { threadId: newThreadId(), isNew: true, messages: [], hasEarlier: false };

  // The visitor's own request to /chat, so that nobody is shown the thread of somebody else.
  const headers = { cookie: request.headers.get("cookie") ?? "", origin: url.origin };
  const address = new URL(`/chat/threads/${encodeURIComponent(threadId)}/messages`, url);
  const response = await routeChat(new Request(address, { headers }), platform!.env);
  if ([401, 404, 410].includes(response!.status)) error(404, "There is no chat here");

  // What fails for now is no reason against the page: it connects by itself, and tries again.
  const history: MessagePage = response!.ok ? await response!.json() : { messages: [], hasEarlier: false };
  return { threadId, isNew: false, ...history };
};
