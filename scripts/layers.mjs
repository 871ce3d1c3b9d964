// The layer table of src/ as data. docs/ARCHITECTURE.md says why each line is as it is; check-boundaries.mjs holds it.

/** Folder under src/ → folders that it may import, also for types. Its own folder and SHARED_FILES are always allowed. */
export const LAYERS = {
  protocol: [],
  storage: ["protocol"],
  history: ["storage", "protocol"],
  stream: ["storage", "protocol"],
  turn: ["protocol"],
  sockets: ["protocol"],
  auth: ["protocol"],
  "thread-index": ["storage", "protocol"],
  quota: ["storage", "protocol"],
  session: ["protocol", "storage", "history", "stream", "turn", "sockets", "auth", "thread-index", "quota"],
  router: ["auth", "thread-index", "protocol"],
  client: ["protocol"],
  react: ["client", "protocol"],
  vue: ["client", "protocol"],
  svelte: ["client", "protocol"],
  "ai-sdk": ["client", "protocol"],
  "http-chat": ["router", "auth", "ai-sdk", "client", "protocol"],
  demo: ["protocol"],
  testing: "*",
  entries: "*",
};

/** Files directly in src/ that every layer may import. They import nothing but each other. */
export const SHARED_FILES = ["errors.ts", "error-table.ts"];

/**
 * Packages and platform modules that src/ may name. `in`: folders (`turn/`) or files (`history/ai-runtime.ts`) that may import
 * it at run time. `types`: where `import type` is fine; "*" is everywhere. Whatever is not listed may not be imported at all.
 */
export const PACKAGES = [
  { match: /^cloudflare:/, in: ["session/", "quota/"], types: ["session/", "quota/", "router/", "testing/"] },
  { match: /^node:/, in: ["testing/"], types: ["testing/"] },
  { match: /^ai(\/|$)/, in: ["history/ai-runtime.ts"], types: "*" },
  // Only inside: a public signature that names its types would not resolve for users, who do not install it (consumers.mjs).
  { match: /^@ai-sdk\/provider$/, in: [], types: ["demo/", "testing/"] },
  {
    match: /^zod(\/|$)/,
    in: [
      "protocol/client-frames.ts",
      "storage/",
      "history/",
      "stream/",
      "sockets/",
      "auth/",
      "thread-index/",
      "quota/",
      "session/",
      "router/",
      "testing/",
    ],
    types: "*",
  },
  { match: /^react(\/|$)/, in: ["react/"], types: ["react/"] },
  { match: /^vue$/, in: ["vue/"], types: ["vue/"] },
  { match: /^svelte(\/|$)/, in: ["svelte/"], types: ["svelte/"] },
];

/** Modules that are loaded only by `import()`, so that the bundle of a Worker that never calls them stays small. */
export const LAZY_FILES = ["history/ai-runtime.ts"];

const FRAMEWORKS = [/^react(\/|$)/, /^vue$/, /^svelte(\/|$)/];
const BROWSER = [/^cloudflare:/, /^node:/, /^ai(\/|$)/, /^zod(\/|$)/];

/** Entry → what its run-time imports may never reach, however indirectly (`import()` counts). */
export const ENTRIES = {
  "entries/index.ts": [/^node:/, ...FRAMEWORKS],
  // In the place of platform.ts in Node, also where the simulated world is not loaded.
  "session/platform-node.ts": [/^cloudflare:/, /^node:/, ...FRAMEWORKS],
  "entries/protocol.ts": [/^cloudflare:/, /^node:/, /^ai(\/|$)/, ...FRAMEWORKS],
  "entries/client.ts": [...BROWSER, ...FRAMEWORKS],
  "entries/demo.ts": [/^cloudflare:/, /^node:/, /^ai(\/|$)/, ...FRAMEWORKS],
  // `cloudflare:workers` cannot be imported in Node, where this entry runs.
  "entries/testing.ts": [/^cloudflare:/, ...FRAMEWORKS],
  "entries/react.ts": BROWSER,
  "entries/vue.ts": BROWSER,
  "entries/svelte.ts": BROWSER,
  "entries/ai-sdk.ts": [...BROWSER, ...FRAMEWORKS],
};
