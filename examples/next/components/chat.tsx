"use client";

import { useChat } from "@ai-sdk/react";
import { isToolUIPart, lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";
import type { ChatMessage } from "chatcell/client";
import { usePathname } from "next/navigation";
import { useEffect } from "react";
import { Announcer } from "@/components/announcer";
import { Composer } from "@/components/composer";
import { Message } from "@/components/message";
import { useThread } from "@/components/use-thread";
import { Welcome } from "@/components/welcome";
import { transport } from "@/lib/transport";

/**
 * A chat: stock `useChat`, whose id is that of the thread. `first` is the history that the server had. A chat with an address has a
 * thread; a new one gets both by its first message.
 */
export function Chat({ id, first }: { id: string; first: ChatMessage[] }) {
  const address = `/chat/${id}`;
  const hasAddress = usePathname() === address;
  const { messages, status, error, sendMessage, setMessages, regenerate, addToolApprovalResponse } = useChat<ChatMessage>({
    id,
    transport,
    messages: first,
    resume: hasAddress,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  const isMade = hasAddress || messages.some(({ role }) => role === "assistant");
  const { isRunning, trouble, stop } = useThread(id, isMade, setMessages);
  const isBusy = isRunning || status === "submitted" || status === "streaming";
  const last = messages.at(-1);
  const hasFailed = Boolean(error ?? last?.facts?.error);
  const isAsking = last?.parts.some((part) => isToolUIPart(part) && part.state === "approval-requested") ?? false;

  useEffect(() => {
    // For a reload, and for other tabs. Next hears of it, and leaves the page as it is.
    if (isMade) window.history.replaceState(null, "", address);
  }, [isMade, address]);

  const send = (text: string) => void sendMessage({ text });

  return (
    <main className="chat">
      <div className="scroll" tabIndex={-1}>
        {/* The announcer speaks, once per answer. A log that reads every token aloud would never stop talking. */}
        <div className="messages" role="log" aria-live="off" aria-label="Messages">
          {messages.length === 0 ? <Welcome onPick={send} /> : null}
          {messages.map((message) => (
            <Message
              key={message.id}
              message={message}
              onAnswer={(approval, approved) => void addToolApprovalResponse({ id: approval, approved })}
            />
          ))}
          {isBusy && last?.role === "user" ? (
            <p className="typing">
              <span className="visually-hidden">The assistant is thinking</span>
              <i />
              <i />
              <i />
            </p>
          ) : null}
          {error && !last?.facts?.error ? (
            <p className="trouble" role="alert">
              {error.message}
            </p>
          ) : null}
          {last && !isBusy && !isAsking && (hasFailed || last.role === "assistant") ? (
            <button type="button" className="quiet" onClick={() => void regenerate()}>
              {hasFailed ? "Try again" : "Answer again"}
            </button>
          ) : null}
        </div>
      </div>
      <div className="dock">
        {trouble ? (
          <p className="trouble" role="status">
            {trouble}
          </p>
        ) : null}
        <Composer isBusy={isBusy} onSend={send} onStop={stop} />
      </div>
      <Announcer last={last} isBusy={isBusy} isAsking={isAsking} />
    </main>
  );
}
