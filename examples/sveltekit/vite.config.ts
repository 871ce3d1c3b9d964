import { sveltekit } from "@sveltejs/kit/vite";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [sveltekit()],
  server: {
    // In development the chat is a Worker of its own, which dev.mjs starts. It is told the address that the browser has
    // (`changeOrigin: false`), because it takes requests of its own origin only.
    proxy: { "^/chat/": { target: `http://127.0.0.1:${process.env.CHAT_PORT}`, changeOrigin: false, ws: true } },
  },
});
