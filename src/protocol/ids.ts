// Ids: 128 random bits, url-safe, 22 characters. Hard to guess, but never a credential.

/** A new id. */
export function newId(): string {
  const binary = String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16)));
  return btoa(binary).slice(0, 22).replaceAll("+", "-").replaceAll("/", "_");
}
