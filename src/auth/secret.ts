// The app's secret becomes one HMAC key per purpose (HKDF-SHA-256), so that a signature made for one purpose is never one for
// another. The first secret signs, all verify: that is how a secret is rotated. Nothing here prints a secret or falls back to one.
import { ChatError } from "../errors.ts";
import { encodeBase64url, tryDecodeBase64url } from "./base64url.ts";

/** One secret, or several: the first signs, all verify. Each has at least 32 bytes. */
export type Secret = string | readonly string[];

/** What a derived key is for. */
export type SigningPurpose = "ticket" | "cookie";

/** Signs and verifies text for one purpose. */
export interface Signer {
  /** The base64url signature of `text` by the first secret. */
  sign(text: string): Promise<string>;
  /** True when `signature` is that of `text` by any of the secrets. Takes the same time wherever the two differ. */
  verify(text: string, signature: string): Promise<boolean>;
}

const MIN_SECRET_BYTES = 32;
const SIGNATURE_BYTES = 32;
const HOW_TO_MEND =
  "Make one with `openssl rand -base64 32`, store it with `npx wrangler secret put CHATCELL_SECRET` " +
  "(for local development put the line CHATCELL_SECRET=… into `.dev.vars`) and pass `secret: env.CHATCELL_SECRET`.";

const encoder = new TextEncoder();

/**
 * A signer that derives its keys when they are first needed and keeps them for as long as it lives (one request).
 *
 * @throws {ChatError} `configuration` at once when a secret is missing or too short; the message says how to mend it.
 */
export function createSigner(secret: Secret, purpose: SigningPurpose): Signer {
  const keys = requireSecrets(secret).map((one) => once(() => deriveKey(one, purpose)));
  return {
    async sign(text) {
      const key = await keys[0]!();
      return encodeBase64url(new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text))));
    },
    async verify(text, signature) {
      const bytes = tryDecodeBase64url(signature);
      if (bytes?.length !== SIGNATURE_BYTES) return false;
      for (const key of keys) {
        if (await crypto.subtle.verify("HMAC", await key(), bytes, encoder.encode(text))) return true;
      }
      return false;
    },
  };
}

/** The secrets as strings. `secret` comes from an environment: whatever the types say, it may be missing. */
function requireSecrets(secret: unknown): string[] {
  const list: unknown[] = Array.isArray(secret) ? secret : [secret];
  if (list.length === 0) throw new ChatError("configuration", `\`secret\` is an empty list. ${HOW_TO_MEND}`);
  return list.map((one, index) => {
    const name = Array.isArray(secret) ? `\`secret[${index}]\`` : "`secret`";
    if (typeof one !== "string" || one === "") throw new ChatError("configuration", `${name} is missing. ${HOW_TO_MEND}`);
    if (encoder.encode(one).length < MIN_SECRET_BYTES)
      throw new ChatError("configuration", `${name} is shorter than ${MIN_SECRET_BYTES} bytes. ${HOW_TO_MEND}`);
    return one;
  });
}

async function deriveKey(secret: string, purpose: SigningPurpose): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, ["deriveBits"]);
  const derivation = { name: "HKDF", hash: "SHA-256", salt: encoder.encode("chatcell"), info: encoder.encode(`chatcell.${purpose}.v1`) };
  const bits = await crypto.subtle.deriveBits(derivation, material, 256);
  return crypto.subtle.importKey("raw", bits, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
