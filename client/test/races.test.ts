import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createClient, NetworkError, type Client, type ClientOptions, type Pair } from "../src/index.js";
import { FakeLocks } from "./locks.js";
import { ada, FakeServer, Jar } from "./server.js";

// What happens at the same time, in the wrong order or with a wrong clock.

let server: FakeServer;
let jar: Jar;
let clients: Client[] = [];

beforeEach(async () => {
  server = new FakeServer();
  await server.start();
  jar = new Jar();
  vi.stubGlobal("navigator", { locks: new FakeLocks() });
});

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await server.stop();
  vi.unstubAllGlobals();
});

function make(options: ClientOptions = {}): Client {
  const client = createClient({ baseURL: server.url, fetch: jar.fetch, tabs: true, ...options });
  clients.push(client);
  return client;
}

const right = { email: "ada@example.com", password: "right" };
const profile = () => `${server.url}/api/auth/profile/`;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const isRefresh = (input: RequestInfo | URL) => String(input).endsWith("/token/refresh/");

/** As the jar's, but the answer to a refresh is long on its way. */
const late: typeof fetch = async (input, init) => {
  if (!isRefresh(input)) return jar.fetch(input, init);
  const headers = new Headers(init?.headers);
  headers.set("Cookie", jar.cookies);
  const response = await fetch(input, { ...init, headers });
  await sleep(150);
  jar.cookies = response.headers.get("x-set-cookie") ?? jar.cookies;
  return response;
};

function memory() {
  let pair: Pair | undefined;
  return {
    shared: true,
    get: () => pair,
    set: (p: Pair) => {
      pair = p;
    },
    remove: () => {
      pair = undefined;
    },
  };
}

describe.each(["cookie", "hybrid", "bearer"] as const)("%s mode", (mode) => {
  test("who signs out while a refresh is under way stays signed out", async () => {
    const storage = memory();
    const client = make({ mode, storage, fetch: late });
    await client.login(right);
    const heard: string[] = [];
    client.on("signedIn", () => heard.push("in"));
    client.on("signedOut", (reason) => heard.push(reason));
    const refreshing = client.refresh();
    await sleep(50);
    await client.logout();
    await refreshing;
    await sleep(50);
    expect(client.state).toEqual({ status: "signedOut", reason: "logout" });
    expect(heard).toEqual(["logout"]);
    expect(storage.get()).toBeUndefined();
  });

  test("so does another tab whose refresh is under way", async () => {
    const storage = memory();
    const [one, two] = [make({ mode, storage }), make({ mode, storage, fetch: late })];
    await one.login(right);
    await vi.waitFor(() => expect(two.state.status).toBe("signedIn"));
    const refreshing = two.refresh();
    await sleep(50);
    await one.logout();
    await refreshing;
    await vi.waitFor(() => expect(two.state.status).toBe("signedOut"));
    await sleep(50);
    expect([one.state.status, two.state.status]).toEqual(["signedOut", "signedOut"]);
    expect(storage.get()).toBeUndefined();
  });

  test("the late answer to a refresh does not take the place of a new login", async () => {
    const storage = memory();
    const [one, two] = [make({ mode, storage }), make({ mode, storage, fetch: late })];
    await one.login(right);
    await vi.waitFor(() => expect(two.state.status).toBe("signedIn"));
    const refreshing = two.refresh();
    await sleep(50);
    await one.login(right);
    await refreshing;
    await sleep(50);
    const kept = mode === "bearer" ? (storage.get()?.refresh ?? "") : jar.cookies;
    expect(kept).toContain(server.refresh);
  });

  test("logging out with an expired token ends the session all the same", async () => {
    const client = make({ mode });
    await client.login(right);
    server.expire();
    await client.logout();
    expect(server.access).toBe("");
    expect(client.state).toEqual({ status: "signedOut", reason: "logout" });
  });

  test.each([
    ["ahead by more than a token's life", 4 * 3600],
    ["ahead by just a token's life", 600],
    ["behind", -4 * 3600],
  ])("a clock that is %s refreshes nothing before its time", async (_, seconds) => {
    // Another origin's page cannot read Date.
    const blind: typeof fetch = async (input, init) => {
      const response = await jar.fetch(input, init);
      const headers = new Headers(response.headers);
      headers.delete("Date");
      return new Response(response.status === 204 ? null : response.body, {
        status: response.status,
        headers,
      });
    };
    server.before = (what) =>
      what === "GET /api/auth/settings/" ? Promise.resolve([200, { tokens: { access: 600 } }]) : undefined;
    server.lifetime = 600;
    const client = make({ mode, fetch: blind, now: () => Date.now() + seconds * 1000 });
    await client.login(right);
    const stop = client.start();
    for (let i = 0; i < 5; i++) expect((await client.fetch(profile())).status).toBe(200);
    await sleep(1200);
    expect(server.refreshes).toBe(0);
    server.expire();
    expect((await client.fetch(profile())).status).toBe(200);
    expect(server.refreshes).toBe(1);
    stop();
  });

  test("a server that is away is not asked at each call while the token holds", async () => {
    let now = Date.now();
    const client = make({ mode, now: () => now });
    await client.login(right);
    server.before = (what) =>
      what.endsWith("refresh/")
        ? Promise.resolve([503, { detail: "away" }, { "Retry-After": "30" }])
        : undefined;
    now += 57_000; // of 60 s: within the last tenth, should the login have taken a while
    for (let i = 0; i < 5; i++) expect((await client.fetch(profile())).status).toBe(200);
    expect(server.refreshes).toBe(1);
  });
});

