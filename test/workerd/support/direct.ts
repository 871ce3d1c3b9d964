// A socket of an object that the Worker has no route to, or of a principal that no token stands for. No assertions.
import type { AdmitAnswer, AdmitRequest } from "../../../src/auth/admissions.ts";
import { ORIGIN, TestSocket } from "./client.ts";

interface ChatStub {
  admit(request: AdmitRequest): PromiseLike<unknown>;
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** Makes the thread of `stub` with this principal as its owner, and connects. The object wants a nonce that it knows, not a signature. */
export async function openDirect(stub: ChatStub, threadId: string, principal: AdmitRequest["principal"]): Promise<TestSocket> {
  const answer = (await stub.admit({ principal, tenant: "", threadId, origin: "", create: true })) as AdmitAnswer;
  if (!answer.ok) throw new Error(answer.error.code);
  const { nonce, boot, expiresAt } = answer;
  const payload = btoa(JSON.stringify({ nonce, boot, expiresAt, thread: threadId, tenant: "", basePath: "", origin: "", version: "" }));
  const protocols = `chatcell.v1, ticket.${payload.replaceAll("=", "")}.unsigned`;
  return TestSocket.of(await stub.fetch(`${ORIGIN}/`, { headers: { upgrade: "websocket", "sec-websocket-protocol": protocols } }));
}
