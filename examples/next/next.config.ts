import type { NextConfig } from "next";

const config: NextConfig = {
  // Next's own badge would lie over the composer.
  devIndicators: false,
  poweredByHeader: false,
};

export default config;
