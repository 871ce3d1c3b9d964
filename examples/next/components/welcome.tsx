const SUGGESTIONS = [
  ["write 300 words", "Then reload in the middle: the answer goes on."],
  ["think about the sea", "Thoughts come first, then an answer."],
  ["use the book tool in Paris", "Asks you before it books a table."],
  ["fail after 12 words", "What becomes of an answer whose model breaks."],
] as const;

export function Welcome({ onPick }: { onPick: (text: string) => void }) {
  return (
    <div className="welcome">
      <h1>
        A page of Next.js,
        <br />a thread in a Worker.
      </h1>
      <p>Your first message makes the thread. It keeps the conversation, runs the model and streams to each tab that is open.</p>
      <ul>
        {SUGGESTIONS.map(([text, what]) => (
          <li key={text}>
            <button type="button" onClick={() => onPick(text)}>
              <strong>{text}</strong>
              <span>{what}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
