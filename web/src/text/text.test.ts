import type { Event } from "@latchkey/client";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { de as deConsole } from "./console/de";
import { en as enConsole } from "./console/en";
import { de } from "./de";
import { de as deDoctor } from "./doctor/de";
import { en } from "./en";
import { de as deLinks } from "./links/de";
import { en as enLinks } from "./links/en";

const event = { count: 3, actor: "self", detail: "employee -> manager" } as Event;

/** Every text of a catalogue by its path, with functions called on something plausible. */
function all(text: object, at = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(text)) {
    const path = `${at}${name}`;
    if (name === "unknownEvent")
      for (const [k, v] of all(value("something_new"), `${path}.`)) found.set(k, v);
    else if (typeof value === "object") for (const [k, v] of all(value, `${path}.`)) found.set(k, v);
    else if (typeof value === "function")
      found.set(path, value(path.startsWith("events.") ? event : 3, "7", "9"));
    else found.set(path, value);
  }
  return found;
}

test.each([
  ["de", de, en],
  ["en", en, en],
  ["de console", deConsole, enConsole],
  ["en console", enConsole, enConsole],
  ["de links", deLinks, enLinks],
  ["en links", enLinks, enLinks],
])("%s says something everywhere, and the same things", (_, text, shape) => {
  const said = all({ ...text, server: "words" });
  expect([...said.keys()].sort()).toEqual([...all({ ...shape, server: "words" }).keys()].sort());
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

test("the console's sentences name whom they are about", () => {
  for (const [event, { other, self }] of Object.entries(enConsole.events)) {
    const german = deConsole.events[event as keyof typeof enConsole.events];
    const named = (sentence: string | undefined) => sentence?.match(/\{\w+\}/g)?.sort();
    expect(named(german.other), event).toEqual(named(other));
    expect(named(german.self), event).toEqual(named(self));
  }
});

test("the server's words are known in German", () => {
  expect(de.server("This password is too short. It must contain at least 12 characters.")).toContain(
    "mindestens 12",
  );
  expect(de.server("A user with this email already exists.")).toContain("schon ein Konto");
  expect(de.server("Something new.")).toBe("Something new.");
  expect(en.server("Something new.")).toBe("Something new.");
});

test("what the doctor says it says in German too, with the same parameters", () => {
  // Written from the server's own table, which its tests hold it to.
  const page = readFileSync("../docs/doctor.md", "utf8");
  const holes = (words: string) => new Set(words.match(/\{\w+\}/g));
  const english = new Map(
    page
      .split(/^### `/m)
      .slice(1)
      .map((part) => [part.slice(0, part.indexOf("`")), part.replace(/```[\s\S]*/, "")] as const),
  );
  expect(Object.keys(deDoctor).sort()).toEqual([...english.keys()].sort());
  for (const [id, words] of Object.entries(deDoctor)) {
    expect(holes(words.join(" ")), id).toEqual(holes(english.get(id) ?? ""));
    for (const sentence of words) expect(sentence, id).toMatch(/^[^!]+\.$/);
  }
});
