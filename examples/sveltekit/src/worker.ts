// The Worker that is deployed: the chat below /chat, everything else as SvelteKit built it, and the class of the threads.
import page from "../.svelte-kit/cloudflare/_worker.js";
import { routeChat, type Env } from "./lib/server/route-chat.ts";

export { Chat } from "./chat.ts";

export default {
  async fetch(request: Request, env: Env, context: unknown): Promise<Response> {
    return (await routeChat(request, env)) ?? page.fetch(request, env, context);
  },
};
