// Where a person writes. Typing is never blocked: what is sent while an answer runs, or offline, waits its turn.
import { useEffect, useRef, useState, type KeyboardEvent } from "react";

interface Props {
  send: (text: string) => void;
  stop: () => void;
  /** There is an answer to stop. */
  isBusy: boolean;
}

export function Composer({ send, stop, isBusy }: Props) {
  const [draft, setDraft] = useState("");
  const input = useRef<HTMLTextAreaElement>(null);
  const text = draft.trim();

  const submit = () => {
    if (!text) return;
    setDraft("");
    send(text);
    input.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // While an input method composes, Enter belongs to it.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };

  // Not on a touch screen, where it would open the keyboard.
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) input.current?.focus();
  }, []);
  useEffect(() => {
    if (!isBusy) return;
    const onEscape = (event: globalThis.KeyboardEvent) => {
      if (event.key === "Escape" && !event.isComposing) stop();
    };
    addEventListener("keydown", onEscape);
    return () => removeEventListener("keydown", onEscape);
  }, [isBusy, stop]);

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <textarea
        ref={input}
        rows={1}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={onKeyDown}
        aria-label="Message"
        placeholder="Write a message"
        enterKeyHint="send"
        autoComplete="off"
        dir="auto"
      />
      {isBusy && (
        <button type="button" onClick={stop} title="Esc">
          Stop
        </button>
      )}
      <button type="submit" className="primary" disabled={!text} title="Enter">
        Send
      </button>
    </form>
  );
}
