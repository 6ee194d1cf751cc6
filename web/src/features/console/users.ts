import type { Role, Session } from "@latchkey/client";
import { queryOptions } from "@tanstack/react-query";
import { ask, type Answer } from "../../ask";
import { roleNames } from "./names";

/** A user as the administration sees one. */
export type User = {
  id: number;
  email: string;
  first_name: string;
  last_name: string;
  phone: string;
  role: Role;
  is_active: boolean;
  created_at: string;
  updated_at: string;
  last_login: string | null;
};

export type UserPage = {
  count: number;
  count_exact: boolean;
  next: string | null;
  previous: string | null;
  results: User[];
};

export const orderings = [
  "-id",
  "id",
  "name",
  "-name",
  "email",
  "-email",
  "created_at",
  "-created_at",
  "last_login",
  "-last_login",
] as const;
export type Ordering = (typeof orderings)[number];

export const pageSizes = [10, 25, 50, 100] as const;
const usualSize = 25;

/** What of the users is shown; it stands in the address. */
export type UserFilters = {
  search: string;
  role: Role | "";
  is_active: "true" | "false" | "";
  ordering: Ordering;
  page_size: number;
  cursor: string;
};

/** Reads the address; what nobody would have chosen counts as not chosen. */
export function readFilters(params: URLSearchParams): UserFilters {
  const active = params.get("is_active");
  return {
    search: params.get("search") ?? "",
    role: roleNames.find((r) => r === params.get("role")) ?? "",
    is_active: active === "true" || active === "false" ? active : "",
    ordering: orderings.find((o) => o === params.get("ordering")) ?? "-id",
    page_size: pageSizes.find((n) => String(n) === params.get("page_size")) ?? usualSize,
    cursor: params.get("cursor") ?? "",
  };
}

/** The address of what is shown: only what was chosen stands in it. */
export function writeFilters(filters: UserFilters): URLSearchParams {
  const params = new URLSearchParams();
  const usual = readFilters(params);
  for (const name of Object.keys(usual) as (keyof UserFilters)[]) {
    if (filters[name] !== usual[name]) params.set(name, String(filters[name]));
  }
  return params;
}

/** What a page's address names as the place to go on from. */
export function cursorOf(page: string | null | undefined): string | undefined {
  if (!page) return undefined;
  return new URL(page, location.href).searchParams.get("cursor") ?? undefined;
}

export async function listUsers(
  filters: UserFilters,
  cursor: string,
  signal?: AbortSignal,
): Promise<UserPage> {
  const params = writeFilters({ ...filters, cursor });
  params.set("page_size", String(filters.page_size));
  return (await ask<UserPage>(`/api/users/?${params}`, { signal })).data;
}

const one = (id: number) => `/api/users/${id}/`;

export const userQuery = (id: number) =>
  queryOptions({
    queryKey: ["users", "one", id],
    queryFn: ({ signal }) => ask<User>(one(id), { signal }),
    staleTime: 0,
  });

export type NewUser = Pick<User, "email" | "first_name" | "last_name" | "role"> & { phone?: string };
export type UserChange = Partial<Pick<User, "email" | "first_name" | "last_name" | "phone" | "role">>;

export const createUser = async (user: NewUser): Promise<User> =>
  (await ask<User>("/api/users/", { method: "POST", body: user })).data;

/** Changes a user if nobody else has meanwhile. */
export const changeUser = (id: number, change: UserChange, etag: string): Promise<Answer<User>> =>
  ask<User>(one(id), { method: "PATCH", body: change, ifMatch: etag });

export const deleteUser = (id: number): Promise<unknown> => ask(one(id), { method: "DELETE" });

export type BulkAct = "deactivate" | "activate" | "logout";

export const deactivate = (id: number) => ask<User>(`${one(id)}deactivate/`, { method: "POST" });
export const activate = (id: number) => ask<User>(`${one(id)}activate/`, { method: "POST" });

/** Ends all sessions of a user; gives how many those were. */
export const signOutUser = async (id: number): Promise<number> =>
  (await ask<{ ended: number }>(`${one(id)}logout/`, { method: "POST" })).data.ended;

export const bulkActs: Record<BulkAct, (id: number) => Promise<unknown>> = {
  deactivate,
  activate,
  logout: signOutUser,
};

/** A link that sets a new password once. */
export type ResetLink = { link: string; expires_at: string };

export const makeResetLink = async (id: number): Promise<ResetLink> =>
  (await ask<ResetLink>(`${one(id)}reset-link/`, { method: "POST" })).data;

export const userSessionsQuery = (id: number) =>
  queryOptions({
    queryKey: ["users", "sessions", id],
    queryFn: async ({ signal }) =>
      (await ask<{ results: Session[] }>(`${one(id)}sessions/`, { signal })).data.results,
    staleTime: 0,
  });
