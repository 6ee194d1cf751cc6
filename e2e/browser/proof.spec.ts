import type { Locator, Page } from "@playwright/test";
import { readFileSync } from "node:fs";
import { at, signIn, watch } from "./screen.ts";
import { appoint, call, expect, register, test, wait } from "./test.ts";

// What cannot be undone, or opens other accounts, asks for the password again: here after a moment, by default after
// five minutes.

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const fresh = 2_000; // ms
const set = { SESSIONS_CONFIRM_FOR: `${fresh / 1000}s` };
/** A toast is read out from a place of its own, too. */
const toast = (page: Page, words: string | RegExp) => page.getByText(words).first();

/** Waits for the question, and answers it with the keyboard alone. */
async function prove(page: Page, what: string, password: string): Promise<Locator> {
  const dialog = page.getByRole("alertdialog", { name: `${what}: your password` });
  await expect(dialog.getByLabel("Password", { exact: true })).toBeFocused();
  await expect(dialog.getByLabel("Password", { exact: true })).toHaveAttribute(
    "autocomplete",
    "current-password",
  );
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  return dialog;
}

// ASVS 7.5.2, 10.4.9
test("a device is signed out after a proof of the password", async ({ page, latchkey }) => {
  const server = await latchkey.serve({ set });
  const seen = await watch(page.context(), server);
  const person = await register(server);
  const { email, password } = person;
  const agent = { "User-Agent": firefox };
  const there = (await (
    await call(server, "POST", "/api/auth/login/", { email, password }, agent)
  ).json()) as { tokens: { access: string } };
  const alive = async () => {
    const headers = { Authorization: `Bearer ${there.tokens.access}` };
    return (await call(server, "GET", "/api/auth/profile/", undefined, headers)).status === 200;
  };
  await signIn(page.context(), server, person);
  await at(page, server, "/security", "Security");
  await wait(fresh + 100);

  const name = "Sign out Firefox on Linux";
  const begin = async () => {
    await page.getByRole("button", { name }).click();
    await page
      .getByRole("alertdialog", { name: `${name}?` })
      .getByRole("button", { name })
      .click();
  };
  // Taken back: nothing has happened, and the focus is where it came from.
  await begin();
  const asked = page.getByRole("alertdialog", { name: `${name}: your password` });
  await expect(asked.getByLabel("Password", { exact: true })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("alertdialog")).toHaveCount(0);
  await expect(page.locator("#devices")).toBeFocused();
  expect(await alive()).toBe(true);

  await begin();
  const dialog = await prove(page, name, "not the password");
  await expect(dialog.getByText("Your password was entered incorrectly.")).toBeVisible();
  await expect(dialog.getByLabel("Password", { exact: true })).toBeFocused();
  expect(await alive()).toBe(true);
  await page.keyboard.press("Control+a");
  await prove(page, name, password);
  await expect(toast(page, "Firefox on Linux is signed out")).toBeVisible();
  await expect(page.getByRole("alertdialog")).toHaveCount(0);
  await expect(page.locator("#devices")).toBeFocused();
  expect(await alive()).toBe(false);
  await expect(page.getByText("You confirmed your password")).toBeVisible();
  // Signing out asks for nothing.
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await expect(page.getByText("You are signed out.")).toBeVisible();
  expect(seen).toEqual([]);
});

// ASVS 7.5.1, 7.5.3
test("an administrator proves the password for what opens other accounts", async ({ page, latchkey }) => {
  const server = await latchkey.serve({ set });
  const seen = await watch(page.context(), server);
  const admin = await appoint(server, "admin", "Rhodes");
  const someone = await register(server);
  await signIn(page.context(), server, admin);
  await at(page, server, "/admin/users", "Users");
  await page.getByRole("link", { name: "Ada Lovelace" }).click();
  await wait(fresh + 100);

  await page.getByRole("button", { name: "Make a link for a new password" }).click();
  await prove(page, "Make a link for a new password", admin.password);
  await expect(page.getByRole("heading", { name: /^A link for/ }).or(page.locator("#link"))).toBeFocused();
  await wait(fresh + 100);

  await page.getByLabel("Role").selectOption("manager");
  await page.getByRole("button", { name: "Change role" }).click();
  await prove(page, "Change role", admin.password);
  await expect(toast(page, "Ada Lovelace is Manager now")).toBeVisible();
  await wait(fresh + 100);

  await page
    .getByRole("button", { name: "Delete this account" })
    .or(page.getByRole("button", { name: /^Delete/ }))
    .click();
  const asked = page.getByRole("alertdialog", { name: "Delete Ada Lovelace?" });
  await asked.getByLabel(/^Type /).fill(someone.email);
  await asked.getByRole("button", { name: "Delete Ada Lovelace" }).click();
  await prove(page, "Delete Ada Lovelace", admin.password);
  await expect(toast(page, "Ada Lovelace is deleted")).toBeVisible();
  await wait(fresh + 100);

  await page.getByRole("link", { name: "Audit log" }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download CSV" }).click();
  await prove(page, "Download: CSV", admin.password);
  const file = readFileSync(await (await download).path(), "utf8");
  expect(file).toMatch(/^id,at,event,/);
  expect(file.match(/,confirmed,/g)).toHaveLength(4);
  expect(seen).toEqual([]);
});
