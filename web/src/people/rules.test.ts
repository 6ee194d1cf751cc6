import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { judge, likeness, resembles } from "./rules";

// What Python's difflib and Django's validators say, as the server's tests have it.
const data = (name: string): unknown =>
  JSON.parse(readFileSync(resolve("../internal/password/testdata", name), "utf8"));

test("likeness is Python's quick_ratio", () => {
  const rows = data("ratios.json") as [string, string, number, boolean][];
  expect(rows.length).toBeGreaterThan(1000);
  for (const [a, b, ratio] of rows) expect(likeness(a, b)).toBeCloseTo(ratio, 12);
});

test("the rules are Django's", () => {
  type Row = {
    password: string;
    first: string;
    last: string;
    email: string;
    problems: [string, ...unknown[]][];
  };
  const rows = data("policy.json") as Row[];
  expect(rows.length).toBeGreaterThan(100);
  const wrong: string[] = [];
  for (const { password, first, last, email, problems } of rows) {
    if (password === "") continue;
    const codes = problems.map(([code]) => code);
    if (codes.includes("password_too_long")) continue;
    const got = judge(password, password, { first_name: first, last_name: last, email }, 8, undefined);
    const pairs = [
      ["password_too_short", got.length],
      ["password_too_similar", got.similar],
      ["password_entirely_numeric", got.numeric],
    ] as const;
    for (const [code, verdict] of pairs) {
      if (codes.includes(code) !== (verdict === "notMet"))
        wrong.push(`${JSON.stringify(password)} ${code} ${verdict}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("what is not typed yet is neither met nor not", () => {
  const about = { first_name: "Ada", last_name: "Lovelace", email: "ada@example.com" };
  expect(judge("", "", about, 8, undefined)).toEqual({
    length: "unknown",
    numeric: "unknown",
    similar: "unknown",
    common: "unknown",
    match: "unknown",
  });
  expect(judge("password1", "", about, 8, "password1").common).toBe("notMet");
  expect(judge("password2", "", about, 8, "password1").common).toBe("unknown");
  expect(judge("a", "b", about, 8, undefined).match).toBe("notMet");
  expect(resembles("lovelace1", about)).toBe(true);
});
