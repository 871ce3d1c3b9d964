// A client without any logic, for what the real one never does: repeating a command that was answered.
import type { AckFrame, SendCommand, ServerFrame, TicketRequest, TicketResponse } from "../../../src/entries/protocol.ts";

interface Place {
  url: string;
  threadId: string;
  user: string;
}

export async function askTicket({ url, threadId, user }: Place, body: TicketRequest = {}): Promise<TicketResponse> {
  const response = await fetch(`${url}/chat/threads/${threadId}/ticket`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${user}` },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`ticket: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Sends commands over a socket of their own and returns what answers them, in order. The epoch is the present one. */
export async function repeatOverSocket(place: Place, commands: readonly SendCommand[]): Promise<(AckFrame | ServerFrame)[]> {
  const { ticket } = await askTicket(place);
  const address = `${place.url.replace("http", "ws")}/chat/threads/${place.threadId}/socket`;
  const socket = new WebSocket(address, ["chatcell.v1", `ticket.${ticket}`]);
  const answers = new Map<string, ServerFrame>();
  return new Promise((resolve, reject) => {
    socket.addEventListener("close", ({ code }) => reject(new Error(`The socket closed with ${code}.`)));
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(String(data)) as ServerFrame;
      if (frame.type === "snapshot")
        for (const command of commands) socket.send(JSON.stringify({ ...command, epoch: frame.session.epoch }));
      if ("ref" in frame && frame.ref !== undefined) answers.set(frame.ref, frame);
      if (answers.size < commands.length) return;
      resolve(commands.map(({ id }) => answers.get(id)!));
      socket.close();
    });
  });
}
