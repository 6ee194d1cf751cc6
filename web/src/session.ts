import { createClient } from "@latchkey/client";

/** The one client of the app: same origin, cookie mode. No token is ever in reach of this code. */
export const client = createClient();

let signedInHere = false;

/** Notes that somebody has just signed in on this page, by hand. */
export function noteSignIn(): void {
  signedInHere = true;
}

/** Whether somebody has; true once only. */
export function takeSignIn(): boolean {
  const was = signedInHere;
  signedInHere = false;
  return was;
}
