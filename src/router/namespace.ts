// What the router needs of a Durable Object namespace, as structure: any `DurableObjectNamespace<YourChat>` fits, so does a fake.
import type { AdmitAnswer, AdmitRequest } from "../auth/admissions.ts";
import type { CommandAnswer, CommandRequest, PageRequest } from "../auth/rpc.ts";
import { ChatError } from "../errors.ts";

/** One session, as the router calls it. */
export interface ChatStub {
  /** Asks for a note that becomes a ticket; with `create` it may make the thread. A refusal is an answer, not a throw. */
  admit(request: AdmitRequest): Promise<AdmitAnswer>;
  /** Carries out one command. A refusal is an answer, not a throw. */
  command(request: CommandRequest): Promise<CommandAnswer>;
  /** Reads a page of history: a `PageAnswer` as JSON text, because the types of messages are too deep for the types of RPC. */
  page(request: PageRequest): Promise<string>;
  /** Takes the WebSocket upgrade of an admitted client. */
  fetch(request: Request): Promise<Response>;
}

/** The binding of a class that extends `ChatSessionObject`. */
export interface ChatNamespace {
  idFromName(name: string): unknown;
  get(id: unknown): ChatStub;
}

/** The object of a thread. Its name is made of checked text without "/", so no two addresses share one. */
export function stubOf(namespace: ChatNamespace, tenant: string, threadId: string): ChatStub {
  return namespace.get(namespace.idFromName(`${tenant}/${threadId}`));
}

/** @throws {ChatError} `configuration` with the lines to paste when the binding is missing. */
export function requireNamespace(namespace: unknown): void {
  // A binding is an object; the one of `ctx.exports` is a function.
  const isNamespace = typeof (namespace as ChatNamespace | undefined)?.idFromName === "function";
  if (!isNamespace) throw new ChatError("configuration", MISSING_BINDING);
}

const MISSING_BINDING = `\`namespace\` is not a Durable Object binding. Add these lines to wrangler.jsonc (with the name of your class), export the class from the Worker's main module, and pass \`namespace: env.CHAT\`:

  "durable_objects": { "bindings": [{ "name": "CHAT", "class_name": "Chat" }] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Chat"] }]
`;
