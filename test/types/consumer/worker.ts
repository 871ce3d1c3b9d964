// A user's Worker that exports what it infers: each line fails with TS2883 when one of our types cannot be named from an entry.
import { ChatSessionObject, anonymous, bearer, routeChatRequest, type Turn } from "chatcell";
import { createDemoModel } from "chatcell/demo";
import { foldChunks, tryParseServerFrame } from "chatcell/protocol";

interface Env {
  CHAT: DurableObjectNamespace<StudyChat>;
  CHATCELL_SECRET: string;
}

export class StudyChat extends ChatSessionObject<Env> {
  async onTurn(turn: Turn) {
    return `You said ${turn.message.parts.length} things.`;
  }
}

export const authenticate = anonymous();
export const options = (env: Env) => ({ namespace: env.CHAT, secret: env.CHATCELL_SECRET, authenticate });
export const route = async (request: Request, env: Env) => routeChatRequest(request, options(env));
export const byToken = bearer(async (token) => ({ id: token }));
export const model = createDemoModel();
export const frame = tryParseServerFrame;
export const folded = foldChunks;
export const prompt = async (turn: Turn) => ({ messages: await turn.modelMessages(), signal: turn.signal, message: turn.message });
