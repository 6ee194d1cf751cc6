import { expect, test } from "vitest";
import { signInFrom, wayBack } from "./paths";

test.each([
  ["/profile", "/profile"],
  ["/security?tab=1#devices", "/security?tab=1#devices"],
  ["/a/../profile", "/profile"],
  // Whatever a browser would take elsewhere is no way back.
  [null, "/"],
  ["", "/"],
  ["profile", "/"],
  ["//evil.example", "/"],
  ["///evil.example", "/"],
  ["/\\evil.example", "/"],
  ["\\\\evil.example", "/"],
  ["/\t/evil.example", "/"],
  ["/\n/evil.example", "/"],
  ["https://evil.example/", "/"],
  ["https:evil.example", "/"],
  ["javascript:alert(1)", "/"],
  [" /profile", "/"],
  ["/x\\..\\..\\evil", "/"],
  // Nor are the doors themselves.
  ["/sign-in?next=/profile", "/"],
  ["/create-account", "/"],
])("the way back of %j is %s", (next, way) => {
  expect(wayBack(next)).toBe(way);
});

test("a way back survives the way there", () => {
  const url = new URL(signInFrom("/security?a=1&b=2#c"), "http://localhost");
  expect(wayBack(url.searchParams.get("next"))).toBe("/security?a=1&b=2#c");
  expect(signInFrom("/")).toBe("/sign-in");
});
