"use client";

import type { ChatMessage } from "chatcell/client";
import { useEffect, useState } from "react";
import { transport } from "@/lib/transport";

/**
 * What other tabs, devices and the server do in a thread. `useChat` knows only of its own requests: its messages come through
 * `setMessages`, and that one of others is being answered is `isRunning`. `stop` ends whatever is answered; `trouble` says what
 * is wrong with the connection, or why that was refused.
 */
export function useThread(id: string, isMade: boolean, setMessages: (messages: ChatMessage[]) => void) {
  const [isRunning, setRunning] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [refusal, setRefusal] = useState<string | null>(null);

  useEffect(() => {
    if (!isMade) return;
    const unwatch = transport.watch(id, setMessages);
    const unsubscribe = transport.client(id).subscribe(({ status, connection }) => {
      setRunning(status === "submitted" || status === "streaming");
      if (connection.kind === "stopped") setTrouble(connection.reason.message);
      else setTrouble(connection.kind === "waiting" ? "The line is down. Trying again…" : null);
    });
    return () => {
      unwatch();
      unsubscribe();
    };
  }, [id, isMade, setMessages]);

  const stop = () => {
    setRefusal(null);
    transport.stop(id).catch((error: Error) => setRefusal(error.message));
  };

  return { isRunning, trouble: trouble ?? (isRunning ? refusal : null), stop };
}
