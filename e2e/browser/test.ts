import { test as base, type TestInfo } from "@playwright/test";
import { type Folders, type Front, type Site, startFront, startSite } from "./front.ts";
import { missingPostgres } from "./postgres.ts";
import { type Server, type Settings, startServer } from "./server.ts";

export { expect } from "@playwright/test";

export interface Latchkey {
  // serve starts a server; it ends with the test.
  serve(settings?: Settings): Promise<Server>;
  // front puts a proxy that counts before a server.
  front(server: Server, folders?: Folders): Promise<Front>;
  site(...about: Parameters<typeof startSite>): Promise<Site>;
}

// test has what starts servers, and stops them whatever became of the test.
export const test = base.extend<{ latchkey: Latchkey }>({
  // THROTTLE=8 shows what only a slow machine would: as many times slower is what the pages compute.
  page: async ({ page }, provide) => {
    const rate = Number(process.env["THROTTLE"] ?? "1");
    if (rate > 1)
      await (await page.context().newCDPSession(page)).send("Emulation.setCPUThrottlingRate", { rate });
    await provide(page);
  },
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern.
  latchkey: async ({}, provide, info) => {
    const ends: (() => Promise<void>)[] = [];
    const servers: Server[] = [];
    await provide({
      serve: async (settings) => {
        const why = settings?.engine === "postgres" ? missingPostgres() : undefined;
        if (why) test.skip(true, why);
        const server = await startServer(settings);
        servers.push(server);
        ends.push(server.stop);
        return server;
      },
      front: async (server, folders) => {
        const front = await startFront(server, folders);
        ends.push(front.close);
        return front;
      },
      site: async (...about) => {
        const site = await startSite(...about);
        ends.push(site.close);
        return site;
      },
    });
    // The last that was started depends on those before it.
    for (const end of ends.toReversed()) await end();
    await attachLogs(info, servers);
  },
});

async function attachLogs(info: TestInfo, servers: Server[]): Promise<void> {
  if (info.status === info.expectedStatus) return;
  for (const server of servers)
    await info.attach("log.txt", { body: server.log(), contentType: "text/plain" });
}

// Person is somebody with an account.
export interface Person {
  email: string;
  password: string;
}

export interface Tokens {
  access: string;
  refresh: string;
}

// Registered is a person who has just been registered, and so signed in.
export type Registered = Person & { tokens: Tokens };

let people = 0;

// register makes an account, as a client of the guide does it.
export async function register(server: { origin: string }): Promise<Registered> {
  people += 1;
  const person = { email: `person${people}@example.com`, password: "a quiet brass door 7" };
  const response = await call(server, "POST", "/api/auth/register/", {
    ...person,
    password2: person.password,
    first_name: "Ada",
    last_name: "Lovelace",
  });
  if (response.status !== 201) throw new Error(`register: ${response.status} ${await response.text()}`);
  const { tokens } = (await response.json()) as { tokens: Tokens };
  return { ...person, tokens };
}

// appoint makes an account with a role that nobody can register with, as an
// operator does it.
export async function appoint(server: Server, role: string, last: string): Promise<Person> {
  people += 1;
  const person = { email: `${role}${people}@example.com`, password: "a quiet brass door 7" };
  await server.command(
    [
      "user",
      "create",
      person.email,
      "--role",
      role,
      "--first-name",
      "Ida",
      "--last-name",
      last,
      "--password-stdin",
    ],
    `${person.password}\n`,
  );
  return person;
}

// call asks the API from outside of any browser.
export function call(
  server: { origin: string },
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(server.origin + path, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

// soon waits for what a test cannot be told of.
export const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
