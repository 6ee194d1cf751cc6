import type { BrowserContext, Page } from "@playwright/test";
import { mkdirSync, readFileSync } from "node:fs";
import { screenshots as pictures } from "./places.ts";
import { populate, test } from "./gallery.ts";
import { at, axe, signIn, sizes, visit, watch, type Screen } from "./screen.ts";
import type { Server } from "./server.ts";
import { call, expect, register, type Person } from "./test.ts";

// The console on the real binary, as an admin and as a manager use it; and a picture of each of its screens.

async function enter(page: Page, server: Server, person: Person, path = "/") {
  await page.goto(`${server.origin}/sign-in?next=${encodeURIComponent(path)}`);
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

const heading = (page: Page, name: string | RegExp) => page.getByRole("heading", { name, level: 1 });
const toast = (page: Page, words: string | RegExp) => page.getByText(words).first();
const place = (page: Page, name: string) =>
  page.getByRole("navigation", { name: "Administration" }).getByRole("link", { name }).click();

/** A token for the API, from outside of the browser. */
async function tokenOf(server: Server, person: Person): Promise<Record<string, string>> {
  const { email, password } = person;
  const response = await call(server, "POST", "/api/auth/login/", { email, password });
  const { tokens } = (await response.json()) as { tokens: { access: string } };
  return { Authorization: `Bearer ${tokens.access}` };
}

test("an admin's day", async ({ page, browser, latchkey }) => {
  test.setTimeout(240_000);
  const { server, admin, people, ids } = await populate(await latchkey.serve());
  const seen = await watch(page.context(), server);
  const [, grace] = people;
  const [, id] = ids;

  await enter(page, server, admin);
  // The focus goes from the form to the new screen's heading, though that comes later.
  await expect(heading(page, /^Hello/)).toBeFocused();
  await page.getByRole("link", { name: "Administration" }).click();
  await expect(heading(page, "Overview")).toBeVisible();
  await expect(page.getByRole("slider", { name: /^Sign-ins per hour, last 7 days/ })).toBeVisible();

  // Find somebody.
  await place(page, "Users");
  await expect(page.getByText("7 users", { exact: true })).toBeVisible();
  await page.getByRole("searchbox").fill("grace1");
  await expect(page.getByText("1 user", { exact: true })).toBeVisible();
  await expect(page).toHaveURL(/search=grace1/);
  await page.getByRole("link", { name: "Grace1 Hopper" }).click();
  await expect(heading(page, "Grace1 Hopper")).toBeVisible();

  // Change something, while somebody else does, too.
  await page.getByLabel(/Phone/).fill("42");
  const token = await tokenOf(server, admin);
  const theirs = await call(server, "PATCH", `/api/users/${id}/`, { last_name: "Murray" }, token);
  expect(theirs.status).toBe(200);
  await page.getByRole("button", { name: "Save changes" }).click();
  await expect(page.getByRole("alert")).toContainText("Last name: Hopper → Murray");
  await expect(page.getByLabel(/Phone/)).toHaveValue("42");
  await expect(page.getByLabel("Last name")).toHaveValue("Murray");
  await page.getByRole("button", { name: "Save changes" }).click();
  await expect(toast(page, "Grace1 Murray is saved")).toBeVisible();

  // A role, and back.
  await page.getByLabel("Role").selectOption("manager");
  await page.getByRole("button", { name: "Change role" }).click();
  await expect(toast(page, "Grace1 Murray is Manager now")).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).first().click();
  await expect(page.getByLabel("Role")).not.toHaveValue("manager");

  // A link: it opens once, sets a password, and leaves no trace in the address.
  await page.getByRole("button", { name: "Make a link for a new password" }).click();
  const link = await page.getByLabel("Link", { exact: true }).inputValue();
  expect(link).toMatch(/\/reset#.{20,}$/);
  const path = new URL(link).pathname + new URL(link).hash;
  const other = await browser.newContext({ locale: "en-US" });
  const theirPage = await other.newPage();
  await theirPage.goto(server.origin + path);
  await expect(heading(theirPage, "Set a new password")).toBeVisible();
  expect(theirPage.url()).toBe(`${server.origin}/reset`);
  await expect(theirPage.getByLabel("E-mail")).toHaveValue(grace?.email ?? "");
  const renewed = { email: grace?.email ?? "", password: "an even quieter door 8" };
  await theirPage.getByLabel("New password", { exact: true }).fill(renewed.password);
  await theirPage.getByLabel("Repeat new password").fill(renewed.password);
  await theirPage.getByRole("button", { name: "Set new password" }).click();
  await expect(heading(theirPage, "Your new password is set")).toBeVisible();
  await enter(theirPage, server, renewed);
  await expect(heading(theirPage, /^Hello/)).toBeVisible();
  const again = await other.newPage();
  await again.goto(server.origin + path);
  await expect(heading(again, "This link is used up")).toBeVisible();

  // Deactivated, the other browser is out at its next request; activated, not back in by itself.
  await page.getByRole("button", { name: "Deactivate" }).click();
  await expect(toast(page, "Grace1 Murray is deactivated")).toBeVisible();
  await theirPage.getByRole("navigation").getByRole("link", { name: "Security" }).click();
  await expect(heading(theirPage, "Sign in")).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).first().click();
  await expect(toast(page, "Grace1 Murray is active again")).toBeVisible();
  await other.close();

  // Somebody new.
  await place(page, "Users");
  await page.getByRole("link", { name: "New user" }).click();
  await page.getByLabel("First name").fill("Emmy");
  await page.getByLabel("Last name").fill("Noether");
  await page.getByLabel("E-mail").fill("emmy@example.com");
  await page.getByRole("radio", { name: /Manager/ }).check();
  await page.getByRole("button", { name: "Create user" }).click();
  await expect(heading(page, "Emmy Noether")).toBeVisible();
  await page
    .getByRole("region", { name: /has an account now/ })
    .getByRole("button")
    .click();
  await expect(page.getByLabel("Link", { exact: true })).toHaveValue(/\/reset#/);

  // And gone again, with the e-mail typed.
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  const dialog = page.getByRole("alertdialog", { name: "Delete Emmy Noether?" });
  await dialog.getByRole("button", { name: "Delete Emmy Noether" }).click();
  await expect(dialog.getByText("This is not the e-mail of this user.")).toBeVisible();
  await dialog.getByLabel(/^Type emmy/).fill("emmy@example.com");
  await dialog.getByRole("button", { name: "Delete Emmy Noether" }).click();
  await expect(page.getByText("7 users", { exact: true })).toBeVisible();

  // Many at once.
  await page.getByLabel("Role").selectOption("employee");
  await page.getByRole("checkbox", { name: "Select all on this page" }).check();
  const bar = page.getByRole("region", { name: "Selection" });
  await bar.getByRole("button", { name: /^Sign out \d+ users$/ }).click();
  await page
    .getByRole("alertdialog")
    .getByRole("button", { name: /^Sign out/ })
    .click();
  await expect(page.getByRole("region", { name: /^\d+ users signed out$/ })).toBeVisible();

  // What all that left in the audit log, which goes on by itself.
  await place(page, "Audit log");
  const table = page.getByRole("table", { name: "Audit log" });
  await expect(table.getByText(`${admin.email} deleted a deleted user`)).toBeVisible();
  await page.getByRole("switch", { name: "Live" }).click();
  await call(server, "POST", "/api/auth/login/", { email: grace?.email, password: "wrong again" });
  await expect(
    table
      .getByRole("row")
      .filter({ has: page.getByText("New", { exact: true }) })
      .first(),
  ).toContainText("Wrong password", {
    timeout: 10_000,
  });
  await page.getByLabel("Event").selectOption("role_changed");
  await expect(table.getByText("Role: Employee → Manager").first()).toBeVisible();
  for (const [name, first] of [
    ["CSV", /^id,at,event,/],
    ["JSON lines", /^\{"id":\d+,"event":"role_changed"/],
  ] as const) {
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: `Download ${name}` }).click();
    expect(readFileSync(await (await download).path(), "utf8")).toMatch(first);
  }

  await place(page, "System");
  await expect(page.getByRole("table", { name: "Settings in force" })).toBeVisible();
  await place(page, "Roles");
  await expect(page.getByRole("row", { name: /Delete users/ })).toContainText("all roles");

  // The last admin stays.
  await place(page, "Users");
  await page.getByRole("searchbox").fill(admin.email);
  await page.getByRole("link", { name: "Ida Rhodes" }).click();
  await page.getByRole("button", { name: "Deactivate" }).click();
  await expect(toast(page, /last active administrator cannot/)).toBeVisible();
  expect(seen).toEqual([]);
});

