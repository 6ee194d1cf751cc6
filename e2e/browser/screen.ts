import type { BrowserContext, Page, TestInfo } from "@playwright/test";
import axeCore from "axe-core";
import type { Viewer } from "./gallery.ts";
import { screenshots as pictures } from "./places.ts";
import type { Server } from "./server.ts";
import { expect, type Person } from "./test.ts";

export type Screen = {
  name: string;
  /** Whether somebody is signed in. */
  signedIn: boolean;
  go: (page: Page, server: Server) => Promise<void>;
};

export async function at(page: Page, server: Server, path: string, heading: string | RegExp) {
  await page.goto(server.origin + path);
  await expect(page.getByRole("heading", { name: heading, level: 1 })).toBeVisible();
  await page.waitForLoadState("networkidle", { timeout: 3_000 }).catch(() => {}); // what is shown is awaited by itself
}

/** Notes what the page must not do; the list is empty when all is well. */
export async function watch(context: BrowserContext, server: { origin: string }): Promise<string[]> {
  const seen: string[] = [];
  await context.exposeBinding("noteViolation", (_, what: string) => seen.push(`policy: ${what}`));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => {
      void (window as unknown as { noteViolation: (s: string) => void }).noteViolation(
        `${e.violatedDirective} ${e.blockedURI}`,
      );
    });
  });
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${server.origin}/`) && !url.startsWith("data:")) seen.push(`third party: ${url}`);
  });
  context.on("page", (page) => page.on("pageerror", (e) => seen.push(`error: ${e.message}`)));
  return seen;
}

/** Signs in by the API: the page's own cookies. */
export async function signIn(context: BrowserContext, server: Server, person: Person) {
  const response = await context.request.post(`${server.origin}/api/auth/login/`, {
    headers: { "Auth-Mode": "cookie" },
    data: { email: person.email, password: person.password },
  });
  expect(response.status()).toBe(200);
}

/** What axe finds wrong on the page, or in some parts of it. */
export async function axe(page: Page, parts: string[] = []) {
  // Behind a dialog the page is inert, with its heading and its main part.
  const modal = (await page.getByRole("alertdialog").count()) > 0;
  const options = {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    rules: Object.fromEntries(
      (modal ? ["landmark-one-main", "page-has-heading-one"] : []).map((rule) => [rule, { enabled: false }]),
    ),
    // What is in order is not told of, element by element.
    resultTypes: ["violations" as const],
  };
  // axe is half a megabyte of script: a page has it once.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axeCore.source);
  const violations = await page.evaluate(
    async ({ parts, options }) => {
      const { axe } = window as unknown as { axe: typeof axeCore };
      return (await axe.run(parts.length > 0 ? { include: parts } : document, options)).violations;
    },
    { parts, options },
  );
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
}

export const wide = (page: Page) =>
  page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth > clientWidth ? `${scrollWidth} px in ${clientWidth}` : "";
  });

/**
 * Goes to a screen and looks at it in every size: as a phone that becomes a narrow one and then a desktop. axe takes its
 * seconds, so each layout and each theme has it once.
 */
export async function visit(screen: Screen, viewer: Viewer, server: Server, person: Person, info: TestInfo) {
  const { page, seen } = viewer;
  await viewer.enter(server, screen.signedIn ? person : undefined);
  await screen.go(page, server);
  const soft = expect.configure({ soft: true });
  for (const [tag, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"] as const) {
      const pictured = pictures && tag !== "320";
      // What changes the theme lays the page out anew.
      if (colorScheme === "light" && tag !== "390" && !pictured) continue;
      await page.emulateMedia({ colorScheme });
      if (pictured) {
        const path = `${pictures}${screen.name}-${tag}-${colorScheme}.png`;
        await page.screenshot({ path, fullPage: true, animations: "disabled" });
        info.annotations.push({ type: "picture", description: path });
      }
      if (tag === (colorScheme === "light" ? "390" : "1280"))
        soft(await axe(page), `axe, ${tag}, ${colorScheme}`).toEqual([]);
    }
    await soft.poll(() => wide(page), `sideways, ${tag}`).toBe("");
  }
  const kept = await page.evaluate(() => [
    ...Object.keys(localStorage),
    ...Object.keys(sessionStorage),
    document.cookie,
  ]);
  soft(kept.filter(Boolean)).toEqual([]);
  await viewer.leave();
  soft(seen, "what the page must not do").toEqual([]);
}

export const sizes = {
  "390": { width: 390, height: 664 },
  // Also what 640 px are at 200 %.
  "320": { width: 320, height: 568 },
  "1280": { width: 1280, height: 800 },
};
