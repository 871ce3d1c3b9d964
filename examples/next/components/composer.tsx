"use client";

import type { KeyboardEvent } from "react";

interface ComposerProps {
  isBusy: boolean;
  onSend: (text: string) => void;
  onStop: () => void;
}

export function Composer({ isBusy, onSend, onStop }: ComposerProps) {
  const submit = (form: FormData) => {
    const text = (form.get("text") as string).trim();
    if (text) onSend(text);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // Enter that ends the composition of a word (Japanese, Chinese) is not meant for us.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    if (!isBusy) event.currentTarget.form?.requestSubmit();
  };
  return (
    <form className="composer" action={submit}>
      <textarea
        name="text"
        rows={1}
        placeholder="Write a message"
        aria-label="Message"
        autoComplete="off"
        dir="auto"
        onKeyDown={onKeyDown}
      />
      {isBusy ? (
        <button type="button" key="stop" className="round is-stop" aria-label="Stop the answer" onClick={onStop}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M4.5 4.5h7v7h-7z" fill="currentcolor" />
          </svg>
        </button>
      ) : (
        <button type="submit" key="send" className="round" aria-label="Send">
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M8 13.2V3M3.4 7.6 8 3l4.6 4.6" />
          </svg>
        </button>
      )}
    </form>
  );
}
