import { expect, test } from "vitest";
import { localTime } from "./audit-screen";
import { readAuditFilters, writeAuditFilters } from "./audit";
import { de as deConsole } from "../../text/console/de";
import { en as enConsole } from "../../text/console/en";
import { de } from "../../text/de";
import { en } from "../../text/en";
import { spread } from "./chart";
import { detailText } from "./events";
import { runAll } from "./run-all";
import { bytes } from "./system";
import { readFilters, writeFilters } from "./users";

test("no more than a few at a time, and each once", async () => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  await runAll(
    Array.from({ length: 20 }, (_, i) => i),
    async (i) => {
      running++;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
      if (i === 7) throw new Error("not this one");
    },
    (i, outcome) => outcome.state !== "running" && done.push(outcome.state === "done" ? i : -i),
    () => false,
  );
  expect(most).toBe(4);
  expect(done.toSorted((a, b) => Math.abs(a) - Math.abs(b))).toEqual(
    Array.from({ length: 20 }, (_, i) => (i === 7 ? -7 : i)),
  );
});

test("what has not begun when it is stopped does not begin", async () => {
  const begun: number[] = [];
  let stopped = false;
  await runAll(
    [1, 2, 3, 4, 5],
    async (i) => {
      begun.push(i);
      stopped = true;
    },
    () => {},
    () => stopped,
    1,
  );
  expect(begun).toEqual([1]);
});

test.each([
  ["", "-id 25"],
  ["role=boss&is_active=maybe&ordering=password&page_size=1000000", "-id 25"],
  ["ordering=last_login&page_size=100", "last_login 100"],
])("the address %j is read as %s", (query, said) => {
  const filters = readFilters(new URLSearchParams(query));
  expect(`${filters.role}${filters.is_active}${filters.ordering} ${filters.page_size}`).toBe(said);
});

test("only what was chosen stands in the address, and is read again", () => {
  const query = "search=a+b&role=client&is_active=false&ordering=name&page_size=50&cursor=x%2Fy";
  expect(String(writeFilters(readFilters(new URLSearchParams(query))))).toBe(query);
  const audit = "user=7&event=logged_in&since=2026-11-01T00%3A00%3A00Z";
  expect(String(writeAuditFilters(readAuditFilters(new URLSearchParams(`${audit}&until=never`))))).toBe(
    audit,
  );
  expect(readAuditFilters(new URLSearchParams("user=1%20or%201")).user).toBe("");
});

test("a time for its field", () => {
  const there = localTime("2026-11-01T10:30:00Z");
  expect(new Date(there).toISOString()).toBe("2026-11-01T10:30:00.000Z");
  expect(localTime("")).toBe("");
});

test("labels do not lie on one another, nor outside", () => {
  const apart = (at: number[]) => Math.abs((at[0] ?? 0) - (at[1] ?? 0));
  expect(apart(spread([100, 103], 10, 190))).toBeGreaterThanOrEqual(18);
  const low = spread([189, 190], 10, 190);
  expect(apart(low)).toBeGreaterThanOrEqual(18);
  expect(Math.max(...low)).toBeLessThanOrEqual(190);
  expect(spread([20, 150], 10, 190)).toEqual([20, 150]);
});

test.each([
  [0, "0 bytes"],
  [999, "999 bytes"],
  [187_436_032, "187.4 MB"],
  [5e12, "5 TB"],
])("%i is %s", (n, said) => expect(bytes(n, "en")).toBe(said));

test.each([
  ["password_changed", "sessions ended: 2", "2 devices signed out", "2 Geräte abgemeldet"],
  ["signed_out", "sessions ended: 1", "1 device signed out", "1 Gerät abgemeldet"],
  ["all_sessions_ended", "1200 sessions", "1,200 devices signed out", "1.200 Geräte abgemeldet"],
  [
    "guesses_ended",
    "failures in a row: 100",
    "100 wrong passwords in a row",
    "100 falsche Passwörter in Folge",
  ],
  ["address_blocked", "e-mail addresses: 21", "21 e-mail addresses", "21 E-Mail-Adressen"],
  ["profile_changed", "first_name, phone", "First name, Phone", "Vorname, Telefon"],
  ["user_created", "client", "Client", "Kundschaft"],
  ["service_key_changed", "created 0a1b", "0a1b was made", "0a1b wurde angelegt"],
  ["service_key_changed", "revoked 0a1b", "0a1b was ended", "0a1b wurde beendet"],
  // What nobody has words for.
  ["password_changed", "import", "import", "import"],
  ["user_created", "constructor", "constructor", "constructor"],
  ["something_new", "7 sessions", "7 sessions", "7 sessions"],
])("what %s tells beside is in the reader's language: %s", (event, detail, english, german) => {
  expect(detailText(event, detail, enConsole, en)).toBe(english);
  expect(detailText(event, detail, deConsole, de)).toBe(german);
});

test("a lifted limit says which", () => {
  const words = detailText("throttle_lifted", "address 203.0.113.7", deConsole, de);
  expect(words).toBe("Anmeldungen von dieser Adresse, bei allen Konten 203.0.113.7");
  expect(detailText("throttle_lifted", "something 7", deConsole, de)).toBe("something 7");
});
