// A stream of chunks as the AI SDK's transport reads it: server-sent events, with a word now and then where nothing is to be said.
import type { Chunk } from "../protocol/messages.ts";

/** Proxies close what is silent for a minute or more. */
const SILENCE_MS = 15_000;
const HEADERS = {
  "content-type": "text/event-stream",
  // `no-transform`: what compresses would hold text back.
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
  "x-vercel-ai-ui-message-stream": "v1",
};

/** Chunks that no reader of ai 6 knows: it takes them for errors. */
const SINCE_7 = /^(reset-step|tool-approval-response|custom|reasoning-file|steering-message)$/;

/** `chunk` for a reader of ai 6; undefined for one that it does not know. */
function forRelease6(chunk: Chunk): Chunk | undefined {
  if (SINCE_7.test(chunk.type)) return undefined;
  return chunk.type === "finish" && chunk.finishReason === "interrupted" ? { ...chunk, finishReason: "other" } : chunk;
}

/** For a stream that broke off. After an error no release goes on by itself: the same post again would break off again. */
const BROKEN_OFF: Chunk = { type: "error", errorText: "The page has something else of this reply than the thread." };

/** The answer that streams `chunks` to their end. When its reader leaves, `chunks` are cancelled. */
export function sseResponse(chunks: ReadableStream<Chunk>, release: 6 | 7, headers: HeadersInit): Response {
  const reader = chunks.getReader();
  const encoder = new TextEncoder();
  let reading: ReturnType<typeof reader.read> | undefined;

  /** What is read next; null when there is nothing for some time. */
  const next = () => {
    reading ??= reader.read();
    return new Promise<Awaited<typeof reading> | null>((resolve, reject) => {
      const timer = setTimeout(() => resolve(null), SILENCE_MS);
      reading!.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  };

  const body = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const write = (line: string) => controller.enqueue(encoder.encode(`${line}\n\n`));
        const tell = (chunk: Chunk) => write(`data: ${JSON.stringify(chunk)}`);
        const end = () => {
          write("data: [DONE]");
          controller.close();
        };
        try {
          for (;;) {
            const result = await next();
            if (!result) return write(": nothing new");
            reading = undefined;
            if (result.done) return end();
            const chunk = release === 6 ? forRelease6(result.value) : result.value;
            if (chunk) return tell(chunk);
          }
        } catch (error) {
          if ((error as Error).name !== "AbortError") throw error;
          tell(BROKEN_OFF);
          end();
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  const all = new Headers(headers);
  for (const [name, value] of Object.entries(HEADERS)) all.set(name, value);
  return new Response(body, { headers: all });
}
