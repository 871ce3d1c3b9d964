// Who a request comes from. A type only: auth/ makes and checks it, sockets and turns carry it.

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

/** Who a request comes from. */
export interface Principal {
  /** 1–256 printable characters, stable for the person. May not begin with `system:`. */
  id: string;
  /** Part of the address of every thread of this principal, so the same id in two tenants is two threads: `[A-Za-z0-9_.-]{1,64}`. */
  tenant?: string;
  /** Told to their own client only, so far. Cut at 256 characters. */
  name?: string;
  /** Epoch ms from which the principal may do nothing more. */
  expiresAt?: number;
  /** Facts for the app's own rules; as JSON at most 1,024 bytes. */
  claims?: Record<string, JsonValue>;
}
