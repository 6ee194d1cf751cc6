import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  createClient,
  isUnconfirmed,
  fieldErrors,
  LatchkeyError,
  NetworkError,
  type Client,
  type ClientOptions,
} from "../src/index.js";
import { ada, FakeServer, Jar } from "./server.js";
import { FakeLocks } from "./locks.js";

let server: FakeServer;
let clients: Client[] = [];
let jar: Jar;

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
const modes = ["cookie", "hybrid", "bearer"] as const;

describe.each(modes)("%s mode", (mode) => {
  test("signs in, asks, signs out", async () => {
    const client = make({ mode });
    const heard: unknown[] = [];
    client.on("signedIn", (user) => heard.push(user));
    client.on("signedOut", (reason) => heard.push(reason));
    await client.login(right);
    expect(client.state).toMatchObject({ status: "signedIn", user: ada });
    expect((await client.profile.get()).email).toBe("ada@example.com");
    await client.logout();
    expect(client.state).toEqual({ status: "signedOut", reason: "logout" });
    expect(heard).toEqual([ada, "logout"]);
    expect(server.refreshes).toBe(0);
  });

  test("refreshes once for twenty calls that meet the expiry", async () => {
    const client = make({ mode });
    await client.login(right);
    server.expire();
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.fetch(profile())));
    expect(answers.map((a) => a.status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(server.refreshes).toBe(1);
    expect(client.state.status).toBe("signedIn");
  });

  test("refreshes before a request when the token is about to expire", async () => {
    let now = Date.now();
    const client = make({ mode, now: () => now });
    await client.login(right);
    now += 58_000; // of 60 s: within the last tenth, should the login have taken a while
    await client.profile.get();
    expect(server.asked.slice(1)).toEqual(["POST /api/auth/token/refresh/", "GET /api/auth/profile/"]);
  });

  test("a refused refresh signs out once and never loops", async () => {
    const client = make({ mode });
    await client.login(right);
    const heard: string[] = [];
    client.on("signedOut", (reason) => heard.push(reason));
    server.end();
    const answers = await Promise.all([
      client.fetch(profile()),
      client.fetch(profile()),
      client.fetch(profile()),
    ]);
    expect(answers.map((a) => a.status)).toEqual([401, 401, 401]);
    expect(heard).toEqual(["expired"]);
    const asked = mode === "hybrid" ? 2 : 1; // once more for a cookie that came meanwhile
    expect(server.refreshes).toBe(asked);
    await client.fetch(profile());
    expect(server.refreshes).toBe(asked);
  });

  test("a second 401 is the caller's", async () => {
    const client = make({ mode });
    await client.login(right);
    server.before = (what) =>
      what === "GET /api/orders/" ? Promise.resolve([401, { detail: "not for you" }]) : undefined;
    const answer = await client.fetch(`${server.url}/api/orders/`);
    expect(answer.status).toBe(401);
    expect(server.refreshes).toBe(1);
    expect(server.count("GET /api/orders/")).toBe(2);
    expect(client.state.status).toBe("signedIn");
  });

  test("a failed login refreshes nothing", async () => {
    const client = make({ mode });
    await client.login(right);
    const error = await client
      .login({ email: "ada@example.com", password: "wrong" })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(LatchkeyError);
    expect(fieldErrors(error)).toEqual({ non_field_errors: ["Invalid credentials."] });
    const raw = await client.fetch(`${server.url}/api/auth/login/`, {
      method: "POST",
      body: JSON.stringify({ email: "ada@example.com", password: "wrong" }),
    });
    expect(raw.status).toBe(401);
    expect(server.refreshes).toBe(0);
    expect(client.state.status).toBe("signedIn");
  });

  test("an answer that is lost on its way is asked for again", async () => {
    server.grace = true;
    const client = make({ mode });
    await client.login(right);
    server.expire();
    let dropped = false;
    server.before = (what) => {
      if (dropped || !what.endsWith("refresh/")) return undefined;
      dropped = true;
      return Promise.resolve("drop");
    };
    expect((await client.fetch(profile())).status).toBe(200);
    expect(server.refreshes).toBe(2);
    expect(client.state.status).toBe("signedIn");
  });

  test("without a network nobody is signed out", async () => {
    const client = make({ mode });
    await client.login(right);
    server.expire();
    server.before = (what) => (what.endsWith("refresh/") ? Promise.resolve("drop") : undefined);
    await expect(client.fetch(profile())).rejects.toBeInstanceOf(NetworkError);
    expect(client.state.status).toBe("signedIn");
    expect(server.refreshes).toBe(2); // once more, then no more
  });

  test("a busy server is waited for, and does not sign out", async () => {
    const client = make({ mode });
    await client.login(right);
    server.expire();
    let busy = 1;
    server.before = (what) =>
      what.endsWith("refresh/") && busy-- > 0
        ? Promise.resolve([503, { detail: "busy" }, { "Retry-After": "1" }])
        : undefined;
    expect((await client.fetch(profile())).status).toBe(200);
    busy = 5;
    server.expire();
    await expect(client.fetch(profile())).rejects.toMatchObject({ status: 503, retryAfter: 1 });
    expect(client.state.status).toBe("signedIn");
  });

  test("sends the body again", async () => {
    const client = make({ mode });
    await client.login(right);
    for (const send of [
      () => client.fetch(profile(), { method: "PUT", body: '{"first_name":"Grace"}' }),
      () => client.fetch(new Request(profile(), { method: "PUT", body: '{"first_name":"Grace"}' })),
    ]) {
      server.expire();
      const answer = await send();
      expect(await answer.json()).toMatchObject({ first_name: "Grace" });
    }
    expect(server.requests.filter((r) => r.body === '{"first_name":"Grace"}')).toHaveLength(4);
  });

  test("no other origin is sent a credential", async () => {
    const other = new FakeServer();
    await other.start();
    const api = new FakeServer();
    await api.start();
    try {
      const client = make({ mode, origins: [api.url] });
      await client.login(right);
      const { access } = server;
      await client.fetch(`${other.url}/api/orders/`);
      await client.fetch(`${api.url}/api/orders/`);
      expect(other.requests[0]?.headers).not.toHaveProperty("authorization");
      expect(other.requests[0]?.headers).not.toHaveProperty("auth-mode");
      expect(other.requests[0]?.headers.cookie ?? "").toBe("");
      expect(api.requests[0]?.headers.authorization).toBe(mode === "cookie" ? undefined : `Bearer ${access}`);
      expect(api.requests[0]?.headers.cookie ?? "").toBe("");
    } finally {
      await other.stop();
      await api.stop();
    }
  });

  // ASVS 14.3.1
  test("logout that is not heard", async () => {
    const client = make({ mode });
    await client.login(right);
    server.before = (what) => (what.endsWith("logout/") ? Promise.resolve("drop") : undefined);
    const outcome = await client.logout().catch((e: unknown) => e);
    // Only the server can take cookies back.
    expect(outcome instanceof NetworkError).toBe(mode !== "bearer");
    expect(client.state.status).toBe(mode === "bearer" ? "signedOut" : "signedIn");
  });

  test("a change of the profile is known at once", async () => {
    const client = make({ mode });
    await client.login(right);
    await client.profile.update({ first_name: "Grace" });
    expect(client.state.user?.first_name).toBe("Grace");
  });
});

