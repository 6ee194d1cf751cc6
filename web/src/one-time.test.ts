import { expect, test } from "vitest";

// ASVS 14.2.1
test("the token leaves the address before anything has looked", async () => {
  history.pushState(null, "", "/reset?a=1#secret-token");
  const { forgetToken, oneTimeToken } = await import("./one-time");
  expect(location.href).toMatch(/\/reset\?a=1$/);
  expect(oneTimeToken()).toBe("secret-token");
  forgetToken();
  expect(oneTimeToken()).toBe("");
  // Elsewhere a # is what it always was.
  history.pushState(null, "", "/security#devices");
  expect(oneTimeToken()).toBe("");
  expect(location.hash).toBe("#devices");
  history.pushState(null, "", "/");
});
