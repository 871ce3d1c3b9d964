/** An error that `useChat` takes in silence: it shows nothing, and asks for nothing by itself. */
export function silence(message: string): Error {
  return Object.assign(new Error(message), { name: "AbortError" });
}
