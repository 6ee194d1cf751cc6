import type { BrowserContext, Page } from "@playwright/test";
import type { Client, ClientOptions, Mode, Reason } from "../../client/dist/index.js";
import type { Front } from "./front.ts";
import { clientDist, pages as pagesFolder } from "./places.ts";
import type { Settings } from "./server.ts";
import { call, expect, type Latchkey, type Registered, register, test as base, wait } from "./test.ts";

// The npm client in tabs of a real browser, on a bare page. A proxy that counts
// stands before the server.

declare global {
  interface Window {
    client: Client;
    signedOut: Reason[];
  }
}

const profilePath = "/api/auth/profile/";
const refreshPath = "/api/auth/token/refresh/";

// A worker keeps its tabs from test to test: each is a process, which takes longer to start than the test does. The origin is
// another in each test, so that nothing of the one before is there; but for the cookies, which know no ports.
const test = base.extend<Record<never, never>, { shared: BrowserContext }>({
  shared: [
    async ({ browser }, provide) => {
      const context = await browser.newContext();
      await provide(context);
      await context.close();
    },
    { scope: "worker" },
  ],
});

interface Stage {
  tabs: Page[];
  front: Front;
  person: Registered;
}

interface Play {
  mode?: Mode;
  tabs?: number;
  // Without Web Locks, as in a browser or a context that has none.
  locks?: boolean;
  // The tabs' clocks stand still, so that they learn of the expiry by a 401.
  stopped?: boolean;
  // How many expiries in a row: 1.
  expiries?: number;
  // Only the token of the login expires: those that come of it last, however long a busy machine takes over the calls.
  once?: boolean;
  set?: Settings["set"];
}

// stage opens tabs and signs in in the first.
async function stage(shared: BrowserContext, latchkey: Latchkey, play: Play): Promise<Stage> {
  const server = await latchkey.serve({ set: { TOKENS_ACCESS: play.once ? "2s" : "5s", ...play.set } });
  const front = await latchkey.front(server, { "/-/client/": clientDist, "/-/": pagesFolder });
  const person = await register(server);
  await shared.clearCookies();
  const count = play.tabs ?? 5;
  // What is left of the test before goes on nowhere.
  for (const tab of shared.pages().slice(count)) await tab.close();
  while (shared.pages().length < count) await shared.newPage();
  const tabs = shared.pages();
  for (const tab of tabs) await tab.goto(`${front.origin}/-/blank.html`);
  for (const tab of tabs) await makeClient(tab, play);
  const { email, password } = person;
  await at(tabs, 0).evaluate((who) => window.client.login(who), { email, password });
  // The others hear of it.
  for (const tab of tabs) {
    await expect.poll(() => tab.evaluate(() => window.client.state.status)).toBe("signedIn");
    // That nobody was signed in before is not what is asked here.
    await tab.evaluate(() => void (window.signedOut = []));
  }
  if (play.once) await server.restart({ TOKENS_ACCESS: "1h" });
  return { tabs, front, person };
}

async function makeClient(tab: Page, { mode = "cookie", locks = true, stopped = false }: Play) {
  await tab.evaluate(
    async ({ mode, locks, stopped, module }) => {
      if (!locks) Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
      const { createClient } = (await import(module)) as { createClient(options: ClientOptions): Client };
      const options: ClientOptions = { mode };
      if (mode === "bearer") options.storage = "localStorage";
      const opened = Date.now();
      if (stopped) options.now = () => opened;
      window.client = createClient(options);
      window.signedOut = [];
      window.client.on("signedOut", (reason) => window.signedOut.push(reason));
      await window.client.restore();
    },
    { mode, locks, stopped, module: "/-/client/index.js" },
  );
}

function at(tabs: Page[], n: number): Page {
  const tab = tabs[n];
  if (!tab) throw new Error(`there is no tab ${n}`);
  return tab;
}

// atExpiry has each tab make twenty calls at the moment at which their common
// token has died, and gives how they ended, by tab.
async function atExpiry(tabs: Page[]): Promise<(number | string)[][]> {
  const expiries = await Promise.all(
    tabs.map((tab) => tab.evaluate(() => window.client.state.expires?.access ?? 0)),
  );
  expect(new Set(expiries).size, "the tabs know of the same token").toBe(1);
  // None of them refreshes before it is asked for something, so that it does no
  // harm on a busy machine if the moment has passed.
  const when = Math.max((expiries[0] ?? 0) * 1000 + 50, Date.now() + 300);
  return Promise.all(tabs.map((tab) => twentyCalls(tab, when)));
}

function twentyCalls(tab: Page, when: number): Promise<(number | string)[]> {
  return tab.evaluate(
    async ({ path, when }) => {
      await new Promise((resolve) => setTimeout(resolve, when - Date.now()));
      const one = () =>
        window.client.fetch(path).then(
          (response) => response.status,
          (error: unknown) => String(error),
        );
      return Promise.all(Array.from({ length: 20 }, one));
    },
    { path: profilePath, when },
  );
}

const allGood = (tabs: Page[]) => tabs.map(() => Array.from({ length: 20 }, () => 200));

