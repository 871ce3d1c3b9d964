/** The page as a Worker of its own, which is there after `vite build` only. */
declare module "*/_worker.js" {
  const worker: { fetch: (request: Request, env: unknown, context: unknown) => Promise<Response> };
  export default worker;
}
