import { newThreadId } from "chatcell/client";
import { connection } from "next/server";
import { Chat } from "@/components/chat";

/** A new chat: an id that nobody has, and nothing behind it until the first message makes the thread. */
export default async function NewChatPage() {
  // Each visit has an id of its own: this page is not one to be built ahead.
  await connection();
  const id = newThreadId();
  return <Chat key={id} id={id} first={[]} />;
}