test("a manager's day", async ({ page, latchkey }) => {
  const { server, admin, manager, ids } = await populate(await latchkey.serve());
  const asked: string[] = [];
  page.on("response", (r) => r.status() === 403 && asked.push(r.url()));
  await enter(page, server, manager, "/admin");
  await expect(heading(page, "Overview")).toBeVisible();
  const nav = page.getByRole("navigation", { name: "Administration" }).getByRole("link");
  await expect(nav).toHaveText(["Overview", "Users", "Roles"]);

  // Admins are seen, and no more.
  await place(page, "Users");
  await page.getByRole("searchbox").fill("rhodes");
  await page.getByRole("link", { name: "Ida Rhodes" }).click();
  await expect(page.getByText(admin.email)).toBeVisible();
  await expect(page.getByRole("button", { name: /Deactivate|Delete|Save|Sign out everywhere/ })).toHaveCount(
    0,
  );

  // Those below are looked after, and get no more than that.
  await page.goto(`${server.origin}/admin/users/${ids[1]}`);
  await expect(page.getByLabel("Role").getByRole("option")).toHaveText(["Employee", "Client"]);
  await expect(page.getByRole("heading", { name: "History" })).toBeVisible();
  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  await page
    .getByRole("alertdialog")
    .getByRole("button", { name: /^Sign out/ })
    .click();
  await expect(toast(page, /is signed out on \d device/)).toBeVisible();

  for (const path of ["/admin/audit", "/admin/health", "/admin/system"]) {
    await page.goto(server.origin + path);
    await expect(heading(page, "Your role does not open this")).toBeVisible();
  }
  // Nothing was asked for that would have been refused.
  expect(asked).toEqual([]);
});

