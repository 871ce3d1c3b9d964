"use client";

export default function ErrorPage({ retry }: { error: unknown; retry: () => void }) {
  return (
    <main className="notice">
      <h1>The chat cannot be reached</h1>
      <p>Nothing is lost: what was said is in its thread.</p>
      <button className="button" onClick={retry}>
        Try again
      </button>
    </main>
  );
}
