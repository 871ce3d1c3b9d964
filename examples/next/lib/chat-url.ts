/** Where the chat Worker listens, for pages and for this server. Next writes it into the page when it builds. */
export const CHAT_URL = process.env.NEXT_PUBLIC_CHAT_URL ?? "";
