import type { Event } from "@latchkey/client";
import { expect, test } from "vitest";
import { de } from "./de";
import { en, type Text } from "./en";

const event = { count: 3, actor: "self", detail: "employee -> manager" } as Event;

/** Every text of a catalogue by its path, with functions called on something plausible. */
function all(text: object, at = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(text)) {
    const path = `${at}${name}`;
    if (typeof value === "object") for (const [k, v] of all(value, `${path}.`)) found.set(k, v);
    else if (typeof value === "function") found.set(path, value(path.startsWith("events.") ? event : 3, "x"));
    else found.set(path, value);
  }
  return found;
}

test.each([
  ["de", de],
  ["en", en],
] as [string, Text][])("%s says something everywhere, and the same things", (_, text) => {
  const said = all({ ...text, server: "words" });
  expect([...said.keys()].sort()).toEqual([...all({ ...en, server: "words" }).keys()].sort());
  for (const [path, words] of said) {
    expect(words, path).toBeTypeOf("string");
    expect(words.trim(), path).not.toBe("");
    // The voice of the house.
    expect(words, path).not.toMatch(/!|undefined|NaN|\boops\b|\bplease\b|\bbitte\b/i);
  }
});

test("German is not English", () => {
  const english = all({ ...en, server: "" });
  const same = [...all({ ...de, server: "" })].filter(([path, words]) => english.get(path) === words);
  expect(same.map(([path]) => path)).toEqual(["roles.admin", "server", "eventFrom"]);
});

test("the server's words are known in German", () => {
  expect(de.server("This password is too short. It must contain at least 12 characters.")).toContain(
    "mindestens 12",
  );
  expect(de.server("A user with this email already exists.")).toContain("schon ein Konto");
  expect(de.server("Something new.")).toBe("Something new.");
  expect(en.server("Something new.")).toBe("Something new.");
});
