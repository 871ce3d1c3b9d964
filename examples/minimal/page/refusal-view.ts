// Why a command was refused, in a line above the composer: without it, a button would seem to do nothing. A message that was
// refused says so itself.
import { isChatError, type ChatClient } from "chatcell/client";
import { setText } from "./dom.ts";

/** It came too late, or the client was closed: what is so by now is on the page. */
const QUIET: readonly string[] = ["already_resolved", "already_started", "not_found", "interrupted"];

export interface RefusalView {
  clear(): void;
  /** Lets a command take its course. Resolves when it is answered, however. */
  follow(command: Promise<unknown>): Promise<void>;
}

export function createRefusalView(element: HTMLElement, { getSnapshot }: ChatClient): RefusalView {
  const clear = (): void => setText(element, "");
  const show = (error: Error): void => {
    const isQuiet = isChatError(error) && QUIET.includes(error.code);
    // The connection says itself why it has ended.
    if (!isQuiet && getSnapshot().connection.kind !== "stopped") setText(element, error.message);
  };
  const follow = (command: Promise<unknown>): Promise<void> => {
    clear();
    return command.then(() => {}, show);
  };
  return { clear, follow };
}
