const url = process.env.NEXT_PUBLIC_CHAT_URL;
// Without it the app would ask itself. A build ends here, too.
if (!url) throw new Error("NEXT_PUBLIC_CHAT_URL is not set. It says where the chat Worker listens: https://chat.example.com/chat");

/** Where the chat Worker listens, for pages and for this server. Next writes it into the page when it builds. */
export const CHAT_URL = url;
