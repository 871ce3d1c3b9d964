// Whether a file part can reach a model, and what stands for one that cannot.
import { isBlank, isRecord, withoutBadMetadata, type Fields } from "./repair-fields.ts";

/** A `data:` URL that names its type and has a base64 body. The AI SDK reads no other. */
const DATA_URL = /^data:([^;,/\s]+\/[^;,\s]+)(?:;[^;,]*)*;base64,[^\s,]/i;

/** The media type in a `data:` URL that a provider can be sent, "" for another usable URL, undefined for none. */
function urlType(url: unknown): string | undefined {
  if (typeof url !== "string" || !URL.canParse(url)) return undefined;
  const { protocol } = new URL(url);
  if (protocol === "https:" || protocol === "http:") return "";
  return protocol === "data:" ? DATA_URL.exec(url)?.[1] : undefined;
}

/** Whether the part names a file that was uploaded to providers: an id for each. Files of thoughts cannot. */
function hasReference({ type, providerReference }: Fields): boolean {
  return (
    type === "file" && isRecord(providerReference) && Object.values(providerReference).every((id) => typeof id === "string" && id !== "")
  );
}

/** The file part as a model may be shown it; undefined when neither its URL nor a provider's reference can be used. */
export function repairFile(part: Fields): Fields | undefined {
  const { providerReference, filename, ...rest } = part;
  const isReferenced = hasReference(part);
  const type = isReferenced ? "" : urlType(part.url);
  const mediaType = typeof part.mediaType === "string" && !isBlank(part.mediaType) ? part.mediaType : type;
  if (type === undefined || !mediaType) return undefined;
  const isNamed = filename === undefined || typeof filename === "string";
  const isSame = mediaType === part.mediaType && isNamed && (isReferenced || providerReference === undefined);
  const named = isSame
    ? part
    : { ...rest, mediaType, ...(isReferenced && { providerReference }), ...(typeof filename === "string" && { filename }) };
  return withoutBadMetadata(named, "providerMetadata");
}

/** The text that stands for a file which cannot be sent. */
export function missingFile({ filename }: Fields): Fields {
  const name = typeof filename === "string" && !isBlank(filename) ? ` "${filename.slice(0, 200)}"` : "";
  return { type: "text", text: `(The file${name} is not available.)` };
}
