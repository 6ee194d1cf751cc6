import { errorOf, LatchkeyError, NetworkError } from "./errors.js";
import {
  paths,
  type Credentials,
  type EventList,
  type Expires,
  type PasswordChange,
  type PasswordChanged,
  type Profile,
  type ProfileUpdate,
  type Registration,
  type SessionList,
  type SessionsEnded,
  type Settings,
  type User,
} from "./schema.js";
import { browserStorage, memoryStorage, type Pair, type TokenStorage } from "./storage.js";
import { openTabs, sleep, type Message } from "./tabs.js";

/**
 * How the tokens are carried.
 *
 * - `cookie`: both are HttpOnly cookies; no script can read them.
 * - `hybrid`: the refresh token is a cookie, the access token is in memory, for calls to APIs of other origins.
 * - `bearer`: both are where `storage` says, as in the guide.
 */
export type Mode = "cookie" | "hybrid" | "bearer";

/** Why somebody is signed out: by own hand, because the session ended, or in another tab. */
export type Reason = "logout" | "expired" | "elsewhere";

/** Who is signed in, as far as is known. */
export type State =
  | { status: "unknown"; user?: undefined; expires?: undefined; reason?: undefined }
  | { status: "signedIn"; user: User; expires: Expires; reason?: undefined }
  | { status: "signedOut"; user?: undefined; expires?: undefined; reason?: Reason };

export type Events = {
  signedIn: User;
  signedOut: Reason;
  /** Any change of the state. */
  change: State;
};

export type ClientOptions = {
  /**
   * Where the server is: the part before `/api/auth/`. "" (the default) is the page's own origin; the guide's
   * `http://localhost:8000/api` will do too.
   */
  baseURL?: string;
  mode?: Mode;
  /** Where bearer mode keeps its tokens; `memory` unless said otherwise. */
  storage?: "memory" | "localStorage" | TokenStorage;
  /** Other origins whose APIs may be sent the access token (hybrid and bearer mode), such as `https://api.example.com`. */
  origins?: readonly string[];
  /**
   * Whether clients of the same server in other tabs are of the same person; true in a browser. In Node it is false:
   * there two clients may well be two people.
   */
  tabs?: boolean;
  /** In place of the global `fetch`. */
  fetch?: typeof fetch;
  /** The clock, in ms since 1970. */
  now?: () => number;
};

/** What the page behind the set-up link sends. */
export type SetUp = {
  token: string;
  email: string;
  first_name: string;
  last_name: string;
  password: string;
  password2: string;
};

/** What a request needs beside itself. */
export type Prepared = {
  headers: Record<string, string>;
  credentials: RequestCredentials;
  /** Which tokens it goes out with; give it to `recover` if it was answered with 401. */
  stamp: number;
};

export type Client = ReturnType<typeof createClient>;

/** How long before the end a token is replaced: a tenth of its life, a minute at most (in seconds). */
const aheadOf = (lifetime: number) => Math.min(60, lifetime / 10);

/** The longest wait that setTimeout takes, in ms; a longer one would end at once. */
const longestTimer = 2 ** 31 - 1;

/** What the one-time links open; nobody needs to be signed in there. */
const setUpPath = "/api/auth/setup/";
const linkPaths = [
  setUpPath,
  "/api/auth/setup/check/",
  "/api/auth/password/reset/check/",
  "/api/auth/password/reset/confirm/",
];

/** For how long a busy server is waited for inside a refresh, in seconds. */
const patience = 5;

/** For how long signing in or out waits for a refresh that hangs, in ms. */
const courtesy = 3_000;

/** Up to how many seconds apart the tries of a server that is away are. */
const longestPause = 60;

/**
 * Lets an answer go that nobody reads: it would keep its connection. Nobody waits for that either: where a service
 * worker or a test stands between, and has a copy of the answer, it ends when the copy does.
 */
function letGo(response: Response | undefined): void {
  response?.body?.cancel().catch(() => undefined);
}

