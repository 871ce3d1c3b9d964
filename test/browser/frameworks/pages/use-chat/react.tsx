// Stock `useChat` of React, as the guide has it. StrictMode counts in the development build only.
import { useChat } from "@ai-sdk/react";
import { lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { keepAddress } from "../address.ts";
import { asked, textOf } from "../parts.ts";
import { type ChatProps, followThread, transport } from "./transport.ts";

function Chat({ id, isNew, first }: ChatProps) {
  const { messages, sendMessage, setMessages, regenerate, addToolApprovalResponse, status } = useChat({
    id,
    transport,
    messages: first,
    resume: !isNew,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  const isMade = !isNew || messages.length > 0;
  useEffect(() => (isMade ? transport.watch(id, setMessages) : undefined), [id, isMade, setMessages]);
  return (
    <>
      {messages.map((message) => (
        <article key={message.id} id={message.id} className={message.role}>
          {textOf(message)}
        </article>
      ))}
      {asked(messages).map((approval) => (
        <p key={approval}>
          <button onClick={() => void addToolApprovalResponse({ id: approval, approved: true })}>Allow</button>
          <button onClick={() => void addToolApprovalResponse({ id: approval, approved: false })}>Deny</button>
        </p>
      ))}
      <form
        action={(form) => {
          keepAddress(id);
          void sendMessage({ text: form.get("text") as string });
        }}
      >
        <input name="text" aria-label="Message" />
      </form>
      {status === "ready" ? (
        <button onClick={() => void regenerate()}>Regenerate</button>
      ) : (
        <button onClick={() => void transport.stop(id)}>Stop</button>
      )}
      <output>{status}</output>
    </>
  );
}

const root = createRoot(document.getElementById("app")!);
followThread((props) =>
  root.render(
    <StrictMode>
      <Chat {...props} />
    </StrictMode>,
  ),
);