describe("after a reload", () => {
  test("cookie mode asks who one is", async () => {
    await make().login(right);
    const next = make();
    await next.restore();
    expect(next.state).toMatchObject({ status: "signedIn", user: ada });
    expect(next.state.expires?.access).toBeGreaterThan(Date.now() / 1000);
    expect(server.refreshes).toBe(0);
  });

  test("the refresh token alone is enough", async () => {
    await make().login(right);
    server.expire();
    const next = make();
    await next.restore();
    expect(next.state.status).toBe("signedIn");
    expect(server.refreshes).toBe(1);
  });

  test("nobody is signed out, not expired", async () => {
    const client = make();
    await client.restore();
    expect(client.state).toEqual({ status: "signedOut" });
  });

  test("a server that is away leaves it unknown", async () => {
    const client = make();
    server.before = () => Promise.resolve("drop");
    await expect(client.restore()).rejects.toBeInstanceOf(NetworkError);
    expect(client.state.status).toBe("unknown");
  });

  test("bearer mode reads its storage", async () => {
    const kept = memory();
    await make({ mode: "bearer", storage: kept }).login(right);
    const next = make({ mode: "bearer", storage: kept });
    await next.restore();
    expect(next.state).toMatchObject({ status: "signedIn", user: ada });
  });
});

