// @vitest-environment jsdom

import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { startContents } from "./contents";
import { startCopying } from "./copy";
import { all, must } from "./dom";
import { startFinding } from "./find";
import { renderReference } from "./page";
import { request, type Call } from "./request";
import { lifetime } from "./server";
import { startTabs } from "./tabs";
import { startTrying, tokensOf } from "./trying";

const call: Call = {
  method: "POST",
  path: "/api/auth/login/",
  inputs: [],
  body: true,
  credential: false,
  mode: "",
  access: "",
};
const input = (name: string, value: string, where = "body", type = "string") => ({
  name,
  value,
  where,
  type,
});

describe("a request", () => {
  test("sends the fields that are filled in, as JSON and without cookies", () => {
    const { url, init } = request({ ...call, inputs: [input("email", "a@b.c"), input("phone", "")] });
    expect(url).toBe("/api/auth/login/");
    expect(init).toMatchObject({
      method: "POST",
      credentials: "omit",
      headers: { "Content-Type": "application/json" },
      body: '{"email":"a@b.c"}',
    });
  });

  test("puts parameters where they go, and escapes them", () => {
    const { url } = request({
      ...call,
      method: "GET",
      body: false,
      path: "/api/x/{id}/",
      inputs: [
        input("id", "a/b", "path"),
        input("limit", "5", "query", "integer"),
        input("before", "", "query"),
      ],
    });
    expect(url).toBe("/api/x/a%2Fb/?limit=5");
  });

  test("keeps numbers numbers, and sends what is none as it is", () => {
    const { init } = request({
      ...call,
      inputs: [input("a", "5", "body", "integer"), input("b", "x", "body", "integer")],
    });
    expect(init.body).toBe('{"a":5,"b":"x"}');
  });

  test("has the token where one is wanted, never one that is not", () => {
    const headers = (more: Partial<Call>) => request({ ...call, access: "t", ...more }).init.headers;
    expect(headers({ credential: true })).toMatchObject({ Authorization: "Bearer t" });
    expect(headers({ credential: false })).not.toHaveProperty("Authorization");
    expect(headers({ credential: true, mode: "cookie" })).not.toHaveProperty("Authorization");
    expect(headers({ credential: true, mode: "hybrid" })).toMatchObject({
      Authorization: "Bearer t",
      "Auth-Mode": "hybrid",
    });
  });

  test("has cookies in cookie mode only, and no body where no field is filled in", () => {
    const { init } = request({ ...call, mode: "cookie", inputs: [input("refresh", "")] });
    expect(init).toMatchObject({ credentials: "same-origin", headers: { "Auth-Mode": "cookie" } });
    expect(init).not.toHaveProperty("body");
    expect(init.headers).not.toHaveProperty("Content-Type");
  });
});

test("the tokens of an answer are found", () => {
  expect(tokensOf('{"tokens":{"access":"a","refresh":"r"}}')).toEqual({ access: "a", refresh: "r" });
  expect(tokensOf('{"access":"a","user":{}}')).toEqual({ access: "a" });
  expect(tokensOf('{"expires":{"access":1}}')).toEqual({});
  expect(tokensOf("")).toEqual({});
  expect(tokensOf("null")).toEqual({});
});

test("lifetimes are told in the largest unit that fits", () => {
  expect([10800, 259200, 60, 90, 1].map(lifetime)).toEqual([
    "3 hours",
    "3 days",
    "1 minute",
    "90 seconds",
    "1 second",
  ]);
});

