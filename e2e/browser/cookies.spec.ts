import type { APIRequestContext, BrowserContext, Page, Response } from "@playwright/test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Front, Seen } from "./front.ts";
import { pages } from "./places.ts";
import { call, expect, type Latchkey, type Person, register, test, type Tokens } from "./test.ts";

// Cookie mode as a browser has it: what scripts can read, and what other
// people's pages can do. The requests are made by fetch and forms, not by our
// client: the promises are the server's.

const path = {
  register: "/api/auth/register/",
  login: "/api/auth/login/",
  logout: "/api/auth/logout/",
  refresh: "/api/auth/token/refresh/",
  verify: "/api/auth/token/verify/",
  profile: "/api/auth/profile/",
  sessions: "/api/auth/sessions/",
  password: "/api/auth/password/change/",
  events: "/api/auth/events/",
};

const token = /eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/;

interface Answer {
  status: number;
  body: string;
  headers: string;
}

// tokenCookies are the cookies that are credentials. The device's outlives them: with it guesses are counted apart from
// strangers', and nothing else.
async function tokenCookies(context: BrowserContext) {
  return (await context.cookies()).filter(({ name }) => !name.endsWith("latchkey_device"));
}

// ask makes a request as a script of the page does.
function ask(
  page: Page,
  method: string,
  url: string,
  { mode, body, bearer }: { mode?: string; body?: unknown; bearer?: string } = {},
): Promise<Answer> {
  return page.evaluate(
    async ({ method, url, mode, body, bearer }) => {
      const headers: Record<string, string> = {};
      if (mode) headers["Auth-Mode"] = mode;
      if (bearer) headers["Authorization"] = `Bearer ${bearer}`;
      if (body !== undefined) headers["Content-Type"] = "application/json";
      // The guide's client asks for no credentials of the browser's.
      const credentials = bearer && !mode ? "same-origin" : "include";
      const init: RequestInit = { method, headers, credentials };
      if (body !== undefined) init.body = JSON.stringify(body);
      const response = await fetch(url, init);
      return {
        status: response.status,
        body: await response.text(),
        headers: JSON.stringify([...response.headers]),
      };
    },
    { method, url, mode, body, bearer },
  );
}

const credentials = ({ email, password }: Person) => ({ email, password });

// readable is all that a script of the page can find lying about.
function readable(page: Page): Promise<string> {
  return page.evaluate(async () =>
    JSON.stringify({
      cookie: document.cookie,
      cookieStore: "cookieStore" in window ? await window.cookieStore.getAll() : [],
      local: { ...localStorage },
      session: { ...sessionStorage },
      databases: await indexedDB.databases(),
      caches: await caches.keys(),
      name: window.name,
    }),
  );
}

// bodies collects what the API answers a page.
function bodies(page: Page): () => Promise<string[]> {
  const answers: Response[] = [];
  page.on("response", (response) => {
    if (new URL(response.url()).pathname.startsWith("/api/")) answers.push(response);
  });
  return () => Promise.all(answers.map((answer) => answer.text()));
}

interface Victim {
  page: Page;
  context: BrowserContext;
  front: Front;
  person: Person & { tokens: Tokens };
}

// victim is signed in in cookie mode on a page of the server's origin.
async function victim(page: Page, latchkey: Latchkey, mode = "cookie"): Promise<Victim> {
  const server = await latchkey.serve();
  const front = await latchkey.front(server, { "/-/": pages });
  const person = await register(server);
  await page.goto(`${front.origin}/-/blank.html`);
  const answer = await ask(page, "POST", path.login, { mode, body: credentials(person) });
  expect(answer.status).toBe(200);
  return { page, context: page.context(), front, person };
}

