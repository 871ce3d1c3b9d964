// What a role may do: one table, read for every command and every read. An app's `authorize` may only narrow it.
import type { Command, Read, Role } from "../protocol/frames.ts";

const ALLOWED: Record<(Command | Read)["type"], Record<Role, boolean>> = {
  send: { owner: true, member: true, viewer: false },
  edit: { owner: true, member: true, viewer: false },
  regenerate: { owner: true, member: true, viewer: false },
  continue: { owner: true, member: true, viewer: false },
  resolve: { owner: true, member: true, viewer: false },
  claim: { owner: true, member: true, viewer: false },
  set: { owner: true, member: true, viewer: false },
  append: { owner: false, member: false, viewer: false },
  stop: { owner: true, member: true, viewer: false },
  cancel: { owner: true, member: true, viewer: false },
  page: { owner: true, member: true, viewer: true },
  sync: { owner: true, member: true, viewer: true },
};

/** True when `role` may send a frame of `type`. False for a role or type that this version does not know. */
export function isAllowed(role: Role, type: (Command | Read)["type"]): boolean {
  return Object.hasOwn(ALLOWED, type) && Object.hasOwn(ALLOWED[type], role) && ALLOWED[type][role];
}

const ROLES = { owner: true, member: true, viewer: true } satisfies Record<Role, true>;

/** True for a role that this version knows: a hook of the app may answer anything, a promise too. */
export function isRole(value: unknown): value is Role {
  return typeof value === "string" && Object.hasOwn(ROLES, value);
}
