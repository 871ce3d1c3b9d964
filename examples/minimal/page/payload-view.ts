// What goes into a tool, or comes out of it. One of more than 256 KB comes as a stub, and is loaded when somebody wants to see it.
import { tryReadStub } from "chatcell/protocol";
import { h, setText } from "./dom.ts";

export interface PayloadView {
  element: HTMLElement;
  update(payload: unknown): void;
}

/** @param load resolves with the payload whole */
export function createPayloadView(name: string, load: () => Promise<unknown>): PayloadView {
  const text = h("pre", { tabindex: "0", "aria-label": name });
  const label = h("span");
  const button = h("button", { type: "button", class: "quiet", "aria-label": `Load the ${name.toLowerCase()}` }, "Load");
  const stubLine = h("p", { class: "stub" }, label, button);
  let bytes = 0;
  /** `bytes` of the stub that was loaded. The same stub may come again as another object. */
  let loadedBytes = 0;

  const update = (payload: unknown): void => {
    const stub = tryReadStub(payload);
    bytes = stub?.bytes ?? 0;
    const isLoaded = stub !== null && bytes === loadedBytes;
    if (!isLoaded) setText(text, stub ? "" : show(payload));
    text.hidden = text.textContent === "";
    stubLine.hidden = !stub || isLoaded;
    if (stub) setText(label, `${name} of ${Math.ceil(bytes / 1_024).toLocaleString()} KB`);
  };

  const loadWhole = async (): Promise<void> => {
    const wanted = bytes;
    button.disabled = true;
    try {
      setText(text, show(await load()));
      loadedBytes = wanted;
      stubLine.hidden = true;
      text.hidden = false;
      // The button that had the focus is gone.
      text.focus({ preventScroll: true });
    } catch (error) {
      setText(label, (error as Error).message);
    } finally {
      button.disabled = false;
    }
  };
  button.addEventListener("click", () => void loadWhole());
  return { element: h("div", {}, text, stubLine), update };
}

function show(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
