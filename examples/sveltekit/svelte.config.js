import adapter from "@sveltejs/adapter-cloudflare";

const kitConfig = "wrangler.kit.jsonc";

/** @type {import("@sveltejs/kit").Config} */
export default {
  kit: {
    adapter: adapter({ config: kitConfig, platformProxy: { configPath: kitConfig } }),
  },
};
