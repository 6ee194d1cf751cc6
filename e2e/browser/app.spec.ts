import type { Browser, BrowserContext, Page } from "@playwright/test";
import { expect, test, wait } from "./test.ts";
import type { Engine, Server } from "./server.ts";

const person = { first: "Ada", last: "Lovelace", email: "ada@example.com", password: "a quiet brass door 7" };

async function register(page: Page, server: Server) {
  await page.goto(server.origin);
  await page.getByRole("link", { name: "Create account" }).click();
  await page.getByLabel("First name").fill(person.first);
  await page.getByLabel("Last name").fill(person.last);
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByLabel("Repeat password").fill(person.password);
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByRole("heading", { name: "Hello, Ada" })).toBeVisible();
}

async function signIn(page: Page, password = person.password) {
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

// A toast is read out from a place of its own, too: hence the first() where one is looked for.

/** Another device of the same person. */
async function secondDevice(browser: Browser, server: Server): Promise<[BrowserContext, Page]> {
  const context = await browser.newContext({
    locale: "en-US",
    userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  });
  const page = await context.newPage();
  await page.goto(`${server.origin}/sign-in`);
  await signIn(page);
  await expect(page.getByRole("heading", { name: /^Hello, / })).toBeVisible();
  return [context, page];
}

for (const engine of ["sqlite", "postgres"] satisfies Engine[]) {
  // ASVS 6.2.2, 7.4.1, 7.4.3, 10.4.9
  test(`an account's life, on ${engine}`, async ({ page, browser, latchkey }) => {
    test.setTimeout(240_000);
    const server = await latchkey.serve({ engine, set: { TOKENS_ACCESS: "3s" } });

    await register(page, server);
    await page.getByRole("navigation").getByRole("link", { name: "Profile" }).click();
    await page.getByLabel("First name").fill("Augusta Ada");
    await page.getByLabel(/Phone/).fill("+44 20 7946 0000");
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.getByText("Saved", { exact: true }).first()).toBeVisible();
    await page.reload();
    await expect(page.getByLabel("First name")).toHaveValue("Augusta Ada");

    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
    await expect(page.getByText("You are signed out.")).toBeVisible();
    await signIn(page, "not the password");
    await expect(page.getByRole("alert")).toContainText("The e-mail or the password is not right.");
    await signIn(page);
    await expect(page.getByRole("heading", { name: "Hello, Augusta Ada" })).toBeVisible();

    // Work past three expiries; the page asks for new tokens by itself and nobody is asked to sign in.
    const refreshes: number[] = [];
    page.on("response", (r) => r.url().endsWith("/token/refresh/") && refreshes.push(r.status()));
    for (const [link, heading] of [
      ["Security", "Security"],
      ["Profile", "Profile"],
      ["Home", "Hello, Augusta Ada"],
    ] as const) {
      await wait(3_100);
      await page.getByRole("navigation").getByRole("link", { name: link }).click();
      await expect(page.getByRole("heading", { name: heading, level: 1 })).toBeVisible();
    }
    expect(refreshes.length).toBeGreaterThanOrEqual(2);
    expect(refreshes.filter((status) => status !== 200)).toEqual([]);

    // A changed password signs out the second browser.
    const [other, there] = await secondDevice(browser, server);
    await page.getByRole("navigation").getByRole("link", { name: "Security" }).click();
    await page.getByLabel("Current password").fill(person.password);
    await page.getByLabel("New password", { exact: true }).fill("another brass door 8");
    await page.getByLabel("Repeat new password").fill("another brass door 8");
    await page.getByRole("button", { name: "Change password" }).click();
    await expect(page.getByText("Password changed. 1 other device was signed out.").first()).toBeVisible();
    await there.getByRole("navigation").getByRole("link", { name: "Profile" }).click();
    await expect(there.getByRole("heading", { name: "Sign in" })).toBeVisible();
    await expect(there.getByText("Your session ended.")).toBeVisible();

    // The way back is kept.
    await there.getByLabel("E-mail").fill(person.email);
    await there.getByLabel("Password", { exact: true }).fill("another brass door 8");
    await there.getByRole("button", { name: "Sign in" }).click();
    await expect(there.getByRole("heading", { name: "Profile", level: 1 })).toBeVisible();

    // Sign out that device from this one.
    await page.reload();
    await page.getByRole("button", { name: "Sign out Firefox on Linux" }).click();
    const dialog = page.getByRole("alertdialog", { name: "Sign out Firefox on Linux?" });
    await dialog.getByRole("button", { name: "Sign out Firefox on Linux" }).click();
    await expect(page.getByText("Firefox on Linux is signed out").first()).toBeVisible();
    await expect(page.getByText("You are signed in on this device only.")).toBeVisible();
    await there.getByRole("navigation").getByRole("link", { name: "Home" }).click();
    await expect(there.getByRole("heading", { name: "Sign in" })).toBeVisible();
    await other.close();

    // What happened reads like sentences.
    await expect(page.getByText("You changed your password")).toBeVisible();
    await expect(page.getByText("A device was signed out").first()).toBeVisible();
    await expect(page.getByText("Somebody tried a wrong password")).toBeVisible();
  });
}

