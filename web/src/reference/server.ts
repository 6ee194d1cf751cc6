import { all, make, must } from "./dom";

interface Settings {
  name: string;
  registration: { open: boolean; roles: string[] };
  password: { min_length: number };
  tokens: { access: number; refresh: number };
}

/** Puts this server's address into the examples, and says how it is set up. */
export function startServer(): void {
  for (const span of all("[data-origin]")) span.textContent = location.origin;
  void describe();
}

async function describe(): Promise<void> {
  const box = must<HTMLElement>(".server");
  const title = make("h2", {}, "This server");
  const values = new Map(
    ["Address", "Access token", "Refresh token", "Registration", "Password"].map((name) => [
      name,
      make("dd", {}, "…"),
    ]),
  );
  const set = (name: string, text: string) => values.get(name)?.replaceChildren(text);
  const rows = [...values].map(([name, value]) => make("div", {}, make("dt", {}, name), value));
  // It has its place before it is filled in, so that nothing moves.
  box.append(title, make("dl", {}, ...rows));
  box.hidden = false;

  const response = await fetch("/api/auth/settings/", { credentials: "omit" }).catch(() => undefined);
  if (!response?.ok) {
    box.hidden = true;
    return;
  }
  const { name, registration, password, tokens } = (await response.json()) as Settings;
  if (name !== "Latchkey") title.append(`, ${name}`);
  set("Address", location.origin);
  set("Access token", lifetime(tokens.access));
  set("Refresh token", lifetime(tokens.refresh));
  set("Registration", registration.open ? `open, as ${registration.roles.join(" or ")}` : "closed");
  set("Password", `at least ${password.min_length} characters`);
}

const units: [number, string][] = [
  [86400, "day"],
  [3600, "hour"],
  [60, "minute"],
  [1, "second"],
];

/** Seconds in the largest unit that goes into them evenly. */
export function lifetime(seconds: number): string {
  const [size, unit] = units.find(([one]) => seconds % one === 0) ?? [1, "second"];
  const count = seconds / size;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