test("who is demoted while looking", async ({ page, latchkey }) => {
  const { server, admin, manager } = await populate(await latchkey.serve());
  await enter(page, server, manager, "/admin/users");
  await expect(page.getByRole("table")).toBeVisible();
  await server.command(["user", "set-role", manager.email, "client"]);
  // The server looks ten times a second for what other processes have changed.
  await expect
    .poll(async () => (await page.request.get(server.origin + "/api/users/")).status(), { intervals: [20] })
    .not.toBe(200);
  await page.getByLabel("Role").selectOption("client");
  await expect(heading(page, "Your role does not open this")).toBeVisible();
  await expect(page.getByRole("link", { name: "Administration" })).toHaveCount(0);
  expect(admin.email).toContain("@");
});

test("nobody else gets a piece of the console", async ({ page, latchkey }) => {
  const server = await latchkey.serve();
  const person = await register(server);
  const scripts: string[] = [];
  page.on("request", (r) => /assets\/(console|chart)-/.test(r.url()) && scripts.push(r.url()));
  await enter(page, server, person);
  await expect(heading(page, /^Hello/)).toBeVisible();
  for (const name of ["Profile", "Security"])
    await page.getByRole("navigation").getByRole("link", { name }).click();
  await expect(heading(page, "Security")).toBeVisible();
  await expect(page.getByRole("link", { name: "Administration" })).toHaveCount(0);
  expect(scripts).toEqual([]);
});

