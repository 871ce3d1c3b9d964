// The one table of error codes: HTTP status, close code, retryability. Nothing else maps a code to a status.
// It is apart from errors.ts so that the browser client, which maps no statuses, does not carry it.

interface ErrorSpec {
  /** HTTP status where the error answers a request. */
  status: number;
  /** WebSocket close code where the error ends a connection. */
  close: number;
  /** True when the same request may succeed later without a change. */
  retryable: boolean;
}

/** Close codes 4000–4999 are free for applications (RFC 6455 §7.4.2). 44xx: stop, 45xx: retry, 4401 and 4402: new ticket first. */
export const ERRORS = {
  bad_frame: { status: 400, close: 4400, retryable: false },
  bad_request: { status: 400, close: 4400, retryable: false },
  too_large: { status: 413, close: 4413, retryable: false },
  unknown_frame: { status: 400, close: 4400, retryable: false },
  unauthenticated: { status: 401, close: 4401, retryable: false },
  identity_required: { status: 401, close: 4401, retryable: false },
  reauthenticate: { status: 401, close: 4402, retryable: true },
  bad_ticket: { status: 401, close: 4402, retryable: true },
  bad_origin: { status: 403, close: 4403, retryable: false },
  forbidden: { status: 403, close: 4403, retryable: false },
  not_found: { status: 404, close: 4404, retryable: false },
  method_not_allowed: { status: 405, close: 4400, retryable: false },
  gone: { status: 410, close: 4410, retryable: false },
  id_reused: { status: 409, close: 4400, retryable: false },
  stale_epoch: { status: 409, close: 4400, retryable: false },
  already_started: { status: 409, close: 4400, retryable: false },
  head_moved: { status: 409, close: 4400, retryable: false },
  already_resolved: { status: 409, close: 4400, retryable: false },
  already_claimed: { status: 409, close: 4400, retryable: false },
  state_conflict: { status: 409, close: 4400, retryable: false },
  turn_active: { status: 409, close: 4400, retryable: true },
  queue_full: { status: 429, close: 4529, retryable: true },
  rate_limited: { status: 429, close: 4529, retryable: true },
  too_many_connections: { status: 429, close: 4529, retryable: true },
  too_many_admissions: { status: 429, close: 4529, retryable: true },
  too_slow: { status: 429, close: 4529, retryable: true },
  state_too_large: { status: 413, close: 4413, retryable: false },
  unsupported_protocol: { status: 426, close: 4426, retryable: false },
  schema_ahead: { status: 503, close: 4503, retryable: true },
  migration_failed: { status: 503, close: 4503, retryable: true },
  model_error: { status: 502, close: 4500, retryable: true },
  interrupted: { status: 503, close: 4500, retryable: true },
  attempts_exhausted: { status: 503, close: 4500, retryable: true },
  work_exhausted: { status: 503, close: 4500, retryable: true },
  configuration: { status: 500, close: 4500, retryable: false },
  internal: { status: 500, close: 4500, retryable: true },
} as const satisfies Record<string, ErrorSpec>;
