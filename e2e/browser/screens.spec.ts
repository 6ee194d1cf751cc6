import { mkdirSync } from "node:fs";
import { screenshots as pictures } from "./places.ts";
import { somebody, test } from "./gallery.ts";
import { at, axe, signIn, sizes, visit, watch, wide, type Screen } from "./screen.ts";
import { expect } from "./test.ts";

// Every screen and state: no violation that axe finds, none of the page's own policy, nothing asked of anybody else,
// nothing kept but the language and the theme, no sideways scrolling at 320 px or at 200 %. And a picture of each, to be
// looked at.

const long = "Wolfeschlegelsteinhausenbergerdorff".repeat(4).slice(0, 150);

const screens: Screen[] = [
  { name: "sign-in", signedIn: false, go: (page, server) => at(page, server, "/sign-in", "Sign in") },
  {
    name: "sign-in-errors",
    signedIn: false,
    async go(page, server) {
      await at(page, server, "/sign-in", "Sign in");
      await page.getByRole("button", { name: "Sign in" }).click();
      await expect(page.getByRole("alert")).toBeVisible();
    },
  },
  {
    name: "sign-in-ended",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/profile", "Profile");
      await page.context().clearCookies();
      await page.getByRole("link", { name: "Security" }).click();
      await expect(page.getByText("Your session ended.")).toBeVisible();
    },
  },
  {
    name: "create-account",
    signedIn: false,
    go: (page, server) => at(page, server, "/create-account", /Create/),
  },
  {
    name: "create-account-errors",
    signedIn: false,
    async go(page, server) {
      await at(page, server, "/create-account", /Create/);
      await page.getByLabel("First name").fill(long.repeat(2));
      await page.getByLabel("E-mail").fill("nobody");
      await page.getByLabel("Last name").fill("Lovelace");
      await page.getByLabel("Password", { exact: true }).fill("12345678");
      await page.getByLabel("Repeat password").fill("12345678");
      await page.getByRole("button", { name: "Create account" }).click();
      await expect(page.getByRole("alert")).toContainText("problems");
    },
  },
  { name: "home", signedIn: true, go: (page, server) => at(page, server, "/", /^Hello/) },
  { name: "profile", signedIn: true, go: (page, server) => at(page, server, "/profile", "Profile") },
  {
    name: "profile-errors",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/profile", "Profile");
      await page.getByLabel("First name").fill("");
      await page.getByLabel(/Phone/).fill("1".repeat(30));
      await page.getByRole("button", { name: "Save" }).click();
      await expect(page.getByRole("alert")).toBeVisible();
    },
  },
  {
    name: "profile-toast",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/profile", "Profile");
      await page.getByLabel(/Phone/).fill(String(Math.trunc(Math.random() * 1e9)));
      await page.getByRole("button", { name: "Save" }).click();
      await expect(page.getByText("Saved", { exact: true }).first()).toBeVisible();
    },
  },
  {
    name: "profile-leaving",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/profile", "Profile");
      await page.getByLabel(/Phone/).fill("42");
      await page.getByRole("link", { name: "Home" }).click();
      await expect(page.getByRole("alertdialog", { name: "Leave without saving?" })).toBeVisible();
    },
  },
  { name: "security", signedIn: true, go: (page, server) => at(page, server, "/security", "Security") },
  {
    name: "security-dialog",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/security", "Security");
      await page.getByRole("button", { name: "Sign out everywhere else" }).click();
      await expect(page.getByRole("alertdialog")).toBeVisible();
    },
  },
  {
    name: "security-proof",
    signedIn: true,
    async go(page, server) {
      // As though the sign-in were long ago.
      await page.route("**/api/auth/sessions/", async (route) =>
        route.request().method() === "DELETE"
          ? route.fulfill({ status: 403, json: { detail: "x", code: "confirmation_required" } })
          : route.continue(),
      );
      await at(page, server, "/security", "Security");
      await page.getByRole("button", { name: "Sign out everywhere else" }).click();
      await page
        .getByRole("alertdialog")
        .getByRole("button", { name: /^Sign out/ })
        .click();
      const dialog = page.getByRole("alertdialog", { name: /: your password$/ });
      await dialog.getByLabel("Password", { exact: true }).fill("not it");
      await page.keyboard.press("Enter");
      await expect(dialog.getByText("Your password was entered incorrectly.")).toBeVisible();
    },
  },
  {
    name: "security-errors",
    signedIn: true,
    async go(page, server) {
      await page.route("**/api/auth/events/**", (route) =>
        route.fulfill({ status: 500, json: { detail: "x" } }),
      );
      await at(page, server, "/security", "Security");
      await page.getByLabel("Current password").fill("not it");
      await page.getByLabel("New password", { exact: true }).fill("password");
      await page.getByLabel("Repeat new password").fill("password");
      await page.getByRole("button", { name: "Change password" }).click();
      await expect(page.getByText("This password is too common.").first()).toBeVisible();
      await expect(page.getByText("This could not be loaded")).toBeVisible();
    },
  },
  {
    name: "security-loading",
    signedIn: true,
    async go(page, server) {
      await page.route("**/api/auth/{events,sessions}/**", () => {}); // a network that is slow for ever
      await page.goto(`${server.origin}/security`);
      await expect(page.getByRole("status").filter({ hasText: "Loading" }).first()).toBeAttached({
        timeout: 20_000,
      });
      await page.waitForTimeout(500);
    },
  },
  {
    name: "not-found",
    signedIn: false,
    go: (page, server) => at(page, server, "/no/such/place", /nothing here/),
  },
  {
    name: "broken",
    signedIn: true,
    async go(page, server) {
      await page.route("**/api/auth/sessions/", (route) =>
        route.fulfill({ json: { expires: { access: 2e9, refresh: 2e9 }, results: 7 } }),
      );
      await page.goto(`${server.origin}/security`);
      await expect(page.getByRole("heading", { name: "Something broke on this page" })).toBeVisible();
    },
  },
  {
    name: "offline",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/", /^Hello/);
      await page.context().setOffline(true);
      await expect(page.getByText("You are offline.")).toBeVisible();
    },
  },
  {
    name: "away",
    signedIn: false,
    async go(page, server) {
      await page.route("**/api/auth/**", (route) => route.abort());
      await page.goto(server.origin);
      await expect(page.getByRole("heading", { name: "The server cannot be reached" })).toBeVisible();
    },
  },
];

