import type { Role } from "@latchkey/client";
import { http, HttpResponse, type HttpHandler } from "msw";
import type { AuditRow } from "../features/console/audit";
import type { Throttled } from "../features/console/throttle";
import type { User } from "../features/console/users";
import { ago, makeEvent, makeEvents, makeThrottled, makeUser, makeUsers, may, powersOf } from "./world";

/** What tests look at and change. */
export type World = {
  users: User[];
  events: AuditRow[];
  throttled: Throttled[];
  /** Who is signed in. */
  me: User | undefined;
  /** At most this many rows come in a page of users; the rest by its `next`. */
  stingy: number;
  handlers: HttpHandler[];
};

const expires = {
  access: Math.floor(Date.now() / 1000) + 9_000,
  refresh: Math.floor(Date.now() / 1000) + 99_000,
};
const detail = (status: number, words: string) => HttpResponse.json({ detail: words }, { status });
const notFound = () => detail(404, "Not found.");
const forbidden = () => detail(403, "You do not have permission to perform this action.");
const lastAdmin = () =>
  detail(409, "The last active administrator cannot be deactivated, demoted or deleted.");
const etag = (user: User) => `"${user.updated_at} ${user.role} ${user.is_active}"`;
const withTag = (user: User, status = 200) =>
  HttpResponse.json(user, { status, headers: { ETag: etag(user) } });

/** Where a page of a list begins and ends. */
function page<T>(all: T[], url: URL, size: number) {
  const from = Number(url.searchParams.get("cursor") ?? 0);
  const at = (cursor: number) => {
    const to = new URL(url);
    to.searchParams.set("cursor", String(cursor));
    return String(to);
  };
  return {
    results: all.slice(from, from + size),
    next: from + size < all.length ? at(from + size) : null,
    previous: from > 0 ? at(Math.max(0, from - Number(url.searchParams.get("page_size") ?? size))) : null,
  };
}

