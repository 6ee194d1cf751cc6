import type { Role } from "@latchkey/client";
import { LatchkeyError } from "@latchkey/client";
import { words } from "../../people/problems";
import type { Text } from "../../text/en";

/** The roles, in the guide's order. */
export const roleNames: readonly Role[] = ["admin", "manager", "employee", "client"];

/** What somebody is called. */
export function nameOf(user: { first_name: string; last_name: string; email: string }): string {
  return `${user.first_name} ${user.last_name}`.trim() || user.email;
}

/** What an error says to whoever looks after others: of a conflict the server tells what it is. */
export function said(error: unknown, text: Text): string {
  if (error instanceof LatchkeyError && error.status === 409) return text.server(error.message);
  return words(error, text);
}

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof LatchkeyError && error.status === status;
}
