import type { Role } from "@latchkey/client";
import type { AuditRow } from "../features/console/audit";
import type { Throttled } from "../features/console/throttle";
import type { User } from "../features/console/users";
import type { Powers } from "../people/permissions";

// A small world after the API's contract, for tests of the console and for looking at it without a server. It is no second
// server: what it does not need it does not know.

const everybody: Role[] = ["admin", "manager", "employee", "client"];
const below: Role[] = ["employee", "client"];
const ofUsers = [
  "users.read",
  "users.create",
  "users.edit",
  "users.grant",
  "users.deactivate",
  "users.logout",
  "users.reset",
  "users.history",
] as const;

/** The table of internal/auth/role.go. */
export function powersOf(role: Role): Powers {
  const plain = (...names: string[]) => names.map((permission) => ({ permission, roles: null }));
  return {
    role,
    limited: role === "client",
    roles: [
      {
        role: "admin",
        limited: false,
        permissions: [
          ...[...ofUsers, "users.delete"].map((permission) => ({ permission, roles: everybody })),
          ...plain("audit.read", "stats.read", "system.read", "throttle.lift", "own.others"),
        ],
      },
      {
        role: "manager",
        limited: false,
        permissions: [
          ...ofUsers.map((permission) => ({
            permission,
            roles: permission === "users.read" ? everybody : below,
          })),
          ...plain("stats.read", "own.others"),
        ],
      },
      { role: "employee", limited: false, permissions: plain("own.others") },
      { role: "client", limited: true, permissions: [] },
    ],
  };
}

export const may = (role: Role, permission: string, whom?: Role): boolean =>
  powersOf(role)
    .roles.find((r) => r.role === role)
    ?.permissions.some(
      (p) => p.permission === permission && (!whom || p.roles === null || p.roles.includes(whom)),
    ) ?? false;

/** When it is, in this world. */
export const now = Date.parse("2026-11-25T12:00:00Z");
export const ago = (minutes: number) => new Date(now - minutes * 60_000).toISOString().replace(".000Z", "Z");

const firstNames = [
  "Ada",
  "Grace",
  "Alan",
  "Katherine",
  "Edsger",
  "Barbara",
  "Donald",
  "Radia",
  "Ken",
  "Frances",
];
const lastNames = [
  "Lovelace",
  "Hopper",
  "Turing",
  "Johnson",
  "Dijkstra",
  "Liskov",
  "Knuth",
  "Perlman",
  "Thompson",
];
export const longName = "Wolfeschlegelsteinhausenbergerdorff".repeat(5).slice(0, 150);

export function makeUser(id: number, more: Partial<User> = {}): User {
  const first = firstNames[id % firstNames.length] ?? "";
  const last = lastNames[(id * 7) % lastNames.length] ?? "";
  return {
    id,
    email: `${first}.${last}${id}@example.com`.toLowerCase(),
    first_name: first,
    last_name: last,
    phone: id % 3 === 0 ? `+44 20 7946 0${100 + (id % 900)}` : "",
    role: id % 11 === 0 ? "manager" : id % 2 === 0 ? "employee" : "client",
    is_active: id % 9 !== 4,
    created_at: ago(2_000_000 - id * 900),
    updated_at: ago(50_000 - id),
    last_login: id % 5 === 3 ? null : ago((id * 37) % 40_000),
    ...more,
  };
}

/** What was tried without success, of each kind. */
export function makeThrottled(): Throttled[] {
  const row = (n: number, more: Partial<Throttled>): Throttled => ({
    id: String(n).padStart(32, "0"),
    kind: "account",
    user: null,
    address: "",
    failures: 1,
    last_at: ago(n),
    refused_until: null,
    reason: "",
    expires_at: ago(-1440),
    ...more,
  });
  const grace = { id: 4, email: "grace.hopper4@example.com" };
  return [
    row(1, { user: grace, failures: 100, refused_until: ago(-144_000), reason: "ceiling" }),
    row(2, {
      kind: "address",
      address: "192.0.2.77",
      failures: 30,
      refused_until: ago(-12),
      reason: "emails",
    }),
    row(3, { kind: "device", user: grace, address: "2001:db8:85a3:1234::/64", failures: 3 }),
    row(4, { failures: 12, refused_until: ago(-1), reason: "delay" }),
    row(5, {
      kind: "session",
      user: { id: 999, email: "" },
      failures: 10,
      refused_until: ago(-9),
      reason: "window",
    }),
  ];
}

/** Two who may, and many others. */
export function makeUsers(many: number): User[] {
  return [
    makeUser(1, {
      email: "admin@example.com",
      first_name: "Ida",
      last_name: "Rhodes",
      role: "admin",
      is_active: true,
    }),
    makeUser(2, {
      email: "manager@example.com",
      first_name: "Max",
      last_name: "Newman",
      role: "manager",
      is_active: true,
    }),
    ...Array.from({ length: Math.max(0, many - 3) }, (_, i) => makeUser(i + 3)),
    makeUser(many, { last_name: longName, role: "client", is_active: true }),
  ];
}

const device = { device: "Firefox on Linux", browser: "Firefox", os: "Linux" };

export function makeEvent(id: number, more: Partial<AuditRow> = {}): AuditRow {
  const party = { id: 3, email: "katherine.johnson3@example.com" };
  return {
    id,
    event: "logged_in",
    at: ago(1000 - id),
    user: party,
    actor: party,
    session: "",
    ...device,
    address: "2001:db8:85a3:1234:5678:8a2e:370:7334",
    request: "",
    count: 1,
    detail: "",
    changes: {},
    ...more,
  };
}

export function makeEvents(many: number): AuditRow[] {
  const admin = { id: 1, email: "admin@example.com" };
  const kinds: Partial<AuditRow>[] = [
    {},
    { event: "login_failed", count: 4, address: "192.0.2.77" },
    {
      event: "role_changed",
      actor: admin,
      detail: "client -> employee",
      changes: { role: ["client", "employee"] },
    },
    {
      event: "user_changed",
      actor: admin,
      detail: "phone, last_name",
      changes: { phone: ["", "+44 20 7946 0000"], last_name: ["Johnson", "Goble Johnson"] },
    },
    {
      event: "key_changed",
      user: null,
      actor: null,
      device: "",
      browser: "",
      os: "",
      address: "",
      detail: "retired 2026-08",
    },
    { event: "deactivated", actor: admin, changes: { is_active: ["true", "false"] } },
    { event: "user_deleted", user: { id: 999, email: "" }, actor: admin },
  ];
  return Array.from({ length: many }, (_, i) => makeEvent(many - i, kinds[i % kinds.length]));
}
