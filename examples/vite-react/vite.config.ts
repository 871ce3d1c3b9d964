import { cloudflare } from "@cloudflare/vite-plugin";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// PORT=9000 npm run dev: that port or none. Without it Vite takes the first free one from 5173 on.
const port = process.env.PORT ? { port: Number(process.env.PORT), strictPort: true } : {};

export default defineConfig({
  // cloudflare() reads wrangler.jsonc, and runs the Worker in workerd beside the page.
  plugins: [react(), cloudflare()],
  server: port,
  preview: port,
});