// ASVS 10.1.1, 14.3.3
test("in cookie mode no script can read a token", async ({ page, latchkey }) => {
  const answered = bodies(page);
  const { person, context } = await victim(page, latchkey);
  const found: string[] = [];
  const look = async (answer: Answer, status: number) => {
    expect(answer.status).toBe(status);
    found.push(answer.body, answer.headers, await readable(page));
  };
  await look(await ask(page, "GET", path.profile), 200);
  await look(await ask(page, "POST", path.refresh, { mode: "cookie" }), 200);
  await look(await ask(page, "POST", path.verify, { mode: "cookie" }), 200);
  await look(await ask(page, "GET", path.sessions), 200);
  await look(await ask(page, "GET", path.events), 200);
  const change = {
    old_password: person.password,
    password: "another brass door 8",
    password2: "another brass door 8",
  };
  await look(await ask(page, "POST", path.password, { body: change }), 200);

  // The tokens are there, and the pattern knows them.
  const cookies = await tokenCookies(context);
  expect(
    cookies.map(({ name, path, httpOnly, sameSite, secure }) => ({ name, path, httpOnly, sameSite, secure })),
  ).toEqual([
    { name: "latchkey_refresh", path: "/api/auth/", httpOnly: true, sameSite: "Lax", secure: false },
    { name: "latchkey_access", path: "/", httpOnly: true, sameSite: "Lax", secure: false },
  ]);
  for (const cookie of cookies) expect(cookie.value).toMatch(token);

  await look(await ask(page, "POST", path.logout), 200);
  expect(await tokenCookies(context)).toEqual([]);
  const fresh = {
    email: "second@example.com",
    password: "a quiet brass door 9",
    password2: "a quiet brass door 9",
  };
  const names = { first_name: "Grace", last_name: "Hopper" };
  await look(await ask(page, "POST", path.register, { mode: "cookie", body: { ...fresh, ...names } }), 201);
  expect((await tokenCookies(context)).length).toBe(2);

  const all = await answered();
  expect(all.length, "every answer was looked at").toBe(9);
  for (const text of [...found, ...all]) expect(text).not.toMatch(token);
  expect(JSON.parse(await readable(page))).toEqual({
    cookie: "",
    cookieStore: [],
    local: {},
    session: {},
    databases: [],
    caches: [],
    name: "",
  });
});

test("what the browser keeps of a sign-in outlives it, and is no credential", async ({ page, latchkey }) => {
  const { context } = await victim(page, latchkey);
  const device = async () => (await context.cookies()).find(({ name }) => name === "latchkey_device");
  const kept = await device();
  expect(kept).toMatchObject({ path: "/api/auth/", httpOnly: true, sameSite: "Lax", secure: false });
  expect(kept?.value).not.toMatch(token);
  expect((await ask(page, "POST", path.logout)).status).toBe(200);
  expect((await device())?.value).toBe(kept?.value);
  expect((await ask(page, "GET", path.profile)).status).toBe(401);
  expect((await ask(page, "POST", path.refresh, { mode: "cookie" })).status).toBe(401);
});

test("a page cannot ask a session in cookie mode for its tokens", async ({ page, latchkey }) => {
  const { context } = await victim(page, latchkey);
  const before = await tokenCookies(context);
  // With Auth-Mode: hybrid a refresh answers the access token in the body, and
  // without it both. The cookie of cookie mode opens neither.
  expect((await ask(page, "POST", path.refresh, { mode: "hybrid" })).status).toBe(401);
  expect((await ask(page, "POST", path.refresh, { body: {} })).status).toBe(400);
  expect((await ask(page, "POST", path.refresh, { mode: "Cookie" })).status).toBe(400);
  expect(await tokenCookies(context)).toEqual(before);
  expect((await ask(page, "POST", path.refresh, { mode: "cookie" })).status).toBe(200);
});

test("in hybrid mode the access token is in the body and the refresh token is not", async ({
  page,
  latchkey,
}) => {
  const answered = bodies(page);
  const { context, person } = await victim(page, latchkey, "hybrid");
  const refreshed = await ask(page, "POST", path.refresh, { mode: "hybrid" });
  expect(refreshed.status).toBe(200);
  const { access } = JSON.parse(refreshed.body) as { access: string };
  expect(access).toMatch(token);

  // One cookie, and it is no credential by itself.
  const cookies = await tokenCookies(context);
  expect(cookies.map(({ name, httpOnly }) => [name, httpOnly])).toEqual([["latchkey_refresh", true]]);
  const refresh = cookies[0]?.value.match(token)?.[0] ?? "";
  expect(refresh).toMatch(token);
  expect((await ask(page, "GET", path.profile)).status).toBe(401);
  expect((await ask(page, "GET", path.profile, { bearer: access })).status).toBe(200);
  for (const text of [...(await answered()), await readable(page)]) {
    expect(text).not.toContain(refresh);
    const claims = text.match(new RegExp(token, "g"))?.map((found) => kind(found)) ?? [];
    expect(claims).toEqual(claims.map(() => "access"));
  }

  expect((await ask(page, "POST", path.logout, { mode: "hybrid", bearer: access })).status).toBe(200);
  expect(await tokenCookies(context)).toEqual([]);
  // The pattern would have found a refresh token: the guide's way has it there.
  const asGuided = await ask(page, "POST", path.login, { body: credentials(person) });
  expect(asGuided.body.match(new RegExp(token, "g"))?.map((found) => kind(found))).toContain("refresh");
});

