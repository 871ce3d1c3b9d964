// `chatcell/ai-sdk`: a transport for `useChat` of the AI SDK, 6 and 7.
export { createChatTransport } from "../ai-sdk/create-chat-transport.ts";

export type {
  AnyUIMessage,
  ChatTransport,
  ChatTransportOptions,
  TransportChunk,
  TransportMessage,
  TransportRequest,
} from "../ai-sdk/types.ts";
