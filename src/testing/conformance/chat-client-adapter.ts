// `chatcell/client` as the suite sees a client: the pattern for every other one.
import { createChatClient } from "../../client/chat-client.ts";
import type { ChatClient, ChatClientOptions, ChatSnapshot } from "../../client/types.ts";
import type { ClientAdapter, ClientUnderTest, ClientView } from "./types.ts";

/** What is looked at of a client, or of a binding that shows one. */
export type ShownClient = Pick<
  ChatClient,
  "send" | "stop" | "cancel" | "edit" | "regenerate" | "continue" | "approve" | "addToolOutput" | "setState" | "on"
> & { getSnapshot: () => ChatSnapshot; close: () => void };

const STATUS = { ready: "ready", submitted: "busy", streaming: "busy", waiting: "waiting", error: "failed" } as const;

/** @param show what stands between the client and who uses it, for example the binding of a framework */
export function chatClientAdapter(
  show: (client: ChatClient, options: ChatClientOptions) => ShownClient = (client) => client,
): ClientAdapter {
  return {
    capabilities: ["queue", "branches", "regenerate", "continue", "approve", "resolve", "setState", "events", "wire"],
    open: (setup): ClientUnderTest => {
      // Chance only spreads retries: a test does not wait for it.
      const options: ChatClientOptions = { ...setup, deps: { random: () => 0.05 } };
      const client = createChatClient(options);
      const shown = show(client, options);
      const events: { event: string; data: unknown }[] = [];
      shown.on("*", (data, event) => void events.push({ event, data }));
      client.connect();
      return {
        view: () => ({ ...viewOf(shown.getSnapshot()), events }),
        send: shown.send,
        stop: () => shown.stop(),
        cancel: shown.cancel,
        editQueued: (turnId, text) => shown.edit({ turnId, text }),
        edit: (messageId, text) => shown.edit({ messageId, text }),
        regenerate: () => shown.regenerate(),
        continue: () => shown.continue(),
        approve: (approvalId, approved) => shown.approve(approvalId, { approved }),
        resolve: (callId, output) => shown.addToolOutput(callId, { output }),
        setState: (patch) => shown.setState(patch),
        close: () => {
          shown.close();
          client.close();
        },
      };
    },
  };
}

function viewOf({ connection, status, messages, queue, state, error }: ChatSnapshot): ClientView {
  return {
    connection: connection.kind === "live" || connection.kind === "stopped" ? connection.kind : "connecting",
    status: STATUS[status],
    messages: messages.map(({ id, role, parts }) => ({ id, role, parts })),
    queue: queue.map(({ turnId, parts }) => ({ turnId, text: parts.map((part) => ("text" in part ? part.text : "")).join("") })),
    state,
    error,
  };
}
