// One thread: the hook gives everything that there is to show, and each component takes its share.
import { useThread } from "chatcell/react";
import { useEffect, useLayoutEffect } from "react";
import { Announcer } from "./announcer.tsx";
import { Composer } from "./composer.tsx";
import { Connection } from "./connection.tsx";
import { Message } from "./message.tsx";
import { Queue } from "./queue.tsx";
import { keepInAddress } from "./thread-address.ts";
import { useFollow } from "./use-follow.ts";
import { useRun } from "./use-run.ts";
import { Missing, Welcome } from "./welcome.tsx";

export function Chat({ threadId, isNew, onNewChat }: { threadId: string; isNew: boolean; onNewChat: () => void }) {
  const { client, messages, queue, status, connection, hasEarlier, isLoaded } = useThread({ url: "/chat", threadId, create: isNew });
  const { viewport, content, isFollowing, toEnd } = useFollow(messages[0]?.id);
  const { refusal, clearRefusal, run } = useRun(client);

  // There is a thread by now: its address leads to it.
  useEffect(() => {
    if (isLoaded) keepInAddress(threadId);
  }, [isLoaded, threadId]);

  // A button that goes away (Stop, Allow, Take back) must not take the focus along.
  useLayoutEffect(() => {
    if (document.activeElement === document.body) viewport.current?.focus({ preventScroll: true });
  });

  const [opening] = messages[0]?.parts ?? [];
  const title = opening?.type === "text" ? opening.text.slice(0, 60) : "New chat";

  const send = (text: string) => {
    toEnd();
    clearRefusal();
    void client.send(text);
  };
  const isBlank = messages.length === 0 && queue.length === 0;
  const isMissing = isBlank && connection.kind === "stopped";
  const isQuiet = status === "ready" || status === "error";

  return (
    <>
      <title>{`${title} · chatcell`}</title>
      <header className="bar">
        <span className="mark">
          <img src="/icon.svg" alt="" width="18" height="18" />
          chatcell
        </span>
        {!isMissing && <Connection state={connection} reconnect={client.reconnect} />}
        <button type="button" className="new" onClick={onNewChat}>
          New chat
        </button>
      </header>

      <main ref={viewport} className="viewport" tabIndex={-1}>
        <div ref={content} className="content">
          {hasEarlier && (
            <button type="button" className="quiet" onClick={() => run(client.loadEarlier())}>
              Load earlier
            </button>
          )}
          {isMissing && <Missing reason={connection.reason} retry={client.reconnect} onNewChat={onNewChat} />}
          {isBlank && (isNew || isLoaded) && <Welcome send={send} />}
          {/* The announcer speaks, once per answer. A log that reads every token aloud would never stop talking. */}
          <div role="log" aria-live="off" aria-label="Messages">
            {messages.map((message, index) => (
              <Message key={message.id} message={message} client={client} run={run} isLast={isQuiet && index === messages.length - 1} />
            ))}
          </div>
          {status === "submitted" && messages.at(-1)?.delivery !== "sending" && (
            <p className="thinking" aria-hidden="true">
              <i />
              <i />
              <i />
            </p>
          )}
        </div>
      </main>

      <footer className="dock">
        {!isFollowing && (
          <button type="button" className="jump" onClick={toEnd}>
            Jump to latest
          </button>
        )}
        <Queue queue={queue} takeBack={(turnId) => run(client.cancel(turnId))} />
        {refusal && (
          <p className="refusal" role="alert">
            {refusal}
          </p>
        )}
        {!isMissing && <Composer send={send} isBusy={!isQuiet} stop={() => run(client.stop())} />}
      </footer>
      <Announcer messages={messages} status={status} />
    </>
  );
}
