// The page around the client, as far as there is one: none of this exists in Node, and not all of it in React Native.

interface Page {
  location?: { href: string };
  document?: { hidden: boolean };
  reportError?: (error: unknown) => void;
  addEventListener?: (type: string, listener: () => void, options: { signal: AbortSignal }) => void;
}

export const page = globalThis as unknown as Page;

/** Reports an error that nobody can be given, as the platform reports one that nobody caught. */
export function reportError(error: unknown): void {
  (page.reportError ?? console.error)(error);
}
