// `chatcell/client`: any browser, Node 22 and later, React Native.
export { createChatClient } from "../client/chat-client.ts";
export { runClientTools } from "../client/client-tools.ts";
export { storedOutbox } from "../client/outbox-storage.ts";
export { isChatError } from "../errors.ts";
export { newId as newThreadId } from "../protocol/ids.ts";

export type { ConnectionState } from "../client/connection-machine.ts";
export type {
  ApprovalAnswer,
  BodyInput,
  ChatClient,
  ChatClientOptions,
  ChatMessage,
  ChatQueueItem,
  ChatSnapshot,
  ChatStatus,
  ChatTypes,
  ClientDeps,
  ClientToolContext,
  ClientTools,
  Delivery,
  MessageInput,
  MessagePage,
  OutboxKeeper,
  OutboxStorage,
  Sending,
  SendInput,
  SendResult,
  ToolOutcome,
} from "../client/types.ts";
export type { ChatError, ErrorBody, ErrorCode } from "../errors.ts";
export type { Role } from "../protocol/frames.ts";
export type { Outcome, Part, ResumeKind, TurnFacts, TurnKind, TurnView, Usage } from "../protocol/messages.ts";
