import { errorOf } from "@latchkey/client";
import { client } from "./session";

/** An answer, and the version of what it tells of, for If-Match. */
export type Answer<T> = { data: T; etag: string };

export type Question = {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  body?: unknown;
  /** Only if what is changed is still of this version; 412 otherwise. */
  ifMatch?: string | undefined;
  signal?: AbortSignal | undefined;
};

/** Asks the API; rejects with a LatchkeyError or a NetworkError. */
export async function ask<T>(path: string, question: Question = {}): Promise<Answer<T>> {
  const { method = "GET", body, ifMatch, signal } = question;
  const init: RequestInit = { method, headers: {} };
  if (body !== undefined) {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  if (ifMatch) init.headers = { ...init.headers, "If-Match": ifMatch };
  if (signal) init.signal = signal;
  const response = await client.fetch(client.root + path, init);
  if (!response.ok) throw await errorOf(response);
  return {
    data: (response.status === 204 ? undefined : await response.json()) as T,
    etag: response.headers.get("ETag") ?? "",
  };
}