test("a refresh that hangs holds up neither logout nor login", async () => {
  const client = make();
  await client.login(right);
  let hung = true;
  server.before = (what) =>
    what.endsWith("refresh/") && hung ? sleep(7000).then(() => undefined) : undefined;
  const refreshing = client.refresh();
  await sleep(20);
  hung = false;
  await client.logout();
  expect(client.state.status).toBe("signedOut");
  await client.login(right);
  expect(client.state.status).toBe("signedIn");
  const { access } = client.state.expires ?? {};
  await refreshing;
  expect(client.state.expires?.access).toBe(access);
}, 20_000);

test("who was never signed in hears of no end", async () => {
  const client = make();
  const heard: unknown[] = [];
  client.on("signedOut", (reason) => heard.push(reason));
  client.on("change", (state) => heard.push(state.status));
  const stop = client.start();
  await vi.waitFor(() => expect(client.state.status).toBe("signedOut"));
  expect(heard).toEqual(["signedOut"]); // the change, not the event
  stop();
});

test("a page that was loaded while the server was away finds out later", async () => {
  const client = make();
  await client.login(right);
  const next = make();
  let away = true;
  server.before = () => (away ? Promise.resolve([503, { detail: "starting" }]) : undefined);
  const stop = next.start();
  await sleep(200);
  expect(next.state.status).toBe("unknown");
  away = false;
  await vi.waitFor(() => expect(next.state).toMatchObject({ status: "signedIn", user: ada }), {
    timeout: 4000,
  });
  stop();
});

test("a busy server is not asked again before it wants to be", async () => {
  server.lifetime = 1;
  const client = make();
  await client.login(right);
  server.before = (what) =>
    what.endsWith("refresh/")
      ? Promise.resolve([429, { detail: "throttled" }, { "Retry-After": "60" }])
      : undefined;
  const stop = client.start();
  await sleep(4000);
  expect(server.refreshes).toBe(1);
  stop();
});

test("in hybrid mode a winner that was closed has left its cookie", async () => {
  const client = make({ mode: "hybrid" });
  await client.login(right);
  server.expire();
  server.before = (what) => {
    if (!what.endsWith("refresh/")) return undefined;
    server.before = () => undefined;
    return fetch(`${server.url}/api/auth/token/refresh/`, {
      method: "POST",
      headers: { "Auth-Mode": "hybrid", Cookie: jar.cookies },
    }).then((other) => {
      jar.cookies = other.headers.get("x-set-cookie") ?? "";
      return [401, { detail: "Token is blacklisted", code: "token_not_valid" }];
    });
  };
  expect((await client.fetch(profile())).status).toBe(200);
  expect(client.state.status).toBe("signedIn");
});

test("a tab that hears late of an end leaves the tokens of a new login alone", async () => {
  const storage = memory();
  const [one, two] = [make({ mode: "bearer", storage }), make({ mode: "bearer", storage })];
  await one.login(right);
  await vi.waitFor(() => expect(two.state.status).toBe("signedIn"));
  const channel = new BroadcastChannel(`latchkey bearer ${server.url}`);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel takes none
  channel.postMessage({ type: "signedOut", reason: "expired" });
  await vi.waitFor(() => expect(two.state.status).toBe("signedOut"));
  channel.close();
  expect(storage.get()?.refresh).toBe(server.refresh);
});

test("a reload that lost the race does not throw the winner's tokens away", async () => {
  const storage = memory();
  await make({ mode: "bearer", storage, tabs: false }).login(right);
  const old = storage.get();
  // The winner is another page; what it stores is seen here a moment later.
  server.expire();
  const won = await fetch(`${server.url}/api/auth/token/refresh/`, {
    method: "POST",
    body: JSON.stringify({ refresh: old?.refresh }),
  });
  const pair = (await won.json()) as Pair;
  setTimeout(() => storage.set(pair), 150);
  const client = make({ mode: "bearer", storage, tabs: false });
  await client.restore();
  expect(client.state).toMatchObject({ status: "signedIn", user: ada });
  expect(storage.get()?.refresh).toBe(server.refresh);
});

test("who takes a request back hears of that, not of the network", async () => {
  const client = make();
  await client.login(right);
  server.before = () => sleep(300).then(() => undefined);
  const controller = new AbortController();
  const asked = client.fetch(new Request(profile(), { signal: controller.signal })).catch((e: unknown) => e);
  setTimeout(() => controller.abort(), 50);
  const error = await asked;
  expect(error).not.toBeInstanceOf(NetworkError);
  expect((error as Error).name).toBe("AbortError");
});

test("a listener that throws keeps nobody from hearing", async () => {
  const thrown: unknown[] = [];
  const note = (error: unknown) => thrown.push(error);
  process.on("uncaughtException", note);
  const before = process.listeners("uncaughtException").filter((l) => l !== note);
  for (const l of before) process.off("uncaughtException", l);
  try {
    const [one, two] = [make(), make()];
    await one.login(right);
    await vi.waitFor(() => expect(two.state.status).toBe("signedIn"));
    one.on("signedOut", () => {
      throw new Error("of the page");
    });
    await one.logout();
    await vi.waitFor(() => expect(two.state.status).toBe("signedOut"));
    await sleep(20);
    expect(thrown.map((e) => (e as Error).message)).toEqual(["of the page"]);
  } finally {
    for (const l of before) process.on("uncaughtException", l);
    process.off("uncaughtException", note);
  }
});
