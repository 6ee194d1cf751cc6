import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { generate } from "../scripts/generate.mjs";

test("the types are what the API's description says", () => {
  expect(readFileSync(new URL("../src/schema.ts", import.meta.url), "utf8")).toBe(generate());
});
