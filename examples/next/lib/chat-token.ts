// What the chat Worker takes a visitor by. Short, because nobody can take it back.
import "server-only";
import { signIdentity } from "@/lib/identity";

export const TOKEN_SECONDS = 300;

export function createChatToken(visitor: string): Promise<string> {
  return signIdentity(visitor, "CHAT_TOKEN_SECRET", TOKEN_SECONDS);
}