const screens: (Screen & { as?: "manager" })[] = [
  {
    name: "console-overview",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/admin?days=1", "Overview");
      await page.getByText("The same as a table").first().click();
      await page.getByRole("slider").first().focus();
    },
  },
  {
    name: "console-users",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/admin/users", "Users");
      await page.getByRole("table").getByRole("checkbox").last().check();
    },
  },
  {
    name: "console-users-bulk",
    signedIn: true,
    async go(page, server) {
      await page.route("**/api/users/*/logout/", (route, request) =>
        request.url().includes("/3/")
          ? route.fulfill({ status: 500, json: { detail: "x" } })
          : route.fulfill({ json: { message: "", ended: 1 } }),
      );
      await at(page, server, "/admin/users", "Users");
      for (const box of await page
        .getByRole("table")
        .getByRole("checkbox", { name: /^Select (?!all)/ })
        .all())
        await box.check();
      await page.getByRole("button", { name: /^Sign out \d+ users$/ }).click();
      await page
        .getByRole("alertdialog")
        .getByRole("button", { name: /^Sign out/ })
        .click();
      await expect(page.getByRole("region", { name: /1 failed$/ })).toBeVisible();
    },
  },
  {
    name: "console-users-none",
    signedIn: true,
    go: async (page, server) => {
      await at(page, server, "/admin/users?search=nobody", "Users");
      await expect(page.getByText("No user matches.")).toBeVisible();
    },
  },
  {
    name: "console-users-failed",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/admin/users", "Users");
      await page.route("**/api/users/?*", (route) => route.fulfill({ status: 500, json: { detail: "x" } }));
      await page.getByLabel("Role").selectOption("client");
      await expect(page.getByRole("alert")).toBeVisible();
    },
  },
  {
    name: "console-users-manager",
    signedIn: true,
    as: "manager",
    go: (page, server) => at(page, server, "/admin/users", "Users"),
  },
  {
    name: "console-user",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/admin/users/3", /Wolfe/);
      await page.getByRole("button", { name: "Make a link for a new password" }).click();
      await expect(page.getByLabel("Link", { exact: true })).toBeVisible();
    },
  },
  {
    name: "console-user-conflict",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/admin/users/3", /Wolfe/);
      await page.getByLabel(/Phone/).fill("42");
      await page.route("**/api/users/3/", (route, request) =>
        request.method() === "PATCH"
          ? route.fulfill({ status: 412, json: { detail: "The resource was changed meanwhile." } })
          : route.continue(),
      );
      await page.getByRole("button", { name: "Save changes" }).click();
      await expect(page.getByRole("alert")).toContainText("was changed meanwhile");
    },
  },
  {
    name: "console-user-delete",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/admin/users/4", /Hopper/);
      await page.getByRole("button", { name: "Delete", exact: true }).click();
      await page
        .getByRole("alertdialog")
        .getByRole("button", { name: /^Delete/ })
        .click();
      await expect(page.getByText("This is not the e-mail of this user.")).toBeVisible();
    },
  },
  {
    name: "console-user-manager",
    signedIn: true,
    as: "manager",
    go: (page, server) => at(page, server, "/admin/users/1", /Rhodes/),
  },
  {
    name: "console-user-none",
    signedIn: true,
    go: (page, server) => at(page, server, "/admin/users/999999", "There is no such user"),
  },
  {
    name: "console-new",
    signedIn: true,
    async go(page, server) {
      await at(page, server, "/admin/users/new", "New user");
      await page.getByRole("button", { name: "Create user" }).click();
      await expect(page.getByRole("alert")).toBeVisible();
    },
  },
  {
    name: "console-audit",
    signedIn: true,
    go: (page, server) => at(page, server, "/admin/audit", "Audit log"),
  },
  {
    name: "console-audit-filtered",
    signedIn: true,
    go: (page, server) =>
      at(
        page,
        server,
        "/admin/audit?user=3&event=login_failed&since=2026-01-01T00:00:00Z&live=1",
        "Audit log",
      ),
  },
  {
    name: "console-attempts",
    signedIn: true,
    async go(page, server) {
      const row = {
        id: "0".repeat(32),
        kind: "account",
        user: null,
        address: "",
        failures: 12,
        last_at: "2026-11-01T10:00:00Z",
        refused_until: null,
        reason: "",
        expires_at: "2126-11-02T10:00:00Z",
      };
      const user = { id: 1, email: "somebody.with.a.long.name@department.example.com" };
      const until = "2126-11-01T10:15:00Z";
      await page.route("**/api/throttle/**", (route) =>
        route.fulfill({
          json: {
            next: null,
            previous: null,
            results: [
              { ...row, id: "1".repeat(32), user, failures: 100, refused_until: until, reason: "ceiling" },
              {
                ...row,
                id: "2".repeat(32),
                kind: "address",
                address: "192.0.2.7",
                refused_until: until,
                reason: "emails",
              },
              { ...row, id: "3".repeat(32), kind: "device", user, address: "2001:db8:85a3:1234::/64" },
              row,
            ],
          },
        }),
      );
      await at(page, server, "/admin/attempts", "Failed attempts");
    },
  },
  {
    name: "console-attempts-none",
    signedIn: true,
    async go(page, server) {
      await page.route("**/api/throttle/**", (route) =>
        route.fulfill({ json: { next: null, previous: null, results: [] } }),
      );
      await at(page, server, "/admin/attempts", "Failed attempts");
    },
  },
  {
    name: "console-refused",
    signedIn: true,
    as: "manager",
    go: (page, server) => at(page, server, "/admin/system", "Your role does not open this"),
  },
  {
    name: "console-roles",
    signedIn: true,
    go: (page, server) => at(page, server, "/admin/roles", /role may do/),
  },
  {
    name: "console-health",
    signedIn: true,
    go: async (page, server) => {
      await at(page, server, "/admin/health", "Health");
      await expect(page.getByRole("article").first()).toBeVisible();
    },
  },
  {
    name: "console-system",
    signedIn: true,
    go: (page, server) => at(page, server, "/admin/system", "System"),
  },
  {
    name: "reset",
    signedIn: false,
    async go(page, server) {
      await page.route("**/api/auth/password/reset/check/", (route) =>
        route.fulfill({ json: { email: "person@example.com", expires_at: "2026-12-01T10:00:00Z" } }),
      );
      await at(page, server, "/reset#token", "Set a new password");
      await page.getByRole("button", { name: "Set new password" }).click();
      await expect(page.getByRole("alert")).toBeVisible();
    },
  },
  {
    name: "reset-bad",
    signedIn: false,
    go: (page, server) => at(page, server, "/reset#no", "This link is used up"),
  },
  {
    name: "set-up",
    signedIn: false,
    async go(page, server) {
      await page.route("**/api/auth/setup/check/", (route) =>
        route.fulfill({ json: { expires_at: "2026-12-01T10:00:00Z" } }),
      );
      await at(page, server, "/setup#token", "Create the first administrator");
    },
  },
  {
    name: "set-up-bad",
    signedIn: false,
    go: (page, server) => at(page, server, "/setup#no", "This set-up link is used up"),
  },
];