describe("the page's scripts", () => {
  const root = resolve(import.meta.dirname, "../../..");
  const html = renderReference(
    readFileSync(resolve(root, "internal/api/openapi.yaml"), "utf8"),
    readFileSync(resolve(root, "docs/deviations.md"), "utf8"),
  );

  beforeAll(() => {
    document.body.innerHTML = html;
    window.scrollBy = () => undefined;
    Element.prototype.scrollIntoView = () => undefined;
    startTabs();
    startCopying();
    startContents();
    startFinding();
    startTrying();
  });

  const field = () => must<HTMLInputElement>("#find");
  const find = (text: string) => {
    field().value = text;
    field().dispatchEvent(new Event("input"));
  };
  beforeEach(() => find(""));
  afterEach(() => vi.unstubAllGlobals());

  test("finding leaves what has all the words", () => {
    find("delete sessions");
    const shown = all<HTMLElement>("section.operation").filter((part) => !part.hidden);
    expect(shown.length).toBeGreaterThan(0);
    for (const part of shown) expect(part.dataset["find"]).toMatch(/delete.*sessions/);
    expect(must<HTMLElement>("#login").hidden).toBe(true);
    expect(must<HTMLElement>("#tag-service").hidden).toBe(true);
    expect(must<HTMLElement>("#errors").hidden).toBe(true);
    expect(must(".find output").textContent).toMatch(/^\d+ of \d+ operations$/);
    find("nothing has this");
    expect(must(".find output").textContent).toMatch(/^No operation/);
    field().dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", cancelable: true }));
    expect(must<HTMLElement>("#login").hidden).toBe(false);
  });

  test("a link to what was filtered away shows everything again", () => {
    find("delete sessions");
    must<HTMLElement>('#contents a[href="#errors"]').click();
    expect(must<HTMLElement>("#errors").hidden).toBe(false);
    expect(field().value).toBe("");
  });

  test("a slash goes to the field, but not from within one", () => {
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true, cancelable: true }));
    expect(document.activeElement).toBe(field());
    const other = must<HTMLInputElement>("#bearer");
    const event = new KeyboardEvent("keydown", { key: "/", bubbles: true, cancelable: true });
    other.dispatchEvent(event);
    expect(event.defaultPrevented).toBe(false);
  });

  test("a language is chosen for every operation, and by arrows", () => {
    const tab = must<HTMLElement>("#login [role=tab][data-language=fetch]");
    tab.click();
    for (const panel of all<HTMLElement>("[role=tabpanel][data-language=curl]"))
      expect(panel.hidden).toBe(true);
    expect(must<HTMLElement>("#profile [data-language=fetch][role=tabpanel]").hidden).toBe(false);
    tab.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true, cancelable: true }));
    expect(document.activeElement?.getAttribute("data-language")).toBe("curl");
    expect(must<HTMLElement>("#login [role=tabpanel][data-language=curl]").hidden).toBe(false);
  });

  test("every tab names a panel, and exactly one of a group can be reached", () => {
    for (const list of all("[role=tablist]")) {
      const tabs = all<HTMLElement>("[role=tab]", list);
      expect(tabs.filter((tab) => tab.tabIndex === 0)).toHaveLength(1);
      for (const tab of tabs)
        expect(document.getElementById(tab.getAttribute("aria-controls") ?? "")).not.toBeNull();
    }
  });

  test("copying copies the code, all of it", async () => {
    const writeText = vi.fn<(text: string) => Promise<void>>(() => Promise.resolve());
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    const figure = must<HTMLElement>("#login [role=tabpanel][data-language=curl] .code");
    must<HTMLElement>(".copy", figure).click();
    await vi.waitFor(() => expect(must(".copy", figure).textContent).toBe("Copied"));
    expect(writeText).toHaveBeenCalledWith(must("code", figure).textContent);
  });

  test("a form sends its request, shows the answer and keeps the tokens", async () => {
    const answers = ['{"tokens":{"access":"aaa.bbb.cccccc","refresh":"rrr"}}', '{"id":1}'];
    const fetch = vi.fn<(url: string, init: RequestInit) => Promise<Response>>(() =>
      Promise.resolve(new Response(answers.shift(), { headers: { "X-One": "1" } })),
    );
    vi.stubGlobal("fetch", fetch);
    const login = must<HTMLFormElement>("#login form");
    must<HTMLElement>(".fill", login).click();
    login.requestSubmit();
    await vi.waitFor(() => expect(must(".outcome", login).textContent).toMatch(/^200/));
    expect(fetch.mock.calls[0]?.[1].body).toContain("user@example.com");
    expect(must(".result", login).textContent).toContain('"access": "aaa.bbb.cccccc"');
    expect(must(".result", login).textContent).toContain("x-one: 1");
    expect(must<HTMLInputElement>("#bearer").value).toBe("aaa.bbb.cccccc");

    const profile = must<HTMLFormElement>("#profile form");
    expect(must(".credential", profile).textContent).toContain("…cccccc");
    profile.requestSubmit();
    await vi.waitFor(() => expect(must(".outcome", profile).textContent).toMatch(/^200/));
    expect(fetch.mock.calls[1]?.[1].headers).toEqual({ Authorization: "Bearer aaa.bbb.cccccc" });

    const refresh = must<HTMLFormElement>("#refresh form");
    must<HTMLElement>(".fill", refresh).click();
    expect(must<HTMLInputElement>("[name=refresh]", refresh).value).toBe("rrr");
    expect(JSON.stringify(localStorage)).not.toContain("aaa.bbb");
  });

  test("a form that gets no answer says so, and can be sent again", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("failed")));
    const form = must<HTMLFormElement>("#healthz form");
    form.requestSubmit();
    await vi.waitFor(() => expect(must(".outcome", form).textContent).toMatch(/could not be reached/));
    expect(must(".send", form).hasAttribute("aria-disabled")).toBe(false);
  });
});
