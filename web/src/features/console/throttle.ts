import { ask } from "../../ask";
import type { Party } from "./audit";
import { cursorOf } from "./users";

/** What was tried without success: by account, by client address, by known device or by session. */
export type Throttled = {
  id: string;
  kind: "account" | "address" | "device" | "session";
  /** Whose account it is; nobody's for an address, and for an e-mail that nobody here has. */
  user: Party | null;
  address: string;
  failures: number;
  last_at: string;
  /** Until when attempts are refused, and why. */
  refused_until: string | null;
  reason: "" | "window" | "delay" | "ceiling" | "emails";
  expires_at: string;
};

export type ThrottledPage = { next: string | null; previous: null; results: Throttled[] };

export async function listThrottled({
  cursor = "",
  size,
  signal,
}: {
  cursor?: string;
  size: number;
  signal?: AbortSignal;
}): Promise<ThrottledPage> {
  const params = new URLSearchParams({ page_size: String(size) });
  if (cursor) params.set("cursor", cursor);
  return (await ask<ThrottledPage>(`/api/throttle/?${params}`, { signal })).data;
}

/** What getNextPageParam wants. */
export const nextThrottled = (last: ThrottledPage): string | undefined => cursorOf(last.next);

/** Lets whoever was refused try again at once. */
export async function lift(id: string): Promise<void> {
  await ask(`/api/throttle/${id}/`, { method: "DELETE" });
}