/**
 * Makes a client of a Latchkey server. It does nothing until it is asked; `start` finds out who is signed in and keeps
 * the session going.
 */
export function createClient(options: ClientOptions = {}) {
  const mode = options.mode ?? "cookie";
  const root = (options.baseURL ?? "").replace(/\/+$/, "").replace(/\/api$/, "");
  const now = options.now ?? Date.now;
  const send =
    options.fetch ?? ((input: RequestInfo | URL, init?: RequestInit) => globalThis.fetch(input, init));
  const storage =
    typeof options.storage === "object"
      ? options.storage
      : options.storage === "localStorage"
        ? browserStorage()
        : memoryStorage();
  const shared = (options.tabs ?? typeof window !== "undefined") && (mode !== "bearer" || storage.shared);
  const tabs = openTabs(`latchkey ${mode} ${root}`, !shared);

  let state: State = { status: "unknown" };
  let access = ""; // hybrid: the access token
  let heard: { pair: Pair; until: number } | undefined; // bearer: what another tab has just stored
  let ahead = 60;
  let skew = 0; // the server's clock minus ours, in seconds
  let clockRead = false; // whether the server's clock could be read
  let lifetime: number | undefined; // of the server's access tokens, in seconds
  let era = 0; // counts logins and logouts: what was asked for in an earlier one is void
  let failures = 0; // in a row, of refresh and restore
  let notBefore = 0; // when to try again by ourselves, in ms since 1970
  let refreshing: Promise<boolean> | undefined;
  let restoring: Promise<State> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let started = 0;
  let used = false; // since the last refresh

  const subscribers = new Set<() => void>();
  const listeners: { [K in keyof Events]: Set<(detail: Events[K]) => void> } = {
    signedIn: new Set(),
    signedOut: new Set(),
    change: new Set(),
  };

  function emit<K extends keyof Events>(event: K, detail: Events[K]) {
    tell(listeners[event], detail);
  }

  function become(next: State) {
    const before = state;
    state = next;
    if (next.status === "signedOut") {
      access = "";
      heard = undefined;
      era++;
    }
    schedule();
    tell(subscribers, undefined);
    emit("change", next);
    if (next.status === "signedIn" && (before.status !== "signedIn" || before.user.id !== next.user.id)) {
      emit("signedIn", next.user);
    }
    // Who comes for the first time was never signed in: a page that goes to its login then would go there for ever.
    if (next.status === "signedOut" && next.reason && before.status !== "signedOut")
      emit("signedOut", next.reason);
  }

  const seconds = () => now() / 1000 + skew;
  const stamp = () => state.expires?.access ?? 0;
  const stale = () => state.status === "signedIn" && state.expires.access - ahead <= seconds();

  // --- requests ---------------------------------------------------------------------------------------------------

  /** Where a request goes: to the server's API, to another API that gets the token, or elsewhere. */
  function covers(url: string | URL): "server" | "api" | undefined {
    const page = typeof location === "undefined" ? undefined : location.href;
    const to = new URL(url, page ?? (root || undefined));
    const home = new URL(`${root}/api/`, page);
    if (to.origin === home.origin && to.pathname.startsWith(home.pathname)) return "server";
    return mode !== "cookie" && options.origins?.includes(to.origin) ? "api" : undefined;
  }

  /**
   * The pair in force in bearer mode. A storage that tabs share is, in this process, behind their messages for a moment:
   * for as long the newer of the two counts.
   */
  function pairNow(): Pair | undefined {
    const kept = storage.get();
    if (!heard || now() > heard.until) return kept;
    return !kept || expiry(heard.pair.access) > expiry(kept.access) ? heard.pair : kept;
  }

  function carry(where: "server" | "api"): Prepared {
    const headers: Record<string, string> = {};
    const token = mode === "bearer" ? pairNow()?.access : access;
    if (token) headers["Authorization"] = `Bearer ${token}`;
    if (mode !== "bearer" && where === "server") headers["Auth-Mode"] = mode;
    return {
      headers,
      stamp: stamp(),
      credentials: mode !== "bearer" && where === "server" ? "include" : "same-origin",
    };
  }

  /**
   * Gets a request to this URL ready: refreshes if the token is about to expire and gives the credential. undefined for
   * one that is none of ours: it gets no credential.
   */
  async function prepare(url: string | URL): Promise<Prepared | undefined> {
    const where = covers(url);
    if (!where) return undefined;
    if (!isAuth(url)) {
      if (restoring && state.status === "unknown") await restoring.catch(() => {});
      used = true;
      // Whether the server can be reached is told by the request itself. While a refresh has just failed a token that
      // still holds will do.
      if (stale() && (now() >= notBefore || (state.expires?.access ?? 0) <= seconds()))
        await renew(stamp()).catch(() => {});
    }
    return carry(where);
  }

  /** Whether a request is one that a refresh must not come before: signing in, and the refresh itself. */
  function isAuth(url: string | URL): boolean {
    const path = new URL(url, "http://x").pathname;
    const own = [paths.login, paths.register, paths.refresh, paths.verify, paths.settings, ...linkPaths];
    return own.some((p) => path.endsWith(p) || path.endsWith(p.slice(0, -1)));
  }

  /**
   * After a 401: gets new tokens and tells whether to try again. false means that the session is over. Rejects with a
   * NetworkError or a LatchkeyError (429, 5xx) when it cannot be known; the session goes on then.
   */
  async function recover(url: string | URL, sentWith: number): Promise<boolean> {
    if (isAuth(url) || state.status === "signedOut") return false;
    if (state.status === "signedIn" && stamp() !== sentWith) return true; // somebody has refreshed meanwhile
    return renew(sentWith);
  }

  /** `fetch` that carries the credential, refreshes ahead of the expiry and, once, after a 401. */
  async function authFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const url = input instanceof Request ? input.url : input;
    const body = init?.body ?? (input instanceof Request ? input.body : undefined);
    // A stream can be sent once; a Request can be copied before it is.
    const again = input instanceof Request && !init?.body ? input.clone() : input;
    const once = typeof ReadableStream !== "undefined" && init?.body instanceof ReadableStream;
    const prepared = await prepare(url);
    if (!prepared) return network(input, init);
    const response = await network(input, dressed(input, init, prepared));
    if (response.status !== 401 || (once && body)) return response;
    if (!(await recover(url, prepared.stamp))) return response;
    letGo(response);
    return network(again, dressed(again, init, carry(covers(url) ?? "server")));
  }

  function dressed(input: RequestInfo | URL, init: RequestInit | undefined, with_: Prepared): RequestInit {
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    for (const [name, value] of Object.entries(with_.headers)) headers.set(name, value);
    return { ...init, headers, credentials: init?.credentials ?? with_.credentials };
  }

  async function network(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    try {
      return await send(input, init);
    } catch (cause) {
      const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
      if (signal?.aborted) throw cause;
      throw new NetworkError({ cause });
    }
  }

  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.headers = { "Content-Type": "application/json" };
      init.body = JSON.stringify(body);
    }
    const response = await authFetch(root + path, init);
    if (!response.ok) throw await errorOf(response);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  // --- refresh ----------------------------------------------------------------------------------------------------

  type Minted = {
    user: User;
    expires?: Expires;
    access?: string;
    refresh?: string;
    tokens?: { access?: string; refresh?: string };
  };

  /** Takes what login, register or refresh answered. */
  async function take(answer: Minted, response: Response, type: "signedIn" | "refreshed") {
    const pair = answer.tokens ?? answer;
    readClock(response);
    let expires = answer.expires;
    if (mode === "bearer") {
      const kept = { access: pair.access ?? "", refresh: pair.refresh ?? pairNow()?.refresh ?? "" };
      storage.set(kept);
      expires = { access: expiry(kept.access), refresh: expiry(kept.refresh) };
    } else if (mode === "hybrid") {
      access = pair.access ?? "";
    }
    if (!expires) throw new LatchkeyError(response.status, "The server does not know Auth-Mode.");
    await believe(expires);
    learn(expires, answer.user);
    tabs.post({
      type,
      expires,
      user: answer.user,
      ...(mode === "hybrid" ? { access } : {}),
      ...(mode === "bearer" ? { pair: storage.get() } : {}),
    });
    await tabs.announce(expires);
  }

  /** The header has whole seconds; less than that is no difference. Of another origin's answer it cannot be read. */
  function readClock(response: Response) {
    const date = Date.parse(response.headers.get("Date") ?? "");
    if (Number.isNaN(date)) return;
    clockRead = true;
    skew = Math.abs(date - now()) > 2000 ? (date - now()) / 1000 : 0;
  }

  /**
   * A token that was just made, or has just opened a request, is good. If it looks as though it had expired, or nearly,
   * it may be this computer's clock that is wrong (by a whole time zone, say): to refresh because of that would never end.
   */
  async function believe(expires: Expires) {
    if (clockRead || expires.access - seconds() > 60) return;
    lifetime ??= await network(root + paths.settings)
      .then((response) => response.json() as Promise<Settings>)
      .then(({ tokens }) => tokens.access)
      .catch(() => undefined);
    const looks = expires.access - seconds();
    const is = lifetime ?? 60;
    if (looks <= 0 || is - looks > 60) skew -= is - looks;
  }

  function learn(expires: Expires, user: User | undefined) {
    ahead = aheadOf(Math.max(1, expires.access - seconds()));
    used = false;
    failures = notBefore = 0;
    const who = user ?? state.user;
    if (who) become({ status: "signedIn", user: who, expires });
  }

  /**
   * Gets a new pair, once for all who ask, in this tab and in the others. `seen` is the stamp of the tokens that are no
   * longer good. true: there are newer ones; false: signed out.
   */
  function renew(seen: number): Promise<boolean> {
    refreshing ??= tabs
      .exclusive(() => renewAlone(seen))
      .finally(() => {
        refreshing = undefined;
      });
    return refreshing;
  }

  async function renewAlone(seen: number): Promise<boolean> {
    if (state.status === "signedOut") return false;
    if (stamp() > seen) return true; // a message of the winner came while we waited
    const newest = await tabs.newest();
    if (newest && newest.refresh === 0 && newest.access >= seen) {
      become({ status: "signedOut", reason: "expired" });
      return false;
    }
    if (newest && newest.access > seen && newest.access > seconds() && (await adopt(newest))) return true;
    if (mode === "bearer") {
      if (!pairNow()) {
        become({ status: "signedOut", reason: "elsewhere" });
        return false;
      }
      readStorage();
      if (stamp() > seen && stamp() > seconds()) return true;
    }
    const began = era;
    // In hybrid mode only the cookie itself can tell whether a winner that was closed half-way has left a new one.
    for (let tries = mode === "hybrid" ? 2 : 1; tries > 0; tries--) {
      const response = await askRefresh().catch((error: unknown) => {
        later(error);
        throw error;
      });
      // One has signed out meanwhile, or in as somebody else.
      if (era !== began) return (state.status as State["status"]) === "signedIn";
      if (response.ok) {
        await take((await response.json()) as Minted, response, "refreshed");
        return true;
      }
      const error = await errorOf(response);
      if (response.status === 429 || response.status >= 500) {
        later(error);
        throw error;
      }
      if (await stillGood()) return true;
    }
    await signOut("expired");
    return false;
  }

  /** Takes over what another tab has refreshed. */
  async function adopt(newest: Expires): Promise<boolean> {
    if (mode !== "cookie") {
      // The lock manager knows before a message or the storage does.
      for (let i = 0; i < 100 && stamp() < newest.access; i++) {
        if (mode === "bearer") readStorage();
        await sleep(5);
      }
      return stamp() >= newest.access;
    }
    learn(newest, undefined);
    await tabs.announce(newest);
    return state.status === "signedIn";
  }

  /** The refresh itself: tried again once when the answer got lost, and once when the server is busy. */
  async function askRefresh(): Promise<Response> {
    const init: RequestInit = { method: "POST", credentials: carry("server").credentials };
    if (mode === "bearer") {
      init.headers = { "Content-Type": "application/json" };
      init.body = JSON.stringify({ refresh: pairNow()?.refresh });
    } else {
      init.headers = { "Auth-Mode": mode };
      // A tab that is closed now still gets the cookie, for the others.
      init.keepalive = true;
    }
    const go = () => network(root + paths.refresh, init);
    let response = await go().catch(async () => {
      await sleep(200);
      return go();
    });
    const wait = Number(response.headers.get("Retry-After"));
    if ((response.status === 503 || response.status === 429) && wait > 0 && wait <= patience) {
      await sleep(wait * 1000);
      response = await go();
    }
    return response;
  }

  /**
   * Whether the credential works although a refresh was refused: a tab that was closed half-way, or a page that knows
   * nothing of us, may have won the race.
   */
  async function stillGood(): Promise<boolean> {
    if (mode !== "cookie") {
      const before = stamp();
      await sleep(300);
      if (mode === "bearer") readStorage();
      return stamp() > before;
    }
    for (const wait of [0, 500]) {
      await sleep(wait);
      const response = await network(root + paths.sessions, {
        credentials: "include",
        headers: { "Auth-Mode": mode },
      });
      if (response.ok) {
        const { expires } = (await response.json()) as SessionList;
        readClock(response);
        await believe(expires as Expires);
        learn({ access: expires.access, refresh: expires.refresh ?? expires.access }, undefined);
        return state.status === "signedIn";
      }
      if (response.status !== 401) throw await errorOf(response);
      letGo(response);
    }
    return false;
  }

  function readStorage() {
    const pair = pairNow();
    if (pair && state.status === "signedIn") {
      const expires = { access: expiry(pair.access), refresh: expiry(pair.refresh) };
      if (expires.access !== stamp()) learn(expires, undefined);
    }
  }

  // --- when -------------------------------------------------------------------------------------------------------

  function arm(ms: number) {
    clearTimeout(timer);
    if (started === 0) return;
    timer = setTimeout(wake, Math.min(Math.max(ms, 0), longestTimer));
    (timer as { unref?: () => void }).unref?.();
  }

  function schedule() {
    clearTimeout(timer);
    if (state.status !== "signedIn") return;
    // Each tab a little later than another, so that mostly one of them goes.
    arm((state.expires.access - ahead + Math.random() * ahead * 0.5 - seconds()) * 1000);
  }

  /** After a failure that is not the session's: tries again, each time later, and not before the server asked for. */
  function later(error: unknown) {
    const asked = error instanceof LatchkeyError ? (error.retryAfter ?? 0) : 0;
    const pause = Math.max(asked, Math.min(2 ** failures++, longestPause)) * 1000;
    notBefore = now() + pause;
    arm(pause);
  }

  /**
   * Refreshes if it is time to: a page that nobody looks at and that asks nothing lets its session end, rather than keep
   * it going for ever. Asks who one is if that could not be found out.
   */
  function wake() {
    if (started === 0 || state.status === "signedOut") return;
    if (now() < notBefore) return arm(notBefore - now());
    if (state.status === "unknown") return void client.restore().catch(() => {});
    if (!stale()) return schedule();
    const seen = typeof document === "undefined" || document.visibilityState === "visible";
    if (seen || used) renew(stamp()).catch(() => {});
  }

  function online() {
    notBefore = 0;
    wake();
  }

  // --- other tabs -------------------------------------------------------------------------------------------------

  tabs.listen((message: Message) => {
    switch (message.type) {
      case "refreshed":
      case "signedIn":
        if (
          message.type === "refreshed" &&
          (state.status === "signedOut" || message.expires.access < stamp())
        )
          break;
        if (message.type === "signedIn") era++;
        if (message.pair) heard = { pair: message.pair, until: now() + 2_000 };
        if (message.access) access = message.access;
        learn(message.expires, message.user);
        void tabs.announce(message.expires);
        break;
      case "signedOut":
        if (state.status !== "signedOut") {
          become({ status: "signedOut", reason: message.reason === "expired" ? "expired" : "elsewhere" });
        }
        break;
      case "user":
        if (state.status === "signedIn" && state.user.id === message.user.id)
          become({ ...state, user: message.user });
        break;
      case "claim":
      case "held":
      case "released":
        break;
    }
  });

  // Where there is no BroadcastChannel, the storage tells that another tab has signed out.
  const onStorage = (event: StorageEvent) => {
    if (mode !== "bearer" || !storage.shared || (event.key !== null && event.key !== "refresh_token")) return;
    if (event.newValue === null && state.status === "signedIn")
      become({ status: "signedOut", reason: "elsewhere" });
    else readStorage();
  };

  async function signOut(reason: "logout" | "expired") {
    if (state.status === "signedOut") return;
    const last = stamp();
    // Only here: a tab that hears of it late would take away the tokens of a login that came since.
    if (mode === "bearer") storage.remove();
    become({ status: "signedOut", reason });
    tabs.post({ type: "signedOut", reason });
    await tabs.announce({ access: last, refresh: 0 });
  }

  // --- the acts ---------------------------------------------------------------------------------------------------

  /**
   * Alone, as a refresh is: the answer to a refresh of the session before must not come after this one's and put its
   * tokens in the place of these.
   */
  function enter(path: string, body: unknown): Promise<User> {
    return tabs.exclusive(async () => {
      const { headers, credentials } = carry("server");
      delete headers["Authorization"]; // a stale one says nothing here
      const response = await network(root + path, {
        method: "POST",
        credentials,
        headers: { ...headers, "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
      if (!response.ok) throw await errorOf(response);
      const answer = (await response.json()) as Minted;
      era++;
      await take(answer, response, "signedIn");
      return answer.user;
    }, courtesy);
  }

  /** Alone, too: a refresh that is under way would sign in again. */
  function leave(): Promise<void> {
    return tabs.exclusive(async () => {
      const ask = () => {
        const { headers, credentials } = carry("server");
        const init: RequestInit = { method: "POST", headers, credentials };
        if (mode === "bearer") {
          init.headers = { ...headers, "Content-Type": "application/json" };
          init.body = JSON.stringify({ refresh_token: pairNow()?.refresh ?? "" });
        }
        return network(root + paths.logout, init);
      };
      let response = await ask();
      // Without a good access token the server ends nothing, and the refresh token would live on.
      if (response.status === 401 && (await renewAlone(stamp()))) response = await ask();
      if (!response.ok && response.status !== 401) throw await errorOf(response);
      await signOut("logout");
    }, courtesy);
  }

  async function loadProfile(): Promise<Profile> {
    return noteUser(await call<Profile>("GET", paths.profile));
  }

  /** The names may have changed since the token was made. */
  function noteUser(profile: Profile): Profile {
    const { id, email, first_name, last_name, role } = profile;
    const user = { id, email, first_name, last_name, role };
    if (state.status === "signedIn" && JSON.stringify(user) !== JSON.stringify(state.user)) {
      become({ ...state, user });
      tabs.post({ type: "user", user });
    }
    return profile;
  }

  async function findOut(again = true): Promise<State> {
    if (mode === "bearer" && !pairNow()) {
      become({ status: "signedOut" });
      return state;
    }
    const ask = (path: string) => {
      const { headers, credentials } = carry("server");
      return network(root + path, { headers, credentials });
    };
    const response = mode === "hybrid" ? undefined : await ask(paths.profile);
    if (response) readClock(response);
    if (response?.ok) {
      const { id, email, first_name, last_name, role } = (await response.json()) as Profile;
      const user = { id, email, first_name, last_name, role };
      if (mode === "bearer") {
        const pair = pairNow();
        if (pair) {
          const expires = { access: expiry(pair.access), refresh: expiry(pair.refresh) };
          await believe(expires);
          learn(expires, user);
        }
        return state;
      }
      const sessions = await ask(paths.sessions);
      if (!sessions.ok) throw await errorOf(sessions);
      const { expires } = (await sessions.json()) as SessionList;
      const known = { access: expires.access, refresh: expires.refresh ?? expires.access };
      await believe(known);
      learn(known, user);
      await tabs.announce(known);
      return state;
    }
    if (response && response.status !== 401) throw await errorOf(response);
    letGo(response);
    // The access token is gone; there may be a refresh token.
    const outcome = await renewUnknown();
    if (outcome === "changed" && again) return findOut(false);
    if (outcome !== "renewed" && state.status === "unknown") become({ status: "signedOut" });
    return state;
  }

  /** Refreshes without knowing whether there is a session at all: a refusal is no "expired" then. */
  async function renewUnknown(): Promise<"renewed" | "refused" | "changed"> {
    return tabs.exclusive(async () => {
      if (state.status === "signedIn") return "renewed";
      const began = era;
      const sent = pairNow()?.refresh;
      const response = await askRefresh();
      if (era !== began) return "refused";
      if (response.ok) {
        await take((await response.json()) as Minted, response, "refreshed");
        return "renewed";
      }
      if (response.status === 429 || response.status >= 500) throw await errorOf(response);
      if (mode === "bearer") {
        // Another tab may have traded it; what it stored can take a moment to be seen here.
        await sleep(300);
        if (pairNow()?.refresh !== sent) return "changed";
        storage.remove();
      }
      letGo(response);
      return "refused";
    });
  }

  const client = {
    mode,
    /** The part of the server's URLs before `/api/`. */
    root,
    get state(): State {
      return state;
    },
    /** Calls back after every change of the state; gives what ends that. For useSyncExternalStore. */
    subscribe(hear: () => void): () => void {
      subscribers.add(hear);
      return () => void subscribers.delete(hear);
    },
    on<K extends keyof Events>(event: K, hear: (detail: Events[K]) => void): () => void {
      listeners[event].add(hear);
      return () => void listeners[event].delete(hear);
    },
    /**
     * Finds out who is signed in and refreshes ahead of each expiry from then on; gives what stops that. May be called
     * several times. While the server cannot be reached the state stays "unknown"; it is asked again, at most a minute
     * later.
     */
    start(): () => void {
      started++;
      if (started === 1 && typeof addEventListener === "function" && typeof document !== "undefined") {
        addEventListener("focus", wake);
        addEventListener("online", online);
        addEventListener("storage", onStorage);
        document.addEventListener("visibilitychange", wake);
      }
      if (state.status === "unknown") void client.restore().catch(() => {});
      else schedule();
      let ended = false;
      return () => {
        if (ended) return;
        ended = true;
        started--;
        if (started > 0) return;
        clearTimeout(timer);
        if (typeof removeEventListener === "function" && typeof document !== "undefined") {
          removeEventListener("focus", wake);
          removeEventListener("online", online);
          removeEventListener("storage", onStorage);
          document.removeEventListener("visibilitychange", wake);
        }
      };
    },
    /** Asks the server who is signed in. Rejects if it cannot be reached. */
    restore(): Promise<State> {
      restoring ??= findOut()
        .catch((error: unknown) => {
          later(error);
          throw error;
        })
        .finally(() => {
          restoring = undefined;
        });
      return restoring;
    },
    /** Frees what other tabs are told by. The client is of no use afterwards. */
    close(): void {
      started = 0;
      clearTimeout(timer);
      tabs.close();
    },

    register: (input: Registration): Promise<User> => enter(paths.register, input),
    login: (input: Credentials): Promise<User> => enter(paths.login, input),
    /** Makes the first administrator, with the token of the set-up link, and signs in. */
    setUp: (input: SetUp): Promise<User> => enter(setUpPath, input),
    /**
     * Signs out here and in the other tabs. In cookie and hybrid mode it rejects, and one is still signed in, when the
     * server was not reached: only it can take the cookies back.
     */
    async logout(): Promise<void> {
      try {
        await leave();
      } catch (error) {
        if (!(error instanceof NetworkError) || mode !== "bearer") throw error;
        await signOut("logout");
      }
    },
    /** Gets a new pair now. false: the session is over. */
    refresh: (): Promise<boolean> => renew(stamp()),
    /** Whether a token is good; without one, one's own credential. */
    async verify(token?: string): Promise<boolean> {
      const { headers, credentials } = carry("server");
      const asked = token ?? (mode === "bearer" ? pairNow()?.access : access || undefined);
      const init: RequestInit = { method: "POST", headers, credentials };
      if (asked !== undefined) {
        init.headers = { ...headers, "Content-Type": "application/json" };
        init.body = JSON.stringify({ token: asked });
      }
      const response = await network(root + paths.verify, init);
      if (response.ok || response.status === 401) {
        letGo(response);
        return response.ok;
      }
      throw await errorOf(response);
    },
    profile: {
      get: loadProfile,
      /** Changes what is given. */
      update: async (change: ProfileUpdate): Promise<Profile> =>
        noteUser(await call<Profile>("PUT", paths.updateProfile, change)),
    },
    sessions: {
      list: (): Promise<SessionList> => call("GET", paths.sessions),
      /** Signs out one device. This very one: `logout` is better, it tells the other tabs. */
      end: (id: string): Promise<void> =>
        call("DELETE", paths.endSession.replace("{id}", encodeURIComponent(id))),
      endOthers: (): Promise<SessionsEnded> => call("DELETE", paths.endOtherSessions),
    },
    /**
     * Proves the password once more, for what was refused with the code `confirmation_required` (see `isUnconfirmed`);
     * repeat that afterwards. A wrong one is a LatchkeyError with `fields.password`.
     */
    confirm: (password: string): Promise<void> => call("POST", paths.confirm, { password }),
    password: {
      change: (input: PasswordChange): Promise<PasswordChanged> => call("POST", paths.changePassword, input),
    },
    events: {
      /** A page of what happened on the account, the newest first; `before` is the id of the last one seen. */
      list: ({ limit, before }: { limit?: number; before?: number } = {}): Promise<EventList> => {
        const query = new URLSearchParams();
        if (limit !== undefined) query.set("limit", String(limit));
        if (before !== undefined) query.set("before", String(before));
        return call("GET", paths.events + (query.size > 0 ? `?${query}` : ""));
      },
    },
    /** What a sign-in page needs to know. */
    settings: (): Promise<Settings> => call("GET", paths.settings),

    fetch: authFetch,
    prepare,
    recover,
  };
  return client;
}

/** When a token expires, in Unix seconds; 0 if it does not say. The signature is the server's business. */
function expiry(token: string): number {
  try {
    const payload = token.split(".")[1] ?? "";
    const claims = JSON.parse(atob(payload.replace(/-/g, "+").replace(/_/g, "/"))) as { exp?: unknown };
    return typeof claims.exp === "number" ? claims.exp : 0;
  } catch {
    return 0;
  }
}

/** A listener that throws is its own misfortune: the others, and the other tabs, are told all the same. */
function tell<T>(hearers: Set<(detail: T) => void>, detail: T) {
  for (const hear of hearers) {
    try {
      hear(detail);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