test.describe("screens", () => {
  if (pictures) mkdirSync(pictures, { recursive: true });
  for (const screen of screens) {
    // ASVS 14.2.3, 14.3.3
    test(screen.name, async ({ viewer, gallery }, info) => {
      await visit(screen, viewer, gallery.server, gallery.person, info);
    });
  }
});

test("sign-in and registration fit a phone", async ({ browser, latchkey }) => {
  const server = await latchkey.serve();
  const context = await browser.newContext({ viewport: sizes["390"], locale: "en-US" });
  const page = await context.newPage();
  for (const [path, button] of [
    ["/sign-in", "Sign in"],
    ["/create-account", "Create account"],
  ] as const) {
    await page.goto(server.origin + path);
    await expect(page.getByRole("button", { name: button })).toBeVisible();
    const box = await page.getByRole("button", { name: button }).boundingBox();
    expect(box && box.y + box.height, button).toBeLessThanOrEqual(sizes["390"].height);
  }
  await context.close();
});

test("touch targets have 44 px", async ({ browser, latchkey }) => {
  const server = await latchkey.serve();
  const person = await somebody(server);
  const context = await browser.newContext({ viewport: sizes["390"], locale: "en-US" });
  await signIn(context, server, person);
  const page = await context.newPage();
  for (const path of ["/", "/profile", "/security"]) {
    await page.goto(server.origin + path);
    await page.waitForLoadState("networkidle");
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("a, button, select, input:not([hidden]):not([type=radio])")]
        .filter((e) => !e.matches(".sr-only"))
        .map((e) => [e.textContent ?? "", e.getBoundingClientRect().height] as const)
        .filter(([, height]) => height > 0 && height < 44),
    );
    expect(small, path).toEqual([]);
  }
  await context.close();
});

test("less motion where that is asked for", async ({ browser, latchkey }) => {
  const server = await latchkey.serve();
  const person = await somebody(server);
  for (const reducedMotion of ["reduce", "no-preference"] as const) {
    const context = await browser.newContext({ reducedMotion, locale: "en-US" });
    const page = await context.newPage();
    await page.goto(`${server.origin}/sign-in`);
    await page.getByLabel("E-mail").fill(person.email);
    await page.getByLabel("Password", { exact: true }).fill(person.password);
    // The mark turns when a sign-in succeeds; here it is told whether it began to.
    await page.evaluate(() => {
      (window as unknown as { moved: string[] }).moved = [];
      for (const kind of ["animationstart", "transitionrun"]) {
        document.addEventListener(kind, (e) =>
          (window as unknown as { moved: string[] }).moved.push((e as AnimationEvent).animationName ?? kind),
        );
      }
    });
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("heading", { name: /^Hello/ })).toBeVisible();
    await page.waitForTimeout(300);
    const moved = await page.evaluate(() => (window as unknown as { moved: string[] }).moved);
    if (reducedMotion === "reduce") expect(moved).toEqual([]);
    else expect(moved).toContain("turn");
    await context.close();
  }
});

test("at 200 % nothing is cut off", async ({ browser, latchkey }) => {
  const server = await latchkey.serve();
  const person = await somebody(server);
  const context = await browser.newContext({ viewport: sizes["1280"], locale: "en-US" });
  await signIn(context, server, person);
  const page = await context.newPage();
  for (const path of ["/", "/profile", "/security"]) {
    await page.goto(server.origin + path);
    await page.waitForLoadState("networkidle");
    await page.evaluate(() => document.documentElement.style.setProperty("font-size", "200%"));
    expect(await wide(page), path).toBe("");
  }
  await context.close();
});