// kind is a token's token_type.
function kind(found: string): string {
  const claims = Buffer.from(found.split(".")[1] ?? "", "base64url").toString();
  return (JSON.parse(claims) as { token_type: string }).token_type;
}

// An attack is what a page of somebody else's does; it runs in that page. When
// it has resolved, or the page has gone elsewhere, its requests are under way.
interface Attack {
  name: string;
  run(page: Page, target: string): Promise<unknown>;
  // What arrives at the server from a page of another site, and from one of the
  // same site (another port, a sibling domain), whose requests SameSite lets
  // the cookies go with.
  crossSite: string;
  sameSite: string;
}

const nothing = "a preflight";

// Forms reach every endpoint without a preflight.
const formed = [
  ["application/x-www-form-urlencoded", path.logout],
  ["application/x-www-form-urlencoded", path.password],
  ["application/x-www-form-urlencoded", path.profile],
  ["application/x-www-form-urlencoded", path.sessions],
  ["multipart/form-data", path.logout],
  ["multipart/form-data", path.password],
  ["text/plain", path.logout],
  ["text/plain", path.password],
] as const;
const forms: Attack[] = formed.map(([type, to]) => ({
  name: `a form, ${type}, to ${to}`,
  run: (page, target) => submit(page, target + to, type),
  crossSite: "POST 401 without cookies",
  sameSite: "POST 403 with cookies",
}));

const attacks: Attack[] = [
  ...forms,
  {
    name: "a form in a sandbox, whose origin is null",
    run: (page, target) => sandboxed(page, target + path.logout),
    crossSite: "POST 401 without cookies",
    sameSite: "POST 401 without cookies",
  },
  // A top-level navigation is what SameSite=Lax sends the cookies with.
  {
    name: "a navigation",
    run: (page, target) => navigate(page, target + path.profile),
    crossSite: "GET 403 with cookies",
    sameSite: "GET 403 with cookies",
  },
  {
    name: "a window",
    run: (page, target) => page.evaluate((url) => void window.open(url), target + path.sessions),
    crossSite: "GET 403 with cookies",
    sameSite: "GET 403 with cookies",
  },
  {
    name: "a navigation to an address that changes",
    run: (page, target) => navigate(page, target + path.logout),
    crossSite: "GET 403 with cookies",
    sameSite: "GET 403 with cookies",
  },
  ...(["iframe", "img", "script"] as const).map((tag) => ({
    name: `an element: ${tag}`,
    run: (page: Page, target: string) => embed(page, tag, target + path.profile),
    crossSite: "GET 401 without cookies",
    sameSite: "GET 403 with cookies",
  })),
  {
    name: "fetch without CORS, GET",
    run: (page, target) => reach(page, target + path.profile, { mode: "no-cors" }),
    crossSite: "GET 401 without cookies",
    sameSite: "GET 403 with cookies",
  },
  {
    name: "fetch without CORS, POST",
    run: (page, target) => reach(page, target + path.logout, { mode: "no-cors", method: "POST", body: "{}" }),
    crossSite: "POST 401 without cookies",
    sameSite: "POST 403 with cookies",
  },
  {
    name: "a beacon",
    run: (page, target) => page.evaluate((url) => navigator.sendBeacon(url, "{}"), target + path.logout),
    crossSite: "POST 401 without cookies",
    sameSite: "POST 403 with cookies",
  },
  {
    name: "fetch with CORS, GET",
    run: (page, target) => reach(page, target + path.profile, {}),
    crossSite: "GET 401 without cookies",
    sameSite: "GET 403 with cookies",
  },
  ...(
    [
      ["PUT", path.profile, '{"first_name":"Mallory"}'],
      ["POST", path.logout, "{}"],
      ["DELETE", path.sessions, undefined],
    ] as const
  ).map(([method, to, body]) => ({
    name: `fetch with CORS and JSON, ${method}`,
    run: (page: Page, target: string) =>
      reach(page, target + to, {
        method,
        headers: { "Content-Type": "application/json" },
        ...(body === undefined ? {} : { body }),
      }),
    crossSite: nothing,
    sameSite: nothing,
  })),
  {
    name: "fetch with CORS and Auth-Mode",
    run: (page, target) =>
      reach(page, target + path.refresh, { method: "POST", headers: { "Auth-Mode": "cookie" } }),
    crossSite: nothing,
    sameSite: nothing,
  },
  // What asks for no credential does not take forms of other origins either.
  {
    name: "a refresh by a form",
    run: (page, target) => submit(page, target + path.refresh, "application/x-www-form-urlencoded"),
    crossSite: "POST 403 without cookies",
    sameSite: "POST 403 with cookies",
  },
];