async function expectSignedIn(tabs: Page[]) {
  for (const tab of tabs) {
    expect(await tab.evaluate(() => [window.client.state.status, window.signedOut])).toEqual([
      "signedIn",
      [],
    ]);
  }
}

function refreshes(front: Front): (number | undefined)[] {
  return front.requests(refreshPath).map((request) => request.status);
}

// Refreshes until now are none of the test's business: in cookie and hybrid
// mode a tab asks by one whether somebody is signed in.
function forget(front: Front) {
  front.seen.length = 0;
}

const plays: [string, Play][] = [
  ["cookie mode", { mode: "cookie", expiries: 2 }],
  ["cookie mode, told by a 401", { mode: "cookie", stopped: true }],
  ["hybrid mode, told by a 401", { mode: "hybrid", stopped: true }],
  ["bearer mode", { mode: "bearer", expiries: 2 }],
  ["bearer mode, told by a 401", { mode: "bearer", stopped: true }],
  ["cookie mode without Web Locks", { mode: "cookie", locks: false }],
  ["cookie mode without Web Locks, told by a 401", { mode: "cookie", locks: false, stopped: true }],
  ["bearer mode without Web Locks, told by a 401", { mode: "bearer", locks: false, stopped: true }],
];

for (const [name, play] of plays) {
  test(`five tabs meet the expiry with twenty calls each: one refresh (${name})`, async ({
    shared,
    latchkey,
  }) => {
    const { tabs, front } = await stage(shared, latchkey, { once: !play.expiries, ...play });
    forget(front);
    for (let expiry = 1; expiry <= (play.expiries ?? 1); expiry++) {
      expect(await atExpiry(tabs)).toEqual(allGood(tabs));
      expect(refreshes(front)).toEqual(Array.from({ length: expiry }, () => 200));
      await expectSignedIn(tabs);
    }
  });
}

for (const [name, play] of [
  ["cookie mode", { mode: "cookie" }],
  ["bearer mode", { mode: "bearer" }],
  ["cookie mode without Web Locks", { mode: "cookie", locks: false }],
] as [string, Play][]) {
  test(`the answer is lost after the server has rotated: nobody notices (${name})`, async ({
    shared,
    latchkey,
  }) => {
    const { tabs, front, person } = await stage(shared, latchkey, {
      ...play,
      once: true,
      set: { TOKENS_REUSE: "grace" },
    });
    forget(front);
    front.bend({ path: refreshPath, drop: true });
    expect(await atExpiry(tabs)).toEqual(allGood(tabs));
    expect(refreshes(front), "the lost one and one more").toEqual([200, 200]);
    await expectSignedIn(tabs);
    expect(await liveSessions(front, person)).toBe(2);
  });
}

// liveSessions counts the sessions that there were before it opened one of its
// own to ask: the tabs' and the one of the registration.
async function liveSessions(front: Front, person: Registered): Promise<number> {
  const { email, password } = person;
  const login = await call(front, "POST", "/api/auth/login/", { email, password });
  const { tokens } = (await login.json()) as { tokens: { access: string } };
  const answer = await call(front, "GET", "/api/auth/sessions/", undefined, {
    Authorization: `Bearer ${tokens.access}`,
  });
  const { results } = (await answer.json()) as { results: unknown[] };
  return results.length - 1;
}

for (const [name, play] of [
  ["cookie mode, grace", { mode: "cookie", set: { TOKENS_REUSE: "grace" } }],
  ["cookie mode, strict", { mode: "cookie", set: { TOKENS_REUSE: "strict" } }],
  ["bearer mode, grace", { mode: "bearer", set: { TOKENS_REUSE: "grace" } }],
  ["cookie mode without Web Locks, grace", { mode: "cookie", locks: false, set: { TOKENS_REUSE: "grace" } }],
] as [string, Play][]) {
  test(`the tab that refreshes is closed after the server has rotated (${name})`, async ({
    shared,
    latchkey,
  }) => {
    const { tabs, front } = await stage(shared, latchkey, play);
    await winnerCloses(tabs, front, "after");
  });
}

for (const [name, play] of [
  ["cookie mode, strict", { mode: "cookie" }],
  ["bearer mode, strict", { mode: "bearer" }],
] as [string, Play][]) {
  test(`the tab that refreshes is closed before the server hears of it (${name})`, async ({
    shared,
    latchkey,
  }) => {
    const { tabs, front } = await stage(shared, latchkey, play);
    await winnerCloses(tabs, front, "before");
  });
}

