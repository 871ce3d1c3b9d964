// What a browser adds to its requests by itself and Node does not: the cookie that makes a visitor of `anonymous()` the same one
// the next time, and the Origin without which a cookie is no credential. A client with a token needs none of this.
import { existsSync, readFileSync, writeFileSync } from "node:fs";

/**
 * `fetch` and `WebSocket` for `createChatClient`.
 * @param {string} url where the chat is
 * @param {string} file keeps the cookie of each server, readable for its owner only: whoever has it is this visitor
 */
export function createIdentity(url, file) {
  const { origin } = new URL(url);

  /** @returns {Record<string, string>} origin → cookie, as `name=value` */
  const readCookies = () => (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {});

  /** @type {typeof globalThis.fetch} */
  const fetchWithCookie = async (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set("origin", origin);
    const known = readCookies()[origin];
    if (known) headers.set("cookie", known);
    const response = await fetch(input, { ...init, headers });
    const [cookie] = response.headers.getSetCookie();
    if (cookie) writeFileSync(file, JSON.stringify({ ...readCookies(), [origin]: cookie.split(";")[0] }), { mode: 0o600 });
    return response;
  };

  /** A ticket is good for the origin that asked for it, so the socket has to name the same. */
  class WebSocketWithOrigin extends WebSocket {
    /** @param {string} address @param {string[]} protocols */
    constructor(address, protocols) {
      super(address, { protocols, headers: { origin } });
    }
  }

  return { fetch: fetchWithCookie, WebSocket: WebSocketWithOrigin };
}
