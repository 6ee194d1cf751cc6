import type { AxiosError, AxiosInstance, InternalAxiosRequestConfig } from "axios";
import type { Client } from "./client.js";

/** A request's own note: which tokens it goes out with, and whether it is the second try. */
type Noted = InternalAxiosRequestConfig & { latchkey?: { stamp: number; again: boolean } };

/**
 * Puts the client's credential on every request of an axios instance, in place of the guide's interceptors: refreshed
 * ahead of the expiry, and once after a 401. Gives what takes it off again.
 *
 * A request to an origin that is neither the server's nor one of `origins` gets no credential.
 */
export function attach(instance: AxiosInstance, client: Client): () => void {
  const url = (config: InternalAxiosRequestConfig) =>
    new URL(instance.getUri(config), typeof location === "undefined" ? undefined : location.href);

  const request = instance.interceptors.request.use(async (config: Noted) => {
    const prepared = await client.prepare(url(config));
    if (!prepared) return config;
    for (const [name, value] of Object.entries(prepared.headers)) config.headers.set(name, value);
    if (prepared.credentials === "include") config.withCredentials = true;
    config.latchkey = { stamp: prepared.stamp, again: config.latchkey !== undefined };
    return config;
  });

  /** The second try of a request that was answered with 401; undefined if there is none to make. */
  const again = async (config: Noted | undefined) => {
    // A stream is read already.
    if (!config?.latchkey || config.latchkey.again || isStream(config.data)) return undefined;
    if (!(await client.recover(url(config), config.latchkey.stamp))) return undefined;
    return instance.request(config);
  };
  const response = instance.interceptors.response.use(
    // An instance whose validateStatus lets a 401 pass.
    async (answer) => (answer.status === 401 && (await again(answer.config))) || answer,
    async (error: AxiosError) => {
      const second = error.response?.status === 401 && (await again(error.config));
      if (second) return second;
      throw error;
    },
  );

  return () => {
    instance.interceptors.request.eject(request);
    instance.interceptors.response.eject(response);
  };
}

function isStream(data: unknown): boolean {
  return typeof data === "object" && data !== null && ("pipe" in data || "getReader" in data);
}