// winnerCloses has the tab whose refresh is under way closed, before the server
// gets the request or after it has answered. The others go on as if nothing was.
async function winnerCloses(tabs: Page[], front: Front, half: "before" | "after") {
  forget(front);
  let open = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  const winner = Promise.race(
    tabs.map((tab) => tab.waitForRequest((request) => request.url().endsWith(refreshPath)).then(() => tab)),
  );
  const answered = new Promise<void>((resolve) =>
    front.bend({ path: refreshPath, [half]: gate, answered: resolve }),
  );
  const calls = new Map<Page, Promise<(number | string)[]>>();
  const when = await at(tabs, 0).evaluate(() => (window.client.state.expires?.access ?? 0) * 1000 + 50);
  for (const tab of tabs) {
    const ending = twentyCalls(tab, when);
    ending.catch(() => {}); // the closed tab's calls end with it
    calls.set(tab, ending);
  }
  const closing = await winner;
  if (half === "after") await answered;
  await closing.close();
  if (half === "before") {
    // Another tab's refresh is the first that gets through; the closed one's may
    // come late, and must do no harm.
    await expect.poll(() => refreshes(front).filter((status) => status === 200).length).toBe(1);
  }
  open();

  const others = tabs.filter((tab) => tab !== closing);
  expect(await Promise.all(others.map((tab) => calls.get(tab)))).toEqual(allGood(others));
  await expectSignedIn(others);
  await answered;
  // Nor has it harmed what comes next.
  expect(await atExpiry(others)).toEqual(allGood(others));
  await expectSignedIn(others);
}

for (const mode of ["cookie", "bearer"] as const) {
  test(`logging out in one tab signs the others out, once each (${mode} mode)`, async ({
    shared,
    latchkey,
  }) => {
    const { tabs, front } = await stage(shared, latchkey, { mode, tabs: 3, set: { TOKENS_ACCESS: "1h" } });
    forget(front);
    await at(tabs, 0).evaluate(() => window.client.logout());
    for (const [n, tab] of tabs.entries()) {
      const reason = n === 0 ? "logout" : "elsewhere";
      await expect.poll(() => tab.evaluate(() => window.signedOut)).toEqual([reason]);
      // What they ask for afterwards is refused and starts nothing.
      expect(await tab.evaluate((path) => window.client.fetch(path).then((r) => r.status), profilePath)).toBe(
        401,
      );
      expect(await tab.evaluate(() => window.signedOut)).toEqual([reason]);
    }
    expect(refreshes(front)).toEqual([]);
    // What says that somebody has signed in here before stays; it is no token.
    const left = (await shared.cookies()).filter(({ name }) => name !== "latchkey_device");
    expect(left).toEqual([]);
    expect(await at(tabs, 1).evaluate(() => ({ ...localStorage }))).toEqual({});
  });

  test(`a session that has ended elsewhere signs each tab out once (${mode} mode)`, async ({
    shared,
    latchkey,
  }) => {
    const { tabs, front, person } = await stage(shared, latchkey, {
      mode,
      tabs: 3,
      set: { TOKENS_ACCESS: "1h" },
    });
    forget(front);
    const ended = await call(front, "DELETE", "/api/auth/sessions/", undefined, {
      Authorization: `Bearer ${person.tokens.access}`,
    });
    expect(ended.status).toBe(200);
    const answers = await Promise.all(tabs.map((tab) => twentyCalls(tab, Date.now())));
    expect(new Set(answers.flat())).toEqual(new Set([401]));
    for (const tab of tabs) {
      await expect.poll(() => tab.evaluate(() => window.signedOut)).toEqual(["expired"]);
    }
    expect(refreshes(front), "one asked for all").toEqual([401]);
  });
}

test("a failed login starts no refresh", async ({ shared, latchkey }) => {
  const { tabs, front, person } = await stage(shared, latchkey, { tabs: 2 });
  forget(front);
  const failure = await at(tabs, 1).evaluate(
    (email) =>
      window.client.login({ email, password: "not this one" }).catch((error: Error) => error.message),
    person.email,
  );
  expect(failure).toBe("Invalid credentials");
  expect(refreshes(front)).toEqual([]);
  // Nor did it sign out who was signed in.
  await expectSignedIn(tabs);
});

test("a call that is refused for ever is tried twice", async ({ shared, latchkey }) => {
  const { tabs, front } = await stage(shared, latchkey, { tabs: 1, set: { TOKENS_ACCESS: "1h" } });
  forget(front);
  front.bend({ path: profilePath, times: 100, status: 401 });
  const status = await at(tabs, 0).evaluate(
    (path) => window.client.fetch(path).then((r) => r.status),
    profilePath,
  );
  expect(status).toBe(401);
  expect(front.requests(profilePath).length).toBe(2);
  expect(refreshes(front)).toEqual([200]);
  await wait(300);
  expect(refreshes(front)).toEqual([200]);
});

test("a call with a body goes out again as it was", async ({ shared, latchkey }) => {
  const { tabs, front } = await stage(shared, latchkey, { tabs: 1, stopped: true });
  const tab = at(tabs, 0);
  await wait((await tab.evaluate(() => (window.client.state.expires?.access ?? 0) * 1000)) - Date.now() + 50);
  forget(front);
  const profile = await tab.evaluate(() => window.client.profile.update({ first_name: "Grace" }));
  expect(profile.first_name).toBe("Grace");
  expect(front.seen.map((request) => [request.method, request.path, request.status])).toEqual([
    ["PUT", profilePath, 401],
    ["POST", refreshPath, 200],
    ["PUT", profilePath, 200],
  ]);
});
