import { expect, test } from "vitest";
import { relative } from "./time";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

test.each([
  [0, "en", "now"],
  [-59 * second, "en", "now"],
  [-3 * minute, "en", "3 minutes ago"],
  [-89 * minute, "en", "1 hour ago"],
  [-30 * hour, "en", "yesterday"],
  [-3 * day, "en", "3 days ago"],
  [-20 * day, "en", "2 weeks ago"],
  [-400 * day, "en", "last year"],
  [2 * hour, "en", "in 2 hours"],
  [-3 * minute, "de", "vor 3 Minuten"],
])("%i ms in %s is %s", (ms, language, words) => {
  const now = Date.parse("2026-11-25T12:00:00Z");
  expect(relative(now + ms, now, language)).toBe(words);
});
