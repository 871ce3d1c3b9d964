// Ids: 128 random bits, url-safe, 22 characters. Hard to guess, but never a credential.

/** A new id. */
export function newId(): string {
  let binary = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").slice(0, 22);
}