// submit sends a form of the page, into its own window: top-level, as far as
// browsers let a form go.
async function submit(
  page: Page,
  url: string,
  type: string,
  fields: Record<string, string> = {},
): Promise<void> {
  await page.evaluate(
    ({ url, type, fields }) => {
      const form = document.createElement("form");
      Object.assign(form, { action: url, method: "POST", enctype: type });
      const all = {
        first_name: "Mallory",
        password: "mallory was here 1",
        password2: "mallory was here 1",
        ...fields,
      };
      for (const [name, value] of Object.entries(all)) {
        form.append(Object.assign(document.createElement("input"), { name, value }));
      }
      document.body.append(form);
      form.submit();
    },
    { url, type, fields },
  );
  await page.waitForURL(url);
}

// navigate has the page itself go elsewhere.
async function navigate(page: Page, url: string): Promise<void> {
  await page.evaluate((to) => location.assign(to), url);
  await page.waitForURL(url);
}

function sandboxed(page: Page, url: string): Promise<void> {
  return page.evaluate((url) => {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts allow-forms");
    frame.srcdoc = `<form method="post" action="${url}"></form><script>document.forms[0].submit()</script>`;
    document.body.append(frame);
  }, url);
}

function embed(page: Page, tag: string, url: string): Promise<void> {
  return page.evaluate(
    ({ tag, url }) => {
      const element = document.createElement(tag);
      element.setAttribute("src", url);
      document.body.append(element);
    },
    { tag, url },
  );
}

// reach makes a request with the cookies and gives what the page learns of the
// answer: nothing, whatever it was.
async function reach(page: Page, url: string, init: RequestInit): Promise<void> {
  const learnt = await page.evaluate(
    async ({ url, init }) => {
      const response = await fetch(url, { ...init, credentials: "include" }).catch(() => undefined);
      return response ? response.status : 0;
    },
    { url, init },
  );
  expect(learnt, "what the page can read").toBe(0);
}

const told = ({ method, status, headers }: Seen) =>
  method === "OPTIONS"
    ? nothing
    : `${method} ${status} ${headers.cookie?.includes("latchkey_") ? "with" : "without"} cookies`;

