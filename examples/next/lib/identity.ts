// Who someone is, as a JSON Web Token: in the visitor's cookie, and in what the page shows to the chat Worker. Two secrets, so
// that neither of the two is ever taken for the other.
import "server-only";
import { jwtVerify, SignJWT } from "jose";

type SecretName = "VISITOR_SECRET" | "CHAT_TOKEN_SECRET";

function keyOf(name: SecretName): Uint8Array {
  const secret = process.env[name];
  if (!secret) throw new Error(`${name} is not set. Locally, \`npm run dev\` writes it to .env.local.`);
  return new TextEncoder().encode(secret);
}

/** A token that says, for so many seconds, that its bearer is `id`. */
export function signIdentity(id: string, name: SecretName, seconds: number): Promise<string> {
  const expiresAt = Math.floor(Date.now() / 1_000) + seconds;
  return new SignJWT().setProtectedHeader({ alg: "HS256" }).setSubject(id).setExpirationTime(expiresAt).sign(keyOf(name));
}

/** Whom a token is for; null when it was not signed here, or is too old. */
export async function verifyIdentity(token: string, name: SecretName): Promise<string | null> {
  const key = keyOf(name);
  const verified = await jwtVerify(token, key, { algorithms: ["HS256"] }).catch(() => null);
  return verified?.payload.sub ?? null;
}
