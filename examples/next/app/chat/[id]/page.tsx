import { notFound } from "next/navigation";
import { Chat } from "@/components/chat";
import { loadHistory } from "@/lib/history";

export default async function ChatPage({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  const first = await loadHistory(id);
  if (first.length === 0) notFound();
  return <Chat key={id} id={id} first={first} />;
}
