import { queryOptions, useQuery } from "@tanstack/react-query";
import { client } from "../session";

/** What the server knows, by name. Each is asked for in one place. */
export const settingsQuery = queryOptions({
  queryKey: ["settings"],
  queryFn: () => client.settings(),
  staleTime: Infinity,
  gcTime: Infinity,
});

export const profileQuery = queryOptions({ queryKey: ["profile"], queryFn: () => client.profile.get() });

// What changes by itself is asked for each time that somebody comes to look: the newest device or event must not be hidden
// because somebody looked a moment ago.
export const sessionsQuery = queryOptions({
  queryKey: ["sessions"],
  queryFn: () => client.sessions.list(),
  staleTime: 0,
});

export const lastEventQuery = queryOptions({
  queryKey: ["events", "last"],
  queryFn: () => client.events.list({ limit: 1 }),
  staleTime: 0,
});

/** What the operator calls the service; the product's name until that is known. */
export function useServiceName(): string {
  return useQuery(settingsQuery).data?.name ?? "Latchkey";
}

/** The shortest password; the contract's until the server has said. */
export function useMinLength(): number {
  return useQuery(settingsQuery).data?.password.min_length ?? 8;
}
