// Assertions that need no test runner, and waiting for what a client shows.
import { isDeepStrictEqual, inspect } from "node:util";

const LOOK_MS = 4;

/** @throws {Error} with what should have been so */
export function holds(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`Not so: ${what}.`);
}

/** What a case has to meet in mid-answer was over already: the case says nothing of who is under test. */
export class TooLate extends Error {}

/** The same for what needs an answer that is still being written. @throws {TooLate} */
export function inTime(condition: unknown, what: string): asserts condition {
  if (!condition) throw new TooLate(`Not so: ${what}.`);
}

/** Compares as JSON: an absent field and an undefined one are the same. @throws {Error} with both values */
export function equal(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [json(actual), json(expected)];
  if (!isDeepStrictEqual(a, b)) throw new Error(`${what}: it is ${show(a)}, and should be ${show(b)}.`);
}

/** Waits until `is` is true. @throws {Error} after `timeoutMs`, with what there was instead */
export async function until<Value>(read: () => Value, is: (value: Value) => boolean, what: string, timeoutMs: number): Promise<Value> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = read();
    if (is(value)) return value;
    if (performance.now() > end) throw new Error(`Not within ${timeoutMs} ms: ${what}. There is ${show(json(value))}.`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** The same promise, or a failure after `timeoutMs`: a client may forget one. */
export async function within<Value>(promise: Promise<Value>, what: string, timeoutMs: number): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Not within ${timeoutMs} ms: the answer to ${what}.`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The code that a promise rejects with. @throws {Error} when it does not */
export async function refusalOf(promise: Promise<unknown>, what: string): Promise<string> {
  const code = await promise.then(
    () => null,
    (error: unknown) => (error as { code?: unknown } | null)?.code,
  );
  holds(code !== null, `${what} is refused`);
  holds(typeof code === "string", `${what} is refused with a code`);
  return code;
}

function json(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}

function show(value: unknown): string {
  return inspect(value, { depth: 6, breakLength: 140, maxStringLength: 300, maxArrayLength: 40 });
}