for (const { site, host } of [
  { site: "crossSite", host: "127.0.0.1" },
  { site: "sameSite", host: "localhost" },
] as const) {
  // LESSON 33
  test(`a page of another origin can do nothing with the cookies (${site})`, async ({ page, latchkey }) => {
    const { front, context, person } = await victim(page, latchkey);
    const evil = await latchkey.site(
      { pages: { "/": "<!doctype html><title>Win a prize</title><body>" } },
      host,
    );
    const cookies = await tokenCookies(context);
    const profile = await asVictim(context.request, front, path.profile);
    const mallory = await context.newPage();
    for (const attack of attacks) {
      await test.step(attack.name, async () => {
        await mallory.goto(evil.origin);
        front.seen.length = 0;
        await attack.run(mallory, front.origin);
        await expect.poll(() => arrived(front).map(told), { intervals: [20] }).toEqual([attack[site]]);
        expect(arrived(front).flatMap((request) => request.setCookie)).toEqual([]);
        for (const opened of context.pages()) if (opened !== page && opened !== mallory) await opened.close();
        // The victim is who it was, signed in, with the same tokens.
        expect(await tokenCookies(context)).toEqual(cookies);
        expect(await asVictim(context.request, front, path.profile)).toEqual(profile);
      });
    }
    // The password is the old one and no session has gone or come.
    expect(await sessions(context.request, front)).toBe(2);
    expect((await call(front, "POST", path.login, credentials(person))).status).toBe(200);
  });

  // LESSON 33
  test(`a page of another origin cannot sign anybody in as somebody else (${site})`, async ({
    page,
    latchkey,
  }) => {
    const { front, context } = await victim(page, latchkey);
    const evil = await latchkey.site(
      { pages: { "/": "<!doctype html><title>Win a prize</title><body>" } },
      host,
    );
    const other = await register(front);
    const cookies = await tokenCookies(context);
    const profile = await asVictim(context.request, front, path.profile);
    const mallory = await context.newPage();
    await mallory.goto(evil.origin);
    front.seen.length = 0;
    await submit(mallory, front.origin + path.login, "application/x-www-form-urlencoded", credentials(other));
    await expect.poll(() => arrived(front).map(({ status }) => status)).toEqual([403]);
    expect(arrived(front).flatMap((request) => request.setCookie)).toEqual([]);

    await mallory.goto(evil.origin);
    front.seen.length = 0;
    await reach(mallory, front.origin + path.login, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Auth-Mode": "cookie" },
      body: JSON.stringify(credentials(other)),
    });
    expect(arrived(front).map(told)).toEqual([nothing]);
    expect(await tokenCookies(context)).toEqual(cookies);
    expect(await asVictim(context.request, front, path.profile)).toEqual(profile);
  });
}

// arrived is what the API was asked and has answered; a browser wants an icon,
// too.
function arrived(front: Front): Seen[] {
  return front.seen.filter((request) => request.path.startsWith("/api/") && request.status !== undefined);
}

// asVictim asks with the victim's cookies, but not through the browser's pages.
async function asVictim(request: APIRequestContext, front: Front, to: string): Promise<unknown> {
  const answer = await request.get(front.origin + to);
  expect(answer.status()).toBe(200);
  return answer.json();
}

async function sessions(request: APIRequestContext, front: Front): Promise<number> {
  const { results } = (await asVictim(request, front, path.sessions)) as { results: unknown[] };
  return results.length;
}

test("a page of a listed origin has the cookies, and one that is not listed does not", async ({
  page,
  latchkey,
}) => {
  const blank = { pages: { "/": "<!doctype html><title>An app</title>" } };
  const listed = await latchkey.site(blank);
  const other = await latchkey.site(blank);
  const server = await latchkey.serve({ set: { CORS_ORIGINS: listed.origin } });
  const person = await register(server);
  await page.goto(listed.origin);
  const login = await ask(page, "POST", server.origin + path.login, {
    mode: "cookie",
    body: credentials(person),
  });
  expect(login.status).toBe(200);
  expect((await ask(page, "GET", server.origin + path.profile)).status).toBe(200);
  expect((await ask(page, "POST", server.origin + path.refresh, { mode: "cookie" })).status).toBe(200);

  await page.goto(other.origin);
  await reach(page, server.origin + path.profile, {});
  await page.goto(listed.origin);
  expect((await ask(page, "POST", server.origin + path.logout, { mode: "cookie" })).status).toBe(200);
  expect(await tokenCookies(page.context())).toEqual([]);
});