function memory() {
  let pair: { access: string; refresh: string } | undefined;
  return {
    shared: true,
    get: () => pair,
    set: (p: { access: string; refresh: string }) => {
      pair = p;
    },
    remove: () => {
      pair = undefined;
    },
  };
}

describe.each([
  ["with Web Locks", true],
  ["without Web Locks", false],
] as const)("five tabs %s", (_, locks) => {
  beforeEach(() => {
    if (!locks) vi.stubGlobal("navigator", {});
  });

  test.each(modes)("%s mode: one refresh, no call fails", async (mode) => {
    const kept = memory();
    const tabs = Array.from({ length: 5 }, () => make({ mode, storage: kept }));
    await tabs[0]?.login(right);
    await vi.waitFor(() => expect(tabs.every((t) => t.state.status === "signedIn")).toBe(true));
    server.expire();
    const answers = await Promise.all(
      tabs.flatMap((tab) => Array.from({ length: 20 }, () => tab.fetch(profile()))),
    );
    expect(answers.filter((a) => a.status !== 200)).toEqual([]);
    expect(server.refreshes).toBe(1);
    expect(tabs.map((t) => t.state.status)).toEqual(Array.from({ length: 5 }, () => "signedIn"));
  });

  test("the end of the session is told once in each", async () => {
    const tabs = Array.from({ length: 5 }, () => make());
    const heard: string[] = [];
    tabs.forEach((tab, i) => tab.on("signedOut", (reason) => heard.push(`${i} ${reason}`)));
    await tabs[0]?.login(right);
    await vi.waitFor(() => expect(tabs.every((t) => t.state.status === "signedIn")).toBe(true));
    server.end();
    await Promise.all(tabs.map((tab) => tab.fetch(profile())));
    await vi.waitFor(() => expect(heard).toHaveLength(5));
    expect(heard.sort()).toEqual(["0 expired", "1 expired", "2 expired", "3 expired", "4 expired"]);
    expect(server.refreshes).toBe(1);
  });

  test("logging out in one signs the others out", async () => {
    const [one, two] = [make(), make()];
    await one.login(right);
    await vi.waitFor(() => expect(two.state.status).toBe("signedIn"));
    await one.logout();
    await vi.waitFor(() => expect(two.state).toEqual({ status: "signedOut", reason: "elsewhere" }));
  });
});

test("a tab whose winner was closed finds the cookie good after a refused refresh", async () => {
  const client = make();
  await client.login(right);
  server.expire();
  // Another page has traded the token: ours is refused, its cookie is in the jar.
  server.before = (what) => {
    if (!what.endsWith("refresh/")) return undefined;
    server.before = () => undefined;
    return fetch(`${server.url}/api/auth/token/refresh/`, {
      method: "POST",
      headers: { "Auth-Mode": "cookie", Cookie: jar.cookies },
    }).then((other) => {
      jar.cookies = other.headers.get("x-set-cookie") ?? "";
      return [401, { detail: "Token is blacklisted", code: "token_not_valid" }];
    });
  };
  expect((await client.fetch(profile())).status).toBe(200);
  expect(client.state.status).toBe("signedIn");
});

test("keeps the session going by itself, and stops when told to", async () => {
  server.lifetime = 2;
  const client = make();
  await client.login(right);
  await client.profile.get();
  const stop = client.start();
  await vi.waitFor(() => expect(server.refreshes).toBe(1), { timeout: 4000 });
  stop();
  await new Promise((resolve) => setTimeout(resolve, 2500));
  expect(server.refreshes).toBe(1);
});

test("a page that asks nothing and is not seen lets its session end", async () => {
  server.lifetime = 1;
  vi.stubGlobal("document", {
    visibilityState: "hidden",
    addEventListener: () => {},
    removeEventListener: () => {},
  });
  const client = make();
  await client.login(right);
  const stop = client.start();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(server.refreshes).toBe(0);
  stop();
});

