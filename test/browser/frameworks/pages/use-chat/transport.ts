import { createChatTransport } from "chatcell/ai-sdk";
import type { UIMessage } from "ai";
import { followAddress, type ThreadOfPage } from "../address.ts";

export const transport = createChatTransport({ url: "/chat" });

export interface ChatProps extends ThreadOfPage {
  first: UIMessage[];
}

/** Calls `show` with the thread of the address and its history. */
export function followThread(show: (props: ChatProps) => unknown): void {
  let shown = 0;
  followAddress(async (thread) => {
    const turn = ++shown;
    const first = thread.isNew ? [] : await transport.load(thread.id);
    if (turn === shown) show({ ...thread, first });
  });
}
