// What a principal may do in this thread now. Asked for every command, every read and every delivery: a role is never kept
// from the time of the connection.
import { isRole } from "../auth/roles.ts";
import { isSystem } from "../auth/rpc.ts";
import { ChatError, isChatError, type ErrorCode } from "../errors.ts";
import type { Role } from "../protocol/frames.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Tables } from "../storage/tables.ts";
import type { Deps } from "./deps.ts";
import type { SessionHooks } from "./hooks.ts";

export interface AccessPorts {
  tables: Tables;
  hooks: SessionHooks;
  deps: Deps;
  report: (error: unknown) => void;
}

/** What a command can be carried out as: a stored role, or the server itself, which never has a socket. */
export type ActingRole = Role | "system";

/** The one answer for a missing thread and for one in which the principal has no role. */
export function noSuchThread(): ChatError {
  return new ChatError("not_found", "There is no such thread.");
}

export class Access {
  readonly #ports: AccessPorts;

  constructor(ports: AccessPorts) {
    this.#ports = ports;
  }

  /**
   * The role of a principal now, stored or granted by the app. One row read.
   * @throws {ChatError} `reauthenticate` when the sign-in has expired, `not_found` without a role
   */
  roleOf(principal: Principal): Role {
    const { tables, hooks, deps } = this.#ports;
    const now = deps.now();
    if (principal.expiresAt !== undefined && principal.expiresAt <= now) {
      throw new ChatError("reauthenticate", "The sign-in has expired. Ask for a new ticket.");
    }
    const role = tables.members.roleOf(principal.id, now) ?? hooks.authorizeThread(principal);
    if (!isRole(role)) throw noSuchThread();
    return role;
  }

  /** The same for a command that comes by HTTP or RPC, where the server itself can be the principal. @throws as {@link roleOf} */
  actingRoleOf(principal: Principal): ActingRole {
    return isSystem(principal) ? "system" : this.roleOf(principal);
  }

  /** Why a principal may not be sent anything; null when it may. A hook that throws refuses. */
  refusalOf(principal: Principal): ErrorCode | null {
    try {
      this.roleOf(principal);
      return null;
    } catch (error) {
      if (isChatError(error)) return error.code;
      this.#ports.report(error);
      return "internal";
    }
  }
}
