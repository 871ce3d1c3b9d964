// `AbstractChat` of ai 7 and of ai 6 with a state of plain values: what every `useChat` is made of. No assertions.
import { AbstractChat, type ChatInit, type ChatState, type ChatStatus, type UIMessage } from "ai";
import { AbstractChat as AbstractChat6 } from "ai-6";

class PlainState implements ChatState<UIMessage> {
  status: ChatStatus = "ready";
  error: Error | undefined;
  messages: UIMessage[];
  readonly seen: UIMessage[][] = [];

  constructor(messages: UIMessage[]) {
    this.messages = messages;
  }

  pushMessage = (message: UIMessage): void => {
    this.messages = [...this.messages, message];
  };
  popMessage = (): void => {
    this.messages = this.messages.slice(0, -1);
  };
  replaceMessage = (index: number, message: UIMessage): void => {
    this.messages = this.messages.with(index, structuredClone(message));
  };
  snapshot = <Value>(value: Value): Value => structuredClone(value);
}

/** What tests use of a chat of any release. */
export type AnyChat = Pick<
  AbstractChat<UIMessage>,
  | "id"
  | "messages"
  | "status"
  | "error"
  | "sendMessage"
  | "regenerate"
  | "stop"
  | "resumeStream"
  | "addToolApprovalResponse"
  | "addToolOutput"
>;

class Chat7 extends AbstractChat<UIMessage> {
  constructor({ messages = [], ...init }: ChatInit<UIMessage>) {
    super({ ...init, state: new PlainState(messages) });
  }
}

class Chat6 extends (AbstractChat6 as unknown as typeof AbstractChat)<UIMessage> {
  constructor({ messages = [], ...init }: ChatInit<UIMessage>) {
    super({ ...init, state: new PlainState(messages) });
  }
}

export const RELEASES: [name: string, make: (init: ChatInit<UIMessage>) => AnyChat][] = [
  ["ai 7", (init) => new Chat7(init)],
  ["ai 6", (init) => new Chat6(init)],
];
