// `chatcell/protocol`: what a client of another kind needs to speak to a session. No platform, no zod.
export { ChatError, ERRORS, isChatError } from "../errors.ts";
export { formatCursor, tryParseCursor } from "../protocol/cursor.ts";
export { emptyLive, fold, foldChunks } from "../protocol/fold.ts";
export { newId } from "../protocol/ids.ts";
export { LIMITS, PING, PONG, PROTOCOL, TICKET_PROTOCOL_PREFIX } from "../protocol/limits.ts";
export { tryParseServerFrame } from "../protocol/server-frames.ts";
export { tryReadStub } from "../protocol/stubs.ts";

export type { ErrorBody, ErrorCode } from "../errors.ts";
export type { Cursor } from "../protocol/cursor.ts";
export type {
  AckFrame,
  AppendCommand,
  ApproveCommand,
  CancelCommand,
  ChunksFrame,
  ClaimCommand,
  ClientFrame,
  Command,
  CommandResult,
  ContinueCommand,
  DeltaFrame,
  EditCommand,
  EditMessageCommand,
  EditQueuedCommand,
  ErrorFrame,
  EventFrame,
  IdentityResponse,
  MarkFrame,
  PageFrame,
  PageRead,
  PartFrame,
  PartRead,
  Read,
  RegenerateCommand,
  ResolveCommand,
  Role,
  SendCommand,
  ServerFrame,
  SetCommand,
  SnapshotFrame,
  StopCommand,
  SyncRead,
  TicketRequest,
  TicketResponse,
  ToolOutputCommand,
  TurnEnd,
  TurnFrame,
  WelcomeFrame,
  WindowFrame,
} from "../protocol/frames.ts";
export type { ClientLimits } from "../protocol/limits.ts";
export type {
  Chunk,
  LiveMessage,
  LiveState,
  Message,
  Outcome,
  Part,
  QueueItem,
  ResumeKind,
  SessionView,
  TurnFacts,
  TurnKind,
  TurnView,
  Usage,
} from "../protocol/messages.ts";
export type { JsonValue, Principal } from "../protocol/principal.ts";
export type { UnknownFrame } from "../protocol/server-frames.ts";
export type { Stub } from "../protocol/stubs.ts";
