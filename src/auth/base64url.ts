// base64url without padding (RFC 4648 §5), for values that travel in a subprotocol or a cookie.
// Decoding is strict: one byte string has exactly one accepted spelling, so a changed character is always a changed value.

/** The base64url form of `bytes`, without padding. For small inputs (a few KB). */
export function encodeBase64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** The bytes of `text`, or null when it is not canonical base64url without padding. */
export function tryDecodeBase64url(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  // The last character may hold bits that no byte uses; `atob` ignores them, which would give one signature many spellings.
  return encodeBase64url(bytes) === text ? bytes : null;
}
