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

  const response = instance.interceptors.response.use(undefined, async (error: AxiosError) => {
    const config: Noted | undefined = error.config;
    if (error.response?.status !== 401 || !config?.latchkey || config.latchkey.again) throw error;
    if (!(await client.recover(url(config), config.latchkey.stamp))) throw error;
    return instance.request(config);
  });

  return () => {
    instance.interceptors.request.eject(request);
    instance.interceptors.response.eject(response);
  };
}
