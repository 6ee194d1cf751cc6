import type { BrowserType, Page } from "@playwright/test";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { launchOptions } from "./browser.ts";
import type { Front } from "./front.ts";
import { exampleFolder } from "./places.ts";
import { call, expect, type Latchkey, type Registered, register, test, wait } from "./test.ts";

// The guide's React code, word for word (examples/react/src/guide/api.js), on
// http://localhost:3000 against http://localhost:8000. The browser is told that
// those two are at free ports, so that nothing else on the machine is in the way;
// to it and to the server they are the addresses of the guide. The last test is
// the page beside it, on our client.

const refreshPath = "/api/auth/token/refresh/";

interface Stage {
  page: Page;
  front: Front;
  person: Registered;
}

async function stage(
  chromium: BrowserType,
  latchkey: Latchkey,
  reuse: string,
  path = "/guide/",
): Promise<Stage> {
  const server = await latchkey.serve({ set: { TOKENS_ACCESS: "2s", TOKENS_REUSE: reuse } });
  const front = await latchkey.front(server);
  const dist = join(exampleFolder, "dist");
  const site = await latchkey.site({
    folders: { "/": dist },
    fallback: await readFile(join(dist, "index.html"), "utf8"),
  });
  const rules = `MAP localhost:3000 127.0.0.1:${site.port}, MAP localhost:8000 127.0.0.1:${front.port}`;
  const browser = await chromium.launch(launchOptions(`--host-resolver-rules=${rules}`));
  const person = await register(server);
  const page = await browser.newPage();
  await page.goto(`http://localhost:3000${path}`);
  return { page, front, person };
}

async function logIn({ page, person }: Stage) {
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password").fill(person.password);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("heading", { name: "Profile", exact: true })).toBeVisible();
}

async function loadProfile(page: Page) {
  await page.getByRole("button", { name: "Load profile" }).click();
}

// pastExpiry waits until the access token that the page holds is dead.
async function pastExpiry(page: Page) {
  const token = (await stored(page))["access_token"];
  const claims = JSON.parse(Buffer.from(token?.split(".")[1] ?? "", "base64url").toString()) as {
    exp: number;
  };
  await wait(claims.exp * 1000 - Date.now() + 20);
}

function stored(page: Page): Promise<Record<string, string>> {
  return page.evaluate(() => ({ ...localStorage }) as Record<string, string>);
}

function refreshes(front: Front): (number | undefined)[] {
  return front.requests(refreshPath).map((request) => request.status);
}

// A formatter that runs over it would leave it no quotation.
test("the code is the guide's, to the letter", async () => {
  const file = await readFile(join(exampleFolder, "src/guide/api.js"), "utf8");
  const [quoted = ""] = file.split("\n\n// The guide stops here.");
  expect(createHash("sha256").update(quoted).digest("hex")).toBe(
    "9f664afeeb2dc8d3e08e256cb9d70b9893b244143865c36e4acbb321bbfba15e",
  );
});

test("under strict it logs in, works past one expiry and logs out", async ({ playwright, latchkey }) => {
  const on = await stage(playwright.chromium, latchkey, "strict");
  const { page, front } = on;
  await logIn(on);
  await loadProfile(page);
  await expect(page.getByRole("status")).toHaveText("Loaded 1 time");
  expect(refreshes(front)).toEqual([]);

  await pastExpiry(page);
  await loadProfile(page);
  await expect(page.getByRole("status")).toHaveText("Loaded 2 times");
  expect(refreshes(front)).toEqual([200]);

  const { access_token: access } = await stored(page);
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page.getByRole("button", { name: "Log in" })).toBeVisible();
  expect(await stored(page)).toEqual({});
  const answer = await call(
    { origin: `http://127.0.0.1:${front.port}` },
    "GET",
    "/api/auth/profile/",
    undefined,
    {
      Authorization: `Bearer ${access}`,
    },
  );
  expect(answer.status).toBe(401);

  // All of it went through CORS, as between the guide's two origins.
  const preflights = front.seen.filter((request) => request.method === "OPTIONS");
  expect(preflights.length).toBeGreaterThan(0);
  const fromPage = front.seen.filter((request) => request.headers.host === "localhost:8000");
  expect(fromPage.map((request) => request.headers.origin)).toEqual(
    fromPage.map(() => "http://localhost:3000"),
  );
});

test("under strict its second refresh is refused and it goes to /login", async ({ playwright, latchkey }) => {
  const on = await stage(playwright.chromium, latchkey, "strict");
  const { page, front } = on;
  await logIn(on);
  await pastExpiry(page);
  await loadProfile(page);
  await expect(page.getByRole("status")).toHaveText("Loaded 1 time");

  // It never stored the refresh token that the first refresh answered.
  await pastExpiry(page);
  await loadProfile(page);
  await expect(page).toHaveURL("http://localhost:3000/login");
  await expect(page.getByRole("heading", { name: "Log in again" })).toBeVisible();
  expect(refreshes(front)).toEqual([200, 401]);
  expect(await stored(page)).toEqual({});
});

test("under tolerant it works past one expiry after the other and logs out", async ({
  playwright,
  latchkey,
}) => {
  const on = await stage(playwright.chromium, latchkey, "tolerant");
  const { page, front } = on;
  await logIn(on);
  for (let expiry = 1; expiry <= 3; expiry++) {
    await pastExpiry(page);
    await loadProfile(page);
    await expect(page.getByRole("status")).toHaveText(`Loaded ${expiry} ${expiry === 1 ? "time" : "times"}`);
  }
  expect(refreshes(front)).toEqual([200, 200, 200]);

  await pastExpiry(page);
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page.getByRole("button", { name: "Log in" })).toBeVisible();
  expect(await stored(page)).toEqual({});
  expect(front.requests("/api/auth/logout/").at(-1)?.status).toBe(200);
});

test("the same page on our client works on under strict, and holds no token", async ({
  playwright,
  latchkey,
}) => {
  const on = await stage(playwright.chromium, latchkey, "strict", "/client/");
  const { page, front, person } = on;
  await logIn(on);
  await expect(page.getByText(`Signed in as ${person.email}.`)).toBeVisible();
  const byClient = page.getByRole("region", { name: "Profile", exact: true });
  const byAxios = page.getByRole("region", { name: "Profile, by axios" });
  front.seen.length = 0; // a page that opens asks who is signed in
  for (const times of ["1 time", "2 times", "3 times"]) {
    await wait(2_100);
    await byClient.getByRole("button", { name: "Load profile" }).click();
    await byAxios.getByRole("button", { name: "Load profile" }).click();
    await expect(byClient.getByRole("status")).toHaveText(`Loaded ${times}`);
    await expect(byAxios.getByRole("status")).toHaveText(`Loaded ${times}`);
  }
  expect(refreshes(front).length).toBeGreaterThanOrEqual(3);
  expect(refreshes(front)).toEqual(refreshes(front).map(() => 200));

  await page.getByRole("button", { name: "Look" }).click();
  await expect(page.getByText("Nothing.")).toBeVisible();
  await page.reload();
  await expect(page.getByText(`Signed in as ${person.email}.`)).toBeVisible();
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page.getByRole("button", { name: "Log in" })).toBeVisible();
  // What the browser is known by, which opens nothing, is all that stays.
  const left = (await page.context().cookies()).map(({ name }) => name);
  expect(left).toEqual(["latchkey_device"]);
});
