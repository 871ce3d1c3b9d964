/** What a caller gets whose object died under its call; the flag is the platform's. */
export class ObjectReset extends Error {
  readonly durableObjectReset = true;
}
