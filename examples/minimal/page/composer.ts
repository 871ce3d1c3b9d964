// Where a person writes. Typing is never blocked: a message written while an answer runs, or offline, waits its turn.
import { byId } from "./dom.ts";

export interface Composer {
  /** `isBusy`: there is an answer to stop. */
  update(isBusy: boolean): void;
  focus(): void;
}

export function createComposer(send: (text: string) => void, stop: () => void): Composer {
  const form = byId("composer") as HTMLFormElement;
  const input = byId("input") as HTMLTextAreaElement;
  const sendButton = byId("send") as HTMLButtonElement;
  const stopButton = byId("stop") as HTMLButtonElement;
  let isBusy = false;

  const grow = (): void => {
    input.style.height = "auto";
    // The style sheet has the largest height.
    input.style.height = `${input.scrollHeight}px`;
    sendButton.disabled = !input.value.trim();
  };
  const submit = (): void => {
    const text = input.value.trim();
    if (!text) return;
    input.value = "";
    grow();
    input.focus();
    send(text);
  };
  const stopNow = (): void => {
    stop();
    input.focus();
  };

  input.addEventListener("input", grow);
  input.addEventListener("keydown", (event) => {
    // While an input method composes, Enter belongs to it (Safari says so by the key code 229 only).
    const isComposing = event.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || isComposing) return;
    event.preventDefault();
    submit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  stopButton.addEventListener("click", stopNow);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isBusy && !event.isComposing) stopNow();
  });
  grow();

  return {
    update: (busy) => {
      if (busy === isBusy) return;
      // A button that goes away must not take the focus along.
      if (!busy && document.activeElement === stopButton) input.focus();
      isBusy = busy;
      stopButton.hidden = !busy;
    },
    focus: () => input.focus(),
  };
}
