// Who a request comes from, and the check that every principal passes before it leaves this layer.
// A principal that breaks the rules is the app's mistake (its `authenticate` made it), never the visitor's.
import { ChatError } from "../errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { JsonValue, Principal } from "../protocol/principal.ts";

/** Principals of the server itself. They never come out of `authenticate`. */
const SYSTEM_PREFIX = "system:";
const MAX_ID_CHARS = 256;
const MAX_NAME_CHARS = 256;
const TENANT = /^[A-Za-z0-9_.-]{1,64}$/;
/** Control, format (zero-width, bidi), lone surrogate, line and paragraph separator: two ids that look alike must be alike. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** Epoch ms of 1973. A smaller `expiresAt` is a count of seconds. */
const SMALLEST_EPOCH_MS = 100_000_000_000;

/**
 * A copy of `value` with the known fields only, so that what else the app put on it stays in the Worker.
 *
 * @throws {ChatError} `configuration` when it breaks a rule of {@link Principal}. The message never quotes its values.
 */
export function validatePrincipal(value: unknown): Principal {
  if (typeof value !== "object" || value === null) throw invalid("it must be an object with an `id`");
  const { id, tenant, name, expiresAt, claims } = value as Record<keyof Principal, unknown>;
  const principal: Principal = { id: checkId(id) };
  if (tenant !== undefined) principal.tenant = checkTenant(tenant);
  if (name !== undefined) principal.name = checkName(name);
  if (expiresAt !== undefined) principal.expiresAt = checkExpiry(expiresAt);
  if (claims !== undefined) principal.claims = checkClaims(claims);
  return principal;
}

function checkId(id: unknown): string {
  if (typeof id !== "string" || id.length === 0 || id.length > MAX_ID_CHARS)
    throw invalid(`\`id\` must be a string of 1 to ${MAX_ID_CHARS} characters`);
  if (UNPRINTABLE.test(id)) throw invalid("`id` holds a character that cannot be printed");
  if (id.startsWith(SYSTEM_PREFIX)) throw invalid(`\`id\` begins with "${SYSTEM_PREFIX}", which is kept for the server itself`);
  return id;
}

function checkTenant(tenant: unknown): string {
  if (typeof tenant !== "string" || !TENANT.test(tenant))
    throw invalid("`tenant` must match [A-Za-z0-9_.-]{1,64}; leave it out when there is none");
  return tenant;
}

function checkName(name: unknown): string {
  if (typeof name !== "string") throw invalid("`name` must be a string");
  // A name is what a person typed at some identity provider: mended, because refusing it would lock that person out.
  return Array.from(name.replace(/[\p{Cc}\p{Cs}]/gu, ""))
    .slice(0, MAX_NAME_CHARS)
    .join("");
}

function checkExpiry(expiresAt: unknown): number {
  if (typeof expiresAt !== "number" || !Number.isFinite(expiresAt)) throw invalid("`expiresAt` must be a number (epoch ms)");
  if (expiresAt < SMALLEST_EPOCH_MS) throw invalid("`expiresAt` is epoch milliseconds; the `exp` of a JWT is seconds: multiply it by 1000");
  return expiresAt;
}

function checkClaims(claims: unknown): Record<string, JsonValue> {
  if (typeof claims !== "object" || claims === null || Array.isArray(claims)) throw invalid("`claims` must be an object");
  let json: string;
  try {
    json = JSON.stringify(claims);
  } catch (cause) {
    throw invalid("`claims` must be JSON", cause);
  }
  const bytes = new TextEncoder().encode(json).length;
  if (bytes > LIMITS.maxClaimsBytes) throw invalid(`\`claims\` has ${bytes} bytes as JSON; the limit is ${LIMITS.maxClaimsBytes}`);
  return JSON.parse(json) as Record<string, JsonValue>;
}

function invalid(reason: string, cause?: unknown): ChatError {
  return new ChatError("configuration", `\`authenticate\` returned a principal that cannot be used: ${reason}.`, { cause });
}