test("reads every shape of error", async () => {
  const client = make();
  await client.login(right);
  const told = (status: number, body: unknown, headers?: Record<string, string>) => {
    server.before = () => Promise.resolve([status, body, headers]);
    return client.profile.update({}).catch((e: unknown) => e as LatchkeyError);
  };
  expect(await told(400, { error: "Invalid data", details: { phone: ["Too long."] } })).toMatchObject({
    status: 400,
    message: "Invalid data",
    fields: { phone: ["Too long."] },
  });
  expect(await told(400, { first_name: ["This field may not be blank."] })).toMatchObject({
    fields: { first_name: ["This field may not be blank."] },
  });
  expect(await told(429, { detail: "Request was throttled." }, { "Retry-After": "7" })).toMatchObject({
    status: 429,
    message: "Request was throttled.",
    fields: {},
    retryAfter: 7,
  });
  expect(await told(403, { detail: "No.", code: "no" })).toMatchObject({ code: "no", message: "No." });
});

test("a proof of the password, where one is asked for", async () => {
  const client = make();
  await client.login(right);
  let proved = false;
  server.before = (what) => {
    if (what === "POST /api/auth/confirm/") {
      proved = server.requests.at(-1)?.body === JSON.stringify({ password: right.password });
      const wrong = { error: "Invalid data", details: { password: ["Not this one."] } };
      return Promise.resolve(proved ? [204, undefined] : [400, wrong]);
    }
    const refused = { detail: "Confirm first.", code: "confirmation_required" };
    return Promise.resolve(proved ? [200, { ended: 2 }] : [403, refused]);
  };
  const refusal: unknown = await client.sessions.endOthers().catch((e: unknown) => e);
  expect(isUnconfirmed(refusal)).toBe(true);
  // To refresh would not help.
  expect(server.refreshes).toBe(0);
  const wrong: unknown = await client.confirm("wrong").catch((e: unknown) => e);
  expect(isUnconfirmed(wrong)).toBe(false);
  expect(wrong).toMatchObject({ status: 400, fields: { password: ["Not this one."] } });
  await client.confirm(right.password);
  expect(await client.sessions.endOthers()).toEqual({ ended: 2 });
});

test("a storage that is behind the tabs' messages", async () => {
  // As Chromium has it: another process' localStorage shows what was stored a moment later.
  let stored: { access: string; refresh: string } | undefined;
  const lagging = (lag: number) => {
    let seen: typeof stored;
    let timer: ReturnType<typeof setTimeout> | undefined;
    return {
      shared: true,
      get() {
        if (seen !== stored) timer ??= setTimeout(() => ((seen = stored), (timer = undefined)), lag);
        return lag === 0 ? stored : seen;
      },
      set: (pair: NonNullable<typeof stored>) => void (stored = seen = pair),
      remove: () => void (stored = seen = undefined),
    };
  };
  const [winner, other] = [
    make({ mode: "bearer", storage: lagging(0) }),
    make({ mode: "bearer", storage: lagging(300) }),
  ];
  await winner.login(right);
  await vi.waitFor(() => expect(other.state.status).toBe("signedIn"));
  await other.profile.get();
  server.expire();
  await winner.profile.get();
  await vi.waitFor(() => expect(other.state.expires).toEqual(winner.state.expires));
  const answers = await Promise.all(Array.from({ length: 5 }, () => other.fetch(profile())));
  expect(answers.map((a) => a.status)).toEqual([200, 200, 200, 200, 200]);
  expect(server.refreshes).toBe(1);
});

test("two people on one server of their own do not meet", async () => {
  const [one, two] = [make({ tabs: false }), createClient({ baseURL: server.url, fetch: new Jar().fetch })];
  await one.login(right);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(two.state.status).toBe("unknown");
  two.close();
});

test("the guide's baseURL will do", () => {
  expect(createClient({ baseURL: "http://localhost:8000/api/" }).root).toBe("http://localhost:8000");
  expect(createClient().root).toBe("");
});
