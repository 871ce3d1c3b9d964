// What code blocks of the documentation may take as given: the bindings that `wrangler types` would write for the reader.
interface Env {
  CHAT: DurableObjectNamespace;
  STUDY_CHAT: DurableObjectNamespace;
  CHATCELL_SECRET: string;
  DB: D1Database;
}
