import type { Browser, Page } from "@playwright/test";
import { signIn, sizes, watch } from "./screen.ts";
import { startServer, type Server } from "./server.ts";
import { appoint, call, register, test as base, type Person, type Registered } from "./test.ts";

// What is made once for all the screens that a worker looks at: the servers, the people on them, and the tab.

/**
 * The tab that a worker goes from screen to screen with. A screen in a browser of its own would be the same, and take three
 * times as long: for the tab's process, and for the app that it reads and compiles for the first time.
 */
export interface Viewer {
  page: Page;
  /** What the page has done, since it entered, that it must not do. */
  seen: string[];
  /** Comes to a server as somebody, or as nobody, on a phone in the light. */
  enter(server: Server, person?: Person): Promise<void>;
  /** Signs out and undoes what was done to the page. Nothing of the screen runs any more. */
  leave(): Promise<void>;
}

async function openViewer(browser: Browser): Promise<Viewer> {
  const context = await browser.newContext({ locale: "en-US", reducedMotion: "reduce" });
  const here = { origin: "" };
  const seen = await watch(context, here);
  const page = await context.newPage();
  return {
    page,
    seen,
    async enter(server, person) {
      here.origin = server.origin;
      seen.length = 0;
      await context.clearCookies();
      if (person) await signIn(context, server, person);
      await page.setViewportSize(sizes["390"]);
      await page.emulateMedia({ colorScheme: "light" });
    },
    async leave() {
      await page.unrouteAll({ behavior: "ignoreErrors" });
      await context.setOffline(false);
      await page.goto(`${here.origin}/readyz`);
      await context.request.post(`${here.origin}/api/auth/logout/`);
    },
  };
}

const long = "Wolfeschlegelsteinhausenbergerdorff".repeat(5).slice(0, 150);

/** Somebody with a long name, several devices and a history. */
export async function somebody(server: Server): Promise<Registered> {
  const person = await register(server);
  const headers = { Authorization: `Bearer ${person.tokens.access}` };
  await call(server, "PUT", "/api/auth/profile/", { last_name: long }, headers);
  const agents = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "",
  ];
  for (const agent of agents) {
    for (const password of [person.password, "wrong"]) {
      await call(
        server,
        "POST",
        "/api/auth/login/",
        { email: person.email, password },
        { "User-Agent": agent },
      );
    }
  }
  return person;
}

export type World = { server: Server; admin: Person; manager: Person; people: Registered[]; ids: number[] };

/** An admin, a manager, some others, and something that has happened. */
export async function populate(server: Server, many = 5): Promise<World> {
  const admin = await appoint(server, "admin", "Rhodes");
  const manager = await appoint(server, "manager", "Newman");
  const people: Registered[] = [];
  for (let i = 0; i < many; i++) people.push(await register(server));
  const ids: number[] = [];
  for (const [i, person] of people.entries()) {
    const headers = { Authorization: `Bearer ${person.tokens.access}` };
    const names = i === 0 ? { last_name: long } : { first_name: `Grace${i}`, last_name: "Hopper" };
    const profile = await call(server, "PUT", "/api/auth/profile/", names, headers);
    ids.push(((await profile.json()) as { id: number }).id);
  }
  const agent =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
  for (const password of ["wrong", people[0]?.password])
    await call(
      server,
      "POST",
      "/api/auth/login/",
      { email: people[0]?.email, password },
      { "User-Agent": agent },
    );
  return { server, admin, manager, people, ids };
}

// test has the tab, and the servers that it looks at: looking changes nobody.
export const test = base.extend<
  Record<never, never>,
  { viewer: Viewer; gallery: { server: Server; person: Person }; house: World }
>({
  viewer: [
    async ({ browser }, provide) => {
      const viewer = await openViewer(browser);
      await provide(viewer);
      await viewer.page.context().close();
    },
    { scope: "worker" },
  ],
  gallery: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern.
    async ({}, provide) => {
      const server = await startServer();
      await provide({ server, person: await somebody(server) });
      await server.stop();
    },
    { scope: "worker" },
  ],
  house: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern.
    async ({}, provide) => {
      const server = await startServer();
      await provide(await populate(server, 2));
      await server.stop();
    },
    { scope: "worker" },
  ],
});
