import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";
import "./globals.css";

export const metadata: Metadata = { title: "chatcell and Next.js", description: "A chat whose threads live in a Worker of their own." };

export const viewport: Viewport = {
  viewportFit: "cover",
  interactiveWidget: "resizes-content",
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#fbfaf8" },
    { media: "(prefers-color-scheme: dark)", color: "#131312" },
  ],
};

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <header className="bar">
          <span className="mark">
            chatcell <span>and Next.js</span>
          </span>
          {/* A whole page, and no `Link`: it leaves the connection of the last chat, and takes an id of its own. */}
          <a href="/">New chat</a>
        </header>
        {children}
      </body>
    </html>
  );
}
