// What went wrong in a run: the name of a check, and what it saw.

export interface Finding {
  /** Name of the check. */
  check: string;
  text: string;
  /** Virtual time since the start, in ms. */
  at: number;
}

/** More are not kept: the first ones say what happened. */
const MAX_FINDINGS = 20;

export class Findings {
  readonly list: Finding[] = [];
  readonly #elapsedMs: () => number;

  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs;
  }

  /** Notes what a check found. */
  say(check: string, text: string): void {
    if (this.list.length < MAX_FINDINGS) this.list.push({ check, text: text.slice(0, 1_500), at: this.#elapsedMs() });
  }

  /** Notes it unless `isRight`. */
  expect(isRight: boolean, check: string, text: () => string): void {
    if (!isRight) this.say(check, text());
  }
}
