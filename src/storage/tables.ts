// Every table of one object, made once from one database.
import { CommandTable } from "./command-table.ts";
import type { Database } from "./database.ts";
import { LogTable } from "./log-table.ts";
import { MemberTable } from "./member-table.ts";
import { MessageTable } from "./message-table.ts";
import { SessionTable } from "./session-table.ts";
import { ToolCallTable } from "./tool-call-table.ts";
import { TurnTable } from "./turn-table.ts";

export interface Tables {
  session: SessionTable;
  messages: MessageTable;
  turns: TurnTable;
  log: LogTable;
  toolCalls: ToolCallTable;
  commands: CommandTable;
  members: MemberTable;
}

export function createTables(db: Database): Tables {
  return {
    session: new SessionTable(db),
    messages: new MessageTable(db),
    turns: new TurnTable(db),
    log: new LogTable(db),
    toolCalls: new ToolCallTable(db),
    commands: new CommandTable(db),
    members: new MemberTable(db),
  };
}
