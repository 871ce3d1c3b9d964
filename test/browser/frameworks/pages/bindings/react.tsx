// Our binding for React, as the guide has it. StrictMode counts in the development build only.
import { useThread } from "chatcell/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { followAddress, keepAddress, type ThreadOfPage } from "../address.ts";
import { asked, textOf } from "../parts.ts";

function Chat({ id, isNew }: ThreadOfPage) {
  const { messages, status, send, stop, regenerate, approve } = useThread({ url: "/chat", threadId: id, create: isNew });
  return (
    <>
      {messages.map((message) => (
        <article key={message.id} id={message.id} className={message.role}>
          {textOf(message)}
        </article>
      ))}
      {asked(messages).map((approval) => (
        <p key={approval}>
          <button onClick={() => void approve(approval, { approved: true })}>Allow</button>
          <button onClick={() => void approve(approval, { approved: false })}>Deny</button>
        </p>
      ))}
      <form
        action={(form) => {
          keepAddress(id);
          void send(form.get("text") as string);
        }}
      >
        <input name="text" aria-label="Message" />
      </form>
      {status === "ready" ? (
        <button onClick={() => void regenerate()}>Regenerate</button>
      ) : (
        <button onClick={() => void stop()}>Stop</button>
      )}
      <output>{status}</output>
    </>
  );
}

const root = createRoot(document.getElementById("app")!);
followAddress((thread) =>
  root.render(
    <StrictMode>
      <Chat {...thread} />
    </StrictMode>,
  ),
);
