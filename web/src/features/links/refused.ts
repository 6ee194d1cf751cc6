import { LatchkeyError } from "@latchkey/client";

/** Whether the server says that a link is no good; anything else may be different in a moment. */
export function isRefused(error: unknown): boolean {
  return error instanceof LatchkeyError && [400, 404, 410].includes(error.status);
}
