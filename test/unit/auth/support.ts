import type { AuthenticateContext } from "../../../src/auth/authenticate.ts";
import { createSigner } from "../../../src/auth/secret.ts";
import { isChatError, type ErrorCode } from "../../../src/errors.ts";

export const SECRET = "first-secret-0123456789-0123456789";
export const OTHER_SECRET = "second-secret-0123456789-0123456789";
export const ORIGIN = "https://app.example";
export const NOW = Date.UTC(2026, 10, 1);
export const DAY_MS = 86_400_000;

/** Ids `prefix-1`, `prefix-2`, … */
export function countedIds(prefix = "id"): () => string {
  let count = 0;
  return () => `${prefix}-${++count}`;
}

export function authContext(change: Partial<AuthenticateContext> = {}): AuthenticateContext {
  return { origin: ORIGIN, now: NOW, newId: countedIds(), cookieSigner: createSigner(SECRET, "cookie"), ...change };
}

/** The code of the ChatError that `run` fails with; anything else fails the test. */
export async function codeOf(run: () => unknown): Promise<ErrorCode> {
  return (await errorOf(run)).code;
}

export async function errorOf(run: () => unknown): Promise<Error & { code: ErrorCode }> {
  try {
    await run();
  } catch (error) {
    if (isChatError(error)) return error;
    throw error;
  }
  throw new Error("it did not fail");
}
