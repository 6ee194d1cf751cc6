import type { Role } from "@latchkey/client";
import { useAuth } from "@latchkey/client/react";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { ask } from "../ask";

/** The permissions that this app asks for; the server may know more. */
export type Permission =
  | "users.read"
  | "users.create"
  | "users.edit"
  | "users.grant"
  | "users.deactivate"
  | "users.logout"
  | "users.reset"
  | "users.history"
  | "users.delete"
  | "audit.read"
  | "stats.read"
  | "system.read"
  | "throttle.lift";

/** A permission, and the roles of the users that it extends to; null where it concerns no user. */
export type Grant = { permission: string; roles: Role[] | null };

export type RolePowers = { role: Role; limited: boolean; permissions: Grant[] };

/** The whole table of who may do what, and which row is one's own. */
export type Powers = { role: Role; limited: boolean; roles: RolePowers[] };

/** The table; it is another question for another role. */
export const powersQuery = (role: Role | undefined) =>
  queryOptions({
    queryKey: ["permissions", role],
    queryFn: async () => (await ask<Powers>("/api/auth/permissions/")).data,
    staleTime: Infinity,
    gcTime: Infinity,
    enabled: role !== undefined,
  });

/** Whether one may do something; with a role, whether one may do it to a user who has that. */
export type May = (permission: Permission, whom?: Role) => boolean;

export function mayOf(powers: Powers): May {
  const grants = powers.roles.find((r) => r.role === powers.role)?.permissions ?? [];
  return (permission, whom) =>
    grants.some(
      (g) =>
        g.permission === permission && (whom === undefined || g.roles === null || g.roles.includes(whom)),
    );
}

/** What one may do; undefined while that is not known. What this hides the server refuses. */
export function useMay(): May | undefined {
  const { data } = useQuery(powersQuery(useAuth().user?.role));
  return data && mayOf(data);
}
