import { Chat } from "./chat.tsx";
import { useThreadAddress } from "./thread-address.ts";

export function App() {
  const { threadId, isNew, startNew } = useThreadAddress();
  // The key: each thread begins with an empty composer, at its own end.
  return <Chat key={threadId} threadId={threadId} isNew={isNew} onNewChat={startNew} />;
}