test("a session that expires lands on sign-in and goes on where one was", async ({ page, latchkey }) => {
  test.setTimeout(120_000);
  const server = await latchkey.serve({
    set: { TOKENS_ACCESS: "3s", TOKENS_REFRESH: "4s", TOKENS_SESSION_MAX: "12s" },
  });
  await register(page, server);
  await page.getByRole("navigation").getByRole("link", { name: "Security" }).click();
  await expect(page.getByRole("heading", { name: "Security", level: 1 })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible({ timeout: 40_000 });
  await expect(page.getByText("Your session ended. Sign in to go on where you were.")).toBeVisible();
  expect(new URL(page.url()).searchParams.get("next")).toBe("/security");
  await signIn(page);
  await expect(page.getByRole("heading", { name: "Security", level: 1 })).toBeVisible();
});

test("signing out in one tab signs the other out", async ({ page, context, latchkey }) => {
  const server = await latchkey.serve();
  await register(page, server);
  const other = await context.newPage();
  await other.goto(`${server.origin}/profile`);
  await expect(other.getByRole("heading", { name: "Profile", level: 1 })).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(other.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect(other.getByText("You signed out in another tab.")).toBeVisible();
});

test("the whole way with the keyboard alone", async ({ page, latchkey }) => {
  test.setTimeout(120_000);
  const server = await latchkey.serve();
  const press = async (...keys: string[]) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  /** Tabs on until something of this role and name has the focus. */
  const tabTo = async (name: RegExp) => {
    for (let i = 0; i < 40; i++) {
      await press("Tab");
      const focused = await page.evaluate(() => {
        const e = document.activeElement;
        const label = e instanceof HTMLInputElement ? e.labels?.[0]?.textContent : undefined;
        return e?.getAttribute("aria-label") ?? label ?? e?.textContent ?? "";
      });
      if (name.test(focused)) return;
    }
    throw new Error(`${name} is not reached with the Tab key`);
  };
  await page.goto(server.origin);
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await press("Tab");
  await expect(page.getByRole("link", { name: "Skip to content" })).toBeFocused();
  await tabTo(/^Create account$/);
  await press("Enter");
  await expect(page.getByRole("heading", { name: "Create your account" })).toBeFocused();
  await tabTo(/^First name/);
  await page.keyboard.type("Ada");
  await tabTo(/^Last name/);
  await page.keyboard.type("Lovelace");
  await tabTo(/^E-mail/);
  await page.keyboard.type(person.email);
  await tabTo(/^Password/);
  await page.keyboard.type(person.password);
  await tabTo(/^Repeat password/);
  await page.keyboard.type(person.password);
  await press("Enter");
  await expect(page.getByRole("heading", { name: "Hello, Ada" })).toBeFocused();

  await press("Shift+Tab"); // into the bar
  await tabTo(/^Profile$/);
  await press("Enter");
  await expect(page.getByRole("heading", { name: "Profile", level: 1 })).toBeFocused();
  await tabTo(/^First name/);
  await page.keyboard.type("Augusta");
  await press("Enter");
  await expect(page.getByText("Saved", { exact: true }).first()).toBeVisible();

  await fetch(`${server.origin}/api/auth/login/`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "User-Agent": "curl/8" },
    body: JSON.stringify({ email: person.email, password: person.password }),
  });
  await page.goto(`${server.origin}/security`);
  await expect(page.getByRole("button", { name: "Sign out curl" })).toBeVisible();
  await tabTo(/^Sign out curl$/);
  await press("Enter");
  const dialog = page.getByRole("alertdialog", { name: "Sign out curl?" });
  // It begins where nothing is lost, keeps the focus inside, and goes by Escape.
  await expect(dialog.getByRole("button", { name: "Cancel" })).toBeFocused();
  await press("Tab", "Tab");
  await expect(dialog.getByRole("button", { name: "Cancel" })).toBeFocused();
  await press("Escape");
  await expect(dialog).toBeHidden();
  await expect(page.getByRole("button", { name: "Sign out curl" })).toBeFocused();
  await press("Enter", "Tab", "Enter");
  await expect(page.getByText("curl is signed out").first()).toBeVisible();
  await expect(page.getByRole("heading", { name: "Signed-in devices" })).toBeFocused();

  await tabTo(/^Sign out$/);
  await press("Enter");
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
});

test("offline it says so, keeps what it has, and goes on by itself", async ({ page, context, latchkey }) => {
  const server = await latchkey.serve();
  await register(page, server);
  await page.getByRole("navigation").getByRole("link", { name: "Profile" }).click();
  await page.getByLabel("First name").fill("Augusta");
  await context.setOffline(true);
  await expect(page.getByText("You are offline.")).toBeVisible();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("alert")).toContainText(
    "The server cannot be reached. What you typed is still here.",
  );
  await expect(page.getByLabel("First name")).toHaveValue("Augusta");
  await context.setOffline(false);
  await expect(page.getByText("You are offline.")).toBeHidden();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved", { exact: true }).first()).toBeVisible();
});

test("a server that is away when the page comes is waited for", async ({ page, latchkey }) => {
  const server = await latchkey.serve();
  await page.route("**/api/auth/**", (route) => route.abort());
  await page.goto(server.origin);
  await expect(page.getByRole("heading", { name: "The server cannot be reached" })).toBeVisible();
  await page.unroute("**/api/auth/**");
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
});
