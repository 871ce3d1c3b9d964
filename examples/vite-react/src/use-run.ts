// Lets commands take their course, and tells why one was refused: without that, a button would seem to do nothing. A message that
// was refused says so itself, so neither `send` nor `retry` comes through here.
import { isChatError, type ChatClient } from "chatcell/client";
import { useCallback, useState } from "react";

/** It came too late, or the client was closed: what is so by now is on the page. */
const QUIET: readonly string[] = ["already_resolved", "already_started", "not_found", "interrupted"];

export type Run = (command: Promise<unknown>) => void;

export function useRun({ getSnapshot }: ChatClient) {
  const [refusal, setRefusal] = useState("");
  const clearRefusal = useCallback(() => setRefusal(""), []);
  const run: Run = useCallback(
    (command) => {
      setRefusal("");
      command.catch((error: Error) => {
        const isQuiet = isChatError(error) && QUIET.includes(error.code);
        // The connection says itself why it has ended.
        if (!isQuiet && getSnapshot().connection.kind !== "stopped") setRefusal(error.message);
      });
    },
    [getSnapshot],
  );
  return { refusal, clearRefusal, run };
}
