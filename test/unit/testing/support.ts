// The far end of a link in tests: a socket and a server that do what the test says.

export class FakeSocket extends EventTarget {
  static opened: FakeSocket[] = [];
  readonly url: string;
  readonly protocol = "chatcell.v1";
  readonly sent: unknown[] = [];
  closedWith: unknown[] | null = null;
  binaryType = "blob";

  constructor(url: string) {
    super();
    this.url = url;
    if (url.includes("refused")) throw new SyntaxError("The address is refused.");
    FakeSocket.opened.push(this);
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(...args: unknown[]): void {
    this.closedWith = args;
  }

  open(): void {
    this.dispatchEvent(new Event("open"));
  }

  give(...texts: (string | ArrayBuffer)[]): void {
    for (const data of texts) this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  end(code: number, reason = "", wasClean = true): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason, wasClean }));
  }
}

/** Everything that a socket tells its client, in order. */
export function listen(socket: WebSocket): unknown[] {
  const heard: unknown[] = [];
  socket.addEventListener("open", () => heard.push("open"));
  socket.addEventListener("error", () => heard.push("error"));
  socket.addEventListener("message", ({ data }) => heard.push(data));
  socket.addEventListener("close", ({ code, reason, wasClean }) => heard.push({ code, reason, wasClean }));
  return heard;
}