test("bearer clients are not concerned, cookies or not", async ({ page, latchkey }) => {
  const { front, context, person: one } = await victim(page, latchkey);
  const other = await register(front);
  expect((await tokenCookies(context)).length).toBe(2);

  // The bearer token is the credential, though the cookies go with it, and the
  // guide's calls are answered as in the guide.
  const bearer = other.tokens.access;
  const profile = await ask(page, "GET", path.profile, { bearer });
  expect([profile.status, (JSON.parse(profile.body) as Person).email]).toEqual([200, other.email]);
  expect(front.requests(path.profile).map(told)).toEqual(["GET 200 with cookies"]);
  const refreshed = await ask(page, "POST", path.refresh, {
    bearer,
    body: { refresh: other.tokens.refresh },
  });
  expect(Object.keys(JSON.parse(refreshed.body) as object)).toEqual(["access", "refresh", "user"]);
  const { access, refresh } = JSON.parse(refreshed.body) as Tokens;
  const body = { refresh_token: refresh };
  expect((await ask(page, "POST", path.logout, { bearer: access, body })).status).toBe(200);
  // The one of the cookies is signed in as before.
  const still = await ask(page, "GET", path.profile);
  expect([still.status, (JSON.parse(still.body) as Person).email]).toEqual([200, one.email]);

  // From outside of browsers an origin that nobody has listed says nothing
  // against a bearer token, and much against a cookie.
  const cookie = (await tokenCookies(context)).map(({ name, value }) => `${name}=${value}`).join("; ");
  const Origin = "https://elsewhere.example";
  const Authorization = `Bearer ${one.tokens.access}`;
  const asked = async (headers: Record<string, string>) =>
    (await call(front, "PUT", path.profile, {}, headers)).status;
  expect(await asked({ Origin, Authorization, cookie })).toBe(200);
  expect(await asked({ Origin, Authorization })).toBe(200);
  expect(await asked({ Origin, cookie })).toBe(403);
  expect(await asked({ cookie })).toBe(200);
});

test.describe("over TLS", () => {
  test.use({ ignoreHTTPSErrors: true });

  test("the cookies are Secure, their names have prefixes, and plain names are nothing", async ({
    page,
    latchkey,
  }) => {
    const { folder, cert, key } = certificate();
    try {
      const server = await latchkey.serve({ set: { TLS_CERT: cert, TLS_KEY: key } });
      const context = page.context();
      // A page of this origin that does nothing by itself, and may ask the API.
      await page.goto(`${server.origin}/no/such/place`);
      const person = { email: "ada@example.com", password: "a quiet brass door 7" };
      const rest = { password2: person.password, first_name: "Ada", last_name: "Lovelace" };
      const registered = await ask(page, "POST", path.register, {
        mode: "cookie",
        body: { ...person, ...rest },
      });
      expect(registered.status).toBe(201);
      const cookies = await tokenCookies(context);
      expect(
        cookies.map(({ name, path, secure, httpOnly, sameSite }) => ({
          name,
          path,
          secure,
          httpOnly,
          sameSite,
        })),
      ).toEqual([
        {
          name: "__Secure-latchkey_refresh",
          path: "/api/auth/",
          secure: true,
          httpOnly: true,
          sameSite: "Lax",
        },
        { name: "__Host-latchkey_access", path: "/", secure: true, httpOnly: true, sameSite: "Lax" },
      ]);
      expect(await readable(page)).not.toMatch(token);
      expect((await ask(page, "GET", path.profile)).status).toBe(200);
      expect((await ask(page, "POST", path.refresh, { mode: "cookie" })).status).toBe(200);

      // The same tokens under the names of plain HTTP, which a sibling domain or
      // somebody on the wire could have set.
      const [refresh, access] = await tokenCookies(context);
      await context.clearCookies();
      await context.addCookies([
        { name: "latchkey_access", value: access?.value ?? "", url: server.origin },
        { name: "latchkey_refresh", value: refresh?.value ?? "", url: `${server.origin}/api/auth/` },
      ]);
      expect((await ask(page, "GET", path.profile)).status).toBe(401);
      expect((await ask(page, "POST", path.refresh, { mode: "cookie" })).status).toBe(401);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

// certificate makes a certificate that nobody vouches for.
function certificate(): { folder: string; cert: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-e2e-tls-"));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const about = [
    "-days",
    "2",
    "-subj",
    "/CN=localhost",
    "-addext",
    "subjectAltName=DNS:localhost,IP:127.0.0.1",
  ];
  const what = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-keyout",
    key,
    "-out",
    cert,
  ];
  execFileSync("openssl", ["req", "-x509", ...what, ...about], { stdio: "ignore" });
  return { folder, cert, key };
}
