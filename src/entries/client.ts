// `chatcell/client`: any browser, Node 22 and later, React Native.
export { createChatClient } from "../client/chat-client.ts";
export { isChatError } from "../errors.ts";
export { newId as newThreadId } from "../protocol/ids.ts";

export type { ConnectionState } from "../client/connection-machine.ts";
export type {
  ChatClient,
  ChatClientOptions,
  ChatMessage,
  ChatQueueItem,
  ChatSnapshot,
  ChatStatus,
  ChatTypes,
  ClientDeps,
  Delivery,
  Sending,
  SendInput,
  SendResult,
} from "../client/types.ts";
export type { ChatError, ErrorBody, ErrorCode } from "../errors.ts";
export type { Role } from "../protocol/frames.ts";
export type { Outcome, Part, TurnFacts, Usage } from "../protocol/messages.ts";