test("in German", async ({ browser, latchkey }) => {
  const server = await latchkey.serve();
  const person = await somebody(server);
  const context = await browser.newContext({
    viewport: sizes["320"],
    locale: "de-DE",
    reducedMotion: "reduce",
  });
  const seen = await watch(context, server);
  const page = await context.newPage();
  await page.goto(`${server.origin}/sign-in`);
  await expect(page.getByRole("heading", { name: "Anmelden" })).toBeVisible();
  await signIn(context, server, person);
  for (const [path, heading] of [
    ["/", /^Guten Tag/],
    ["/profile", "Profil"],
    ["/security", "Sicherheit"],
  ] as const) {
    await at(page, server, path, heading);
    expect(await page.evaluate(() => document.documentElement.lang)).toBe("de");
    expect(await axe(page)).toEqual([]);
    expect(await wide(page)).toBe("");
    if (pictures)
      await page.screenshot({
        path: `${pictures}german${path.replaceAll("/", "-")}-320.png`,
        fullPage: true,
      });
  }
  expect(seen).toEqual([]);
  await context.close();
});

// ASVS 14.3.3
test("the choice of theme and language is all that is kept", async ({ page, latchkey }) => {
  const server = await latchkey.serve();
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(`${server.origin}/sign-in`);
  const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await paper();
  await page.getByLabel("Theme", { exact: true }).selectOption("Dark");
  expect(await paper()).not.toBe(light);
  await page.getByLabel("Language", { exact: true }).selectOption("Deutsch");
  await expect(page.getByRole("heading", { name: "Anmelden" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Anmelden" })).toBeVisible();
  expect(await paper()).not.toBe(light);
  expect(await page.evaluate(() => ({ ...localStorage }))).toEqual({
    "latchkey.theme": "dark",
    "latchkey.language": "de",
  });
});

test("files are compressed, kept where they can be, and asked for again where not", async ({
  page,
  latchkey,
}) => {
  const server = await latchkey.serve();
  const files = new Map<string, Record<string, string>>();
  page.on("response", (r) => files.set(new URL(r.url()).pathname, r.headers()));
  await page.goto(`${server.origin}/sign-in`, { waitUntil: "networkidle" });
  const script = [...files.keys()].find((f) => /^\/assets\/index-.*\.js$/.test(f)) ?? "";
  expect(files.get(script)).toMatchObject({
    // A browser takes brotli over TLS and from localhost only.
    "content-encoding": expect.stringMatching(/^(br|gzip)$/) as unknown as string,
    "cache-control": "public, max-age=31536000, immutable",
  });
  const html = files.get("/sign-in");
  expect(html).toMatchObject({
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  });
  expect(html?.["content-security-policy"]).not.toMatch(/unsafe|\*/);
  const again = await fetch(`${server.origin}/profile`, {
    headers: { "If-None-Match": html?.["etag"] ?? "" },
  });
  expect(again.status).toBe(304);
  const brotli = await fetch(server.origin + script, { headers: { "Accept-Encoding": "br" } });
  expect(brotli.headers.get("content-encoding")).toBe("br");
});

// No timed assertion: the figure is printed.
test("the first picture on a slow phone", async ({ browser, latchkey }) => {
  const server = await latchkey.serve();
  const context = await browser.newContext({ viewport: sizes["390"] });
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 150,
    downloadThroughput: (1.6 * 1024 * 1024) / 8,
    uploadThroughput: (750 * 1024) / 8,
  });
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  await page.goto(`${server.origin}/sign-in`);
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  const paints = await page.evaluate(() => [
    ...performance.getEntriesByType("paint").map((e) => `${e.name} ${Math.round(e.startTime)} ms`),
    `form ${Math.round(performance.now())} ms`,
  ]);
  console.log(`  1.6 Mbit/s, 150 ms, a quarter of the processor: ${paints.join(", ")}`);
  expect(paints.join()).toContain("first-contentful-paint");
  await context.close();
});

test("the API reference", async ({ viewer, gallery }) => {
  const { page, seen } = viewer;
  await viewer.enter(gallery.server);
  const response = await page.goto(`${gallery.server.origin}/api/docs/`);
  expect(response?.headers()["content-security-policy"]).not.toMatch(/unsafe/);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  for (const [tag, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      const path = `${pictures}api-docs-${tag}-${colorScheme}.png`;
      if (pictures) await page.screenshot({ path, animations: "disabled" });
      // The page is long, axe takes its time over it, and its operations are all made by one component: some of
      // every kind do, each layout and theme once.
      if (tag === (colorScheme === "light" ? "390" : "1280")) {
        const parts = ["header", "#contents", "#login", "#users", "#patchUser", "#revocations"];
        for (const part of parts) expect(await page.locator(part).count(), part).toBeGreaterThan(0);
        expect(await axe(page, parts), `axe, ${tag}, ${colorScheme}`).toEqual([]);
      }
    }
    await expect.poll(() => wide(page), `sideways, ${tag}`).toBe("");
  }
  await viewer.leave();
  expect(seen).toEqual([]);
});