export function makeWorld({ users = 60, events = 120 } = {}): World {
  const world: World = {
    users: makeUsers(users),
    events: makeEvents(events),
    throttled: makeThrottled(),
    me: undefined,
    stingy: Infinity,
    handlers: [],
  };
  const find = (id: unknown) => world.users.find((u) => u.id === Number(id));
  const touch = (user: User, change: Partial<User>) =>
    Object.assign(user, change, { updated_at: new Date().toISOString() });
  const note = (event: string, user: User, changes: AuditRow["changes"] = {}) =>
    world.events.unshift(
      makeEvent((world.events[0]?.id ?? 0) + 1, {
        event,
        at: new Date().toISOString(),
        user: { id: user.id, email: user.email },
        actor: world.me ? { id: world.me.id, email: world.me.email } : null,
        changes,
      }),
    );
  const admins = () => world.users.filter((u) => u.role === "admin" && u.is_active);
  /** What stands before an act on one user. */
  const guarded = (
    permission: string,
    act: (user: User, request: Request, me: User) => Response | Promise<Response>,
  ) => {
    return ({ params, request }: { params: Record<string, unknown>; request: Request }) => {
      const { me } = world;
      if (!me) return detail(401, "Authentication credentials were not provided.");
      const user = find(params["id"]);
      if (!user || !(may(me.role, "users.read") || user.id === me.id)) return notFound();
      const own = user.id === me.id && permission === "users.read";
      return own || may(me.role, permission, user.role) ? act(user, request, me) : forbidden();
    };
  };
  const signedIn = (user: User, status = 200) => {
    world.me = user;
    const { id, email, first_name, last_name, role } = user;
    return HttpResponse.json(
      { message: "Login successful", user: { id, email, first_name, last_name, role }, expires },
      { status },
    );
  };
  const session = (id: string, current: boolean) => ({
    id: id.repeat(32),
    device: current ? "Chrome on Linux" : "Firefox on Linux",
    browser: current ? "Chrome" : "Firefox",
    os: "Linux",
    user_agent: "",
    address: current ? "127.0.0.1" : "2001:db8:85a3:1234:5678:8a2e:370:7334",
    first_seen: ago(5000),
    last_seen: ago(5),
    expires_at: ago(-5000),
    current,
  });

  const auth = (path: string) => `*/api/auth/${path}`;
  world.handlers = [
    http.get(auth("settings/"), () =>
      HttpResponse.json({
        name: "Example Ltd",
        registration: { open: true, roles: ["employee", "client"] },
        password: { min_length: 8 },
        tokens: { access: 10_800, refresh: 259_200 },
      }),
    ),
    http.get(auth("profile/"), () =>
      world.me ? HttpResponse.json(world.me) : detail(401, "Authentication credentials were not provided."),
    ),
    http.post(auth("token/refresh/"), () => detail(401, "Authentication credentials were not provided.")),
    http.post(auth("login/"), async ({ request }) => {
      const { email } = (await request.json()) as { email: string };
      const user = world.users.find((u) => u.email === email);
      return user
        ? signedIn(user)
        : HttpResponse.json({ error: "Invalid credentials", details: {} }, { status: 401 });
    }),
    http.post(auth("logout/"), () => {
      world.me = undefined;
      return HttpResponse.json({ message: "Successfully logged out" });
    }),
    http.get(auth("sessions/"), () =>
      HttpResponse.json({ expires, results: [session("a", true), session("b", false)] }),
    ),
    http.get(auth("events/"), () => HttpResponse.json({ next: null, results: [] })),
    http.get(auth("permissions/"), () =>
      world.me ? HttpResponse.json(powersOf(world.me.role)) : detail(401, "no"),
    ),

    http.get("*/api/users/", ({ request }) => {
      if (!world.me || !may(world.me.role, "users.read")) return forbidden();
      const url = new URL(request.url);
      const get = (name: string) => url.searchParams.get(name) ?? "";
      const wanted = get("search").toLowerCase().split(/\s+/).filter(Boolean);
      const found = world.users.filter((u) => {
        const words = `${u.first_name} ${u.last_name} ${u.email}`.toLowerCase().split(/[\s.@]+/);
        return (
          wanted.every((w) => words.some((word) => word.startsWith(w)) || u.email.startsWith(w)) &&
          (!get("role") || u.role === get("role")) &&
          (!get("is_active") || String(u.is_active) === get("is_active"))
        );
      });
      const ordering = get("ordering") || "-id";
      const field = ordering.replace("-", "");
      const value = (u: User) =>
        field === "name" ? `${u.first_name} ${u.last_name}` : (u[field as keyof User] ?? "");
      const sorted = found.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return (x < y ? -1 : x > y ? 1 : a.id - b.id) * (ordering.startsWith("-") ? -1 : 1);
      });
      const size = Math.min(Number(get("page_size") || 25), world.stingy);
      const exact = found.length <= 10_000;
      return HttpResponse.json({
        count: exact ? found.length : 10_000,
        count_exact: exact,
        ...page(sorted, url, size),
      });
    }),
    http.post("*/api/users/", async ({ request }) => {
      const input = (await request.json()) as Pick<User, "email" | "first_name" | "last_name" | "role">;
      if (!world.me || !may(world.me.role, "users.create", input.role)) return forbidden();
      if (world.users.some((u) => u.email === input.email))
        return HttpResponse.json(
          { error: "Invalid data", details: { email: ["A user with this email already exists."] } },
          { status: 400 },
        );
      const id = Math.max(...world.users.map((u) => u.id)) + 1;
      const user = makeUser(id, {
        phone: "",
        ...input,
        is_active: true,
        last_login: null,
        created_at: new Date().toISOString(),
        updated_at: new Date().toISOString(),
      });
      world.users.push(user);
      note("user_created", user);
      return withTag(user, 201);
    }),
    http.get(
      "*/api/users/:id/",
      guarded("users.read", (user) => withTag(user)),
    ),
    http.patch(
      "*/api/users/:id/",
      guarded("users.edit", async (user, request, me) => {
        const match = request.headers.get("If-Match");
        if (match && match !== etag(user)) return detail(412, "The resource was changed meanwhile.");
        const change = (await request.json()) as Partial<User>;
        if (change.role && !may(me.role, "users.grant", change.role)) return forbidden();
        if (change.role && user.role === "admin" && change.role !== "admin" && admins().length === 1)
          return lastAdmin();
        if (world.users.some((u) => u.id !== user.id && u.email === change.email))
          return HttpResponse.json(
            { error: "Invalid data", details: { email: ["A user with this email already exists."] } },
            { status: 400 },
          );
        const changes = Object.fromEntries(
          Object.entries(change).map(([k, v]) => [k, [user[k as keyof User], v] as [unknown, unknown]]),
        );
        touch(user, change);
        note(change.role ? "role_changed" : "user_changed", user, changes);
        return withTag(user);
      }),
    ),
    http.delete(
      "*/api/users/:id/",
      guarded("users.delete", (user) => {
        if (user.role === "admin" && user.is_active && admins().length === 1) return lastAdmin();
        world.users = world.users.filter((u) => u !== user);
        return new HttpResponse(null, { status: 204 });
      }),
    ),
    http.post(
      "*/api/users/:id/deactivate/",
      guarded("users.deactivate", (user) => {
        if (user.role === "admin" && admins().length === 1) return lastAdmin();
        note("deactivated", user, { is_active: ["true", "false"] });
        return withTag(touch(user, { is_active: false }));
      }),
    ),
    http.post(
      "*/api/users/:id/activate/",
      guarded("users.deactivate", (user) => {
        note("activated", user, { is_active: ["false", "true"] });
        return withTag(touch(user, { is_active: true }));
      }),
    ),
    http.post(
      "*/api/users/:id/logout/",
      guarded("users.logout", (user) => {
        note("signed_out", user);
        return HttpResponse.json({ message: "Signed out everywhere", ended: 2 });
      }),
    ),
    http.post(
      "*/api/users/:id/reset-link/",
      guarded("users.reset", (user) => {
        note("reset_link_made", user);
        return HttpResponse.json(
          { link: "https://example.com/reset#Zq3vVn0sJ1xkq2m8Yh5c7w", expires_at: ago(-1440) },
          { status: 201 },
        );
      }),
    ),
    http.get(
      "*/api/users/:id/sessions/",
      guarded("users.history", () => HttpResponse.json({ results: [session("c", false)] })),
    ),

    http.get("*/api/audit/", ({ request }) => {
      const url = new URL(request.url);
      const get = (name: string) => url.searchParams.get(name) ?? "";
      const whom = find(get("user"));
      const { me } = world;
      if (!me || !(may(me.role, "audit.read") || (whom && may(me.role, "users.history", whom.role))))
        return forbidden();
      const found = world.events.filter(
        (e) =>
          (!get("user") || e.user?.id === Number(get("user"))) &&
          (!get("event") || e.event === get("event")) &&
          (!get("since") || e.at >= get("since")) &&
          (!get("until") || e.at < get("until")),
      );
      return HttpResponse.json({ ...page(found, url, Number(get("page_size") || 50)), previous: null });
    }),

    http.get("*/api/throttle/", ({ request }) => {
      if (!world.me || !may(world.me.role, "throttle.lift")) return forbidden();
      const url = new URL(request.url);
      const { next, results } = page(world.throttled, url, Number(url.searchParams.get("page_size") || 50));
      return HttpResponse.json({ next, previous: null, results });
    }),
    http.delete("*/api/throttle/:id/", ({ params }) => {
      if (!world.me || !may(world.me.role, "throttle.lift")) return forbidden();
      if (!world.throttled.some((c) => c.id === params.id)) return detail(404, "Not found.");
      world.throttled = world.throttled.filter((c) => c.id !== params.id);
      return new HttpResponse(null, { status: 204 });
    }),

    http.get("*/api/stats/", ({ request }) => {
      const days = Number(new URL(request.url).searchParams.get("days") ?? 7);
      const unit = days <= 7 ? "hour" : "day";
      const buckets = unit === "hour" ? days * 24 : days;
      const length = unit === "hour" ? 60 : 1440;
      const series = (height: number, wave: number) =>
        Array.from({ length: buckets }, (_, i) => ({
          at: ago((buckets - 1 - i) * length),
          count: Math.round(
            height *
              (1.4 + Math.sin((i / (unit === "hour" ? 24 : 7)) * 2 * Math.PI) + 0.3 * Math.sin(i * wave)),
          ),
        }));
      return HttpResponse.json({
        unit,
        series: {
          logged_in: series(days * 20, 1.7),
          login_failed: series(days * 2, 2.3),
          registered: series(days, 3.1),
          live_sessions: series(400, 0.9),
        },
        now: {
          users: Math.min(world.users.length, 10_000),
          users_exact: world.users.length <= 10_000,
          live_sessions: 431,
        },
      });
    }),
    http.get("*/api/doctor/", () => {
      if (!world.me || !may(world.me.role, "system.read")) return forbidden();
      const well = { severity: "ok", why: "", mend: "", do: "", params: {} };
      return HttpResponse.json({
        checked_at: ago(0),
        findings: [
          {
            id: "throttle-off",
            severity: "error",
            what: "throttle.enabled is false.",
            why: "Passwords can be guessed without limit, and every guess costs this machine a hash.",
            mend: "Switch it on.",
            do: "LATCHKEY_THROTTLE_ENABLED=true",
            params: {},
          },
          {
            id: "backup-old",
            severity: "warning",
            what: "The last backup was made 12 days ago.",
            why: "Whatever happened since is lost with the disk.",
            mend: "Make one each night, and keep it on another machine.",
            do: "latchkey backup /path/to/latchkey-$(date +%F).tar",
            params: { days: "12" },
          },
          {
            id: "passwords-foreign",
            severity: "notice",
            what: "120 users have passwords in other formats: pbkdf2_sha256 (120).",
            why: "Some take longer to check than Latchkey's own.",
            mend: "Nothing needs to be done: each is hashed anew when its user signs in.",
            do: "",
            params: { count: "120", formats: "pbkdf2_sha256 (120)" },
          },
          { ...well, id: "hosts-empty", what: "Which host names are answered to" },
          { ...well, id: "data-open", what: "The modes in the data folder" },
        ],
      });
    }),
    http.get("*/api/system/", () => {
      if (!world.me || !may(world.me.role, "system.read")) return forbidden();
      return HttpResponse.json({
        version: "1.0.0",
        go: "go1.26.1",
        started_at: ago(8_000),
        database: { engine: "sqlite", version: "3.53.1", size: 187_436_032, schema: 3 },
        keys: [
          {
            kid: "2026-11-a1b2",
            algorithm: "EdDSA",
            state: "published",
            created_at: ago(60),
            retired_at: null,
            accept_until: null,
          },
          {
            kid: "2026-08-c3d4",
            algorithm: "EdDSA",
            state: "signing",
            created_at: ago(130_000),
            retired_at: null,
            accept_until: null,
          },
          {
            kid: "2026-05-e5f6",
            algorithm: "HS256",
            state: "retired",
            created_at: ago(260_000),
            retired_at: ago(130_000),
            accept_until: ago(-3_000),
          },
        ],
        audit: {
          state: "sealed",
          head: `4711:${"5f1c".repeat(16)}`,
          events: 20_388,
          begun_at: ago(260_000),
          sealed_at: ago(1),
          unsealed: 2,
          unsealed_since: ago(0),
          accepted_at: null,
          verified_at: ago(700),
          problems: 0,
        },
        settings: [
          { key: "listen", value: "127.0.0.1:8000", source: "file", doc: "Where it listens." },
          {
            key: "database",
            value: "<secret>",
            source: "environment",
            doc: "Where the data is; a PostgreSQL address, or nothing for SQLite.",
          },
          { key: "tokens.access", value: "3h", source: "default", doc: "How long an access token is valid." },
          {
            key: "registration.roles",
            value: ["employee", "client"],
            source: "default",
            doc: "The roles that anybody may register with.",
          },
          {
            key: "cors.origins",
            value: "",
            source: "default",
            doc: "Other origins whose pages may call the API with the person's credential.",
          },
        ],
      });
    }),

    http.post(auth("password/reset/check/"), async ({ request }) => check(await request.json())),
    http.post(auth("password/reset/confirm/"), async ({ request }) => {
      const input = (await request.json()) as { token: string; password: string; password2: string };
      const bad = weak(input);
      return bad ?? HttpResponse.json({ message: "Password changed successfully" });
    }),
    http.post(auth("setup/check/"), async ({ request }) => check(await request.json())),
    http.post(auth("setup/"), async ({ request }) => {
      const input = (await request.json()) as User & { token: string; password: string; password2: string };
      const bad = weak(input);
      if (bad) return bad;
      const { email, first_name, last_name } = input;
      const user = makeUser(9_000, { email, first_name, last_name, role: "admin" as Role, is_active: true });
      world.users.push(user);
      return signedIn(user, 201);
    }),
  ];
  return world;
}

const spent = () =>
  HttpResponse.json(
    { error: "Invalid data", details: { token: ["This link is not valid or has expired."] } },
    { status: 400 },
  );

/** Every token is good but "spent". */
function check(input: unknown) {
  const { token } = input as { token: string };
  return token === "spent"
    ? spent()
    : HttpResponse.json({ email: "katherine.johnson3@example.com", expires_at: ago(-1440) });
}

function weak({ token, password, password2 }: { token: string; password: string; password2: string }) {
  if (token === "spent") return spent();
  const details: Record<string, string[]> = {};
  if (password !== password2) details["password"] = ["Password fields didn't match."];
  if (password === "password1") details["password"] = ["This password is too common."];
  return Object.keys(details).length > 0
    ? HttpResponse.json({ error: "Invalid data", details }, { status: 400 })
    : undefined;
}
