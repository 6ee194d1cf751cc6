import { errorOf } from "@latchkey/client";
import { ask } from "../../ask";
import { client } from "../../session";
import { cursorOf } from "./users";

/** Somebody in the audit trail; without an e-mail if the account is gone. */
export type Party = { id: number; email: string };

export type AuditRow = {
  id: number;
  event: string;
  at: string;
  user: Party | null;
  actor: Party | null;
  session: string;
  device: string;
  browser: string;
  os: string;
  address: string;
  request: string;
  count: number;
  detail: string;
  /** By field: before and after. */
  changes: Record<string, [unknown, unknown]> | null;
};

export type AuditPage = { next: string | null; previous: null; results: AuditRow[] };

/** What of the audit trail is shown; it stands in the address. */
export type AuditFilters = { user: string; event: string; since: string; until: string };

const names = ["user", "event", "since", "until"] as const;

/** Reads the address; what makes no sense is left out. */
export function readAuditFilters(params: URLSearchParams): AuditFilters {
  const time = (name: string) => {
    const value = params.get(name) ?? "";
    return Number.isNaN(Date.parse(value)) ? "" : value;
  };
  const user = params.get("user") ?? "";
  return {
    user: /^\d+$/.test(user) ? user : "",
    event: params.get("event") ?? "",
    since: time("since"),
    until: time("until"),
  };
}

export function writeAuditFilters(filters: AuditFilters): URLSearchParams {
  const params = new URLSearchParams();
  for (const name of names) if (filters[name]) params.set(name, filters[name]);
  return params;
}

export async function listAudit(
  filters: AuditFilters,
  { cursor = "", size, signal }: { cursor?: string; size: number; signal?: AbortSignal },
): Promise<AuditPage> {
  const params = writeAuditFilters(filters);
  params.set("page_size", String(size));
  if (cursor) params.set("cursor", cursor);
  return (await ask<AuditPage>(`/api/audit/?${params}`, { signal })).data;
}

/** What getNextPageParam wants. */
export const nextAudit = (last: AuditPage): string | undefined => cursorOf(last.next);

/** Asks for a file of nothing, to learn whether one would be given: a link that is followed could not tell. */
export async function tryExport(format: "csv" | "jsonl"): Promise<void> {
  const nothing = { user: "", event: "", since: "", until: "1970-01-01T00:00:00Z" };
  const response = await client.fetch(client.root + exportPath(nothing, format));
  if (!response.ok) throw await errorOf(response);
  await response.body?.cancel();
}

/** Where everything that the filters let through can be downloaded. */
export function exportPath(filters: AuditFilters, format: "csv" | "jsonl"): string {
  const params = writeAuditFilters(filters);
  params.set("format", format);
  return `/api/audit/?${params}`;
}
