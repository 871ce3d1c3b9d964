// `chatcell`: the Worker side.
export { ChatSessionObject } from "../session/chat-session-object.ts";
export { idempotencyKeyOf, idempotent } from "../session/tools.ts";
export { aiSdkEndpoint } from "../http-chat/ai-sdk-endpoint.ts";
export { getThread } from "../router/get-thread.ts";
export { routeChatRequest } from "../router/route-chat-request.ts";
export { anonymous } from "../auth/anonymous.ts";
export { bearer } from "../auth/bearer.ts";
export { ChatError, isChatError } from "../errors.ts";

export type { AdmitAnswer, AdmitRequest } from "../auth/admissions.ts";
export type { Authenticate, AuthenticateContext, Authenticator, IssuedIdentity } from "../auth/authenticate.ts";
export type { VerifyToken } from "../auth/bearer.ts";
export type { Secret, Signer } from "../auth/secret.ts";
export type { CommandAnswer, CommandRequest, PageRequest } from "../auth/rpc.ts";
export type { ErrorBody, ErrorCode } from "../errors.ts";
export type {
  AckFrame,
  AppendCommand,
  ApproveCommand,
  CancelCommand,
  ClaimCommand,
  Command,
  CommandResult,
  ContinueCommand,
  EditCommand,
  EditMessageCommand,
  EditQueuedCommand,
  RegenerateCommand,
  ResolveCommand,
  Role,
  SendCommand,
  SetCommand,
  StopCommand,
  ToolOutputCommand,
} from "../protocol/frames.ts";
export type { Chunk, Message, Outcome, Part, ResumeKind, TurnFacts, Usage } from "../protocol/messages.ts";
export type { AiSdkEndpointOptions } from "../http-chat/ai-sdk-endpoint.ts";
export type { JsonValue, Principal } from "../protocol/principal.ts";
export type { GetThreadOptions, ThreadAddress, ThreadAppendOptions, ThreadHandle, ThreadSendOptions } from "../router/get-thread.ts";
export type { AiSdkEndpoint, RouteChatRequestOptions } from "../router/options.ts";
export type { ChatNamespace, ChatStub } from "../router/namespace.ts";
export type { ClientTool } from "../session/chat-session-object.ts";
export type { ChatOptions } from "../session/options.ts";
export type { TurnEndEvent } from "../session/hooks.ts";
export type { Turn } from "../session/turn-context.ts";
export type { Connection } from "../sockets/connection.ts";
export type { Migration } from "../storage/migration.ts";
export type { StreamResult, StreamResultOptions, TurnResult } from "../stream/source.ts";
