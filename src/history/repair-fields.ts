// What the repair of parts shares: parts are looked at as plain fields, since a stored one may have lost its form.

/** A part by its field names. */
export type Fields = Record<string, unknown>;

/** Whether a value is an object and no array. */
export function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value is a text with nothing to read in it. */
export function isBlank(value: unknown): boolean {
  return typeof value === "string" && value.trim() === "";
}

/** The part without those of the metadata fields that are not `{ provider: { … } }`: providers throw at them. */
export function withoutBadMetadata(part: Fields, ...keys: string[]): Fields {
  const bad = keys.filter((key) => part[key] !== undefined && !(isRecord(part[key]) && Object.values(part[key]).every(isRecord)));
  return bad.length === 0 ? part : Object.fromEntries(Object.entries(part).filter(([key]) => !bad.includes(key)));
}
