export default function NotFound() {
  return (
    <main className="notice">
      <h1>There is no chat here</h1>
      <p>It was never begun, or it is somebody else’s.</p>
      <a className="button" href="/">
        Begin a new one
      </a>
    </main>
  );
}