test.describe("screens", () => {
  if (pictures) mkdirSync(pictures, { recursive: true });
  for (const screen of screens) {
    test(screen.name, async ({ viewer, house }, info) => {
      await visit(screen, viewer, house.server, screen.as === "manager" ? house.manager : house.admin, info);
    });
  }
});

test("the console's touch targets have 44 px", async ({ browser, latchkey }) => {
  const { server, admin, ids } = await populate(await latchkey.serve());
  const context: BrowserContext = await browser.newContext({ viewport: sizes["390"], locale: "en-US" });
  await signIn(context, server, admin);
  const page = await context.newPage();
  for (const path of [
    "",
    "/users",
    `/users/${ids[1]}`,
    "/users/new",
    "/audit",
    "/attempts",
    "/roles",
    "/health",
    "/system",
  ]) {
    await page.goto(`${server.origin}/admin${path}`);
    await page.waitForLoadState("networkidle");
    const small = await page.evaluate(() =>
      // A link in a sentence is as high as its line; a box is inside a label that is higher.
      [
        ...document.querySelectorAll(
          "a, button, select, summary, label:has(input), input:not([type=radio], [type=checkbox])",
        ),
      ]
        .filter((e) => !e.matches(".sr-only, p a, span > a"))
        .map((e) => [e.textContent ?? "", e.getBoundingClientRect().height] as const)
        .filter(([, height]) => height > 0 && height < 44),
    );
    expect(small, path).toEqual([]);
  }
  await context.close();
});

test("the console speaks German, at 320 px", async ({ browser, latchkey }) => {
  const { server, admin, ids } = await populate(await latchkey.serve());
  const context = await browser.newContext({ viewport: sizes["320"], locale: "de-DE" });
  const seen = await watch(context, server);
  await signIn(context, server, admin);
  const page = await context.newPage();
  for (const [path, title] of [
    ["", "Überblick"],
    ["/users", "Konten"],
    [`/users/${ids[0]}`, /Wolfe/],
    ["/audit", "Protokoll"],
    ["/attempts", "Fehlversuche"],
    ["/roles", "Was eine Rolle darf"],
    ["/health", "Zustand"],
    ["/system", "Technik"],
  ] as const) {
    await at(page, server, `/admin${path}`, title);
    expect(
      await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
      path,
    ).toBe(0);
    if (pictures)
      await page.screenshot({
        path: `${pictures}german-console${path.replaceAll("/", "-")}-320.png`,
        fullPage: true,
      });
  }
  expect(await axe(page)).toEqual([]);
  expect(seen).toEqual([]);
  await context.close();
});
