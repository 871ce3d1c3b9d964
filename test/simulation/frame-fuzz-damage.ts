// What can be wrong with the text of a frame. Each takes the text of a frame that is right, and gives that of one that is not.
import type { SeededRandom } from "../../src/testing/world/seeded-random.ts";

type Json = Record<string, unknown>;

/** A place in a JSON value: where it stands, and under which key. */
interface Place {
  holder: Json;
  key: string;
}

const NUMBERS = new Set(["from", "to", "seq", "rev", "stateRev", "metaRev", "base", "attempt", "position"]);
/** Stands for an object with a key `__proto__`, which no literal can write. */
const PROTO = "a key of every object";
const PROTO_TEXT = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
const STRANGE_TYPES = ["from-a-newer-server", "__proto__", "constructor", "toString", "", "SNAPSHOT", "delta "];
const WRONG = [null, true, 0, -1, 1.5, 1e21, "", "7", "x".repeat(70_000), [], [[[[[[]]]]]], [null], {}, { length: 3 }, PROTO];

function placesOf(value: unknown, isMeant: (place: Place) => boolean): Place[] {
  if (typeof value !== "object" || value === null) return [];
  const holder = value as Json;
  return Object.keys(holder).flatMap((key) => [...(isMeant({ holder, key }) ? [{ holder, key }] : []), ...placesOf(holder[key], isMeant)]);
}

/** The frame with one of its places changed; as it was when it has none. The type of the frame stays. */
function change(
  text: string,
  random: SeededRandom,
  isMeant: (place: Place) => boolean,
  to: (value: unknown, place: Place) => void,
): string {
  const frame = JSON.parse(text) as Json;
  const places = placesOf(frame, ({ holder, key }) => !(holder === frame && key === "type") && isMeant({ holder, key }));
  if (places.length === 0) return text;
  const place = random.pick(places);
  to(place.holder[place.key], place);
  return JSON.stringify(frame).replaceAll(`"${PROTO}"`, PROTO_TEXT);
}

/** A beginning of it, which is no JSON. */
export const cut = (text: string, random: SeededRandom): string => text.slice(0, random.between(0, text.length - 1));

/** Without one of its fields, at whatever depth. */
export const thin = (text: string, random: SeededRandom): string =>
  change(
    text,
    random,
    () => true,
    (_value, { holder, key }) => (Array.isArray(holder) ? holder.splice(Number(key), 1) : delete holder[key]),
  );

/** With a value of a wrong type in one of its fields. */
export const mistype = (text: string, random: SeededRandom): string =>
  change(
    text,
    random,
    () => true,
    (_value, { holder, key }) => (holder[key] = random.pick(WRONG)),
  );

/** With another number in one of the fields that say where it belongs. */
export const misnumber = (text: string, random: SeededRandom): string =>
  change(
    text,
    random,
    ({ holder, key }) => NUMBERS.has(key) && typeof holder[key] === "number",
    (value, { holder, key }) => {
      holder[key] = random.chance(0.8) ? (value as number) + random.pick([-3, -2, -1, 1, 2, 3]) : random.pick([-1, 0, 1e9, 2 ** 53]);
    },
  );

/** With another word in one of its texts and names. */
export const misspell = (text: string, random: SeededRandom): string =>
  change(
    text,
    random,
    ({ holder, key }) => typeof holder[key] === "string",
    (value, { holder, key }) => {
      const word = value as string;
      const at = random.between(0, word.length);
      holder[key] = word.slice(0, at) + random.pick(["z", "-", "zz", "\u0000", "\ud800"]) + word.slice(at + random.between(0, 1));
    },
  );

/** Of a type that nobody knows. */
export function retype(text: string, random: SeededRandom): string {
  const type = random.chance(0.8) ? random.pick(STRANGE_TYPES) : random.pick([null, 7, {}, undefined]);
  return JSON.stringify({ ...(JSON.parse(text) as object), type });
}

/** With fields that nobody knows. */
export const extend = (text: string): string =>
  `{${text.startsWith('{"type":"error"') ? "" : '"__proto__":{"polluted":true},'}"constructor":null,"later":{"deep":[[1]]},${text.slice(1)}`;

/** No frame at all, or one of a type that nobody knows. */
export function noise(text: string, random: SeededRandom): string {
  const strange = ["", "null", "[]", "7", '"delta"', "{}", "{", "[[[[", "pong ", '{"type":"__proto__"}', '{"__proto__":{"type":"ack"}}'];
  return random.chance(0.4) ? random.pick(strange) : random.chance(0.5) ? cut(text, random) : retype(text, random);
}
