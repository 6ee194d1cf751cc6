import type { Expires, User } from "./schema.js";
import type { Pair } from "./storage.js";

/** What one tab tells the others. */
export type Message =
  | { type: "refreshed"; expires: Expires; user: User; access?: string; pair?: Pair | undefined }
  | { type: "signedIn"; expires: Expires; user: User; access?: string; pair?: Pair | undefined }
  | { type: "signedOut"; reason: "logout" | "expired" }
  | { type: "user"; user: User }
  // The last three are how tabs agree on one of them where there are no Web Locks.
  | { type: "claim"; id: string }
  | { type: "held"; id: string; sure: boolean }
  | { type: "released"; id: string };

/** What the tabs of one origin that use one server have in common. */
export type Tabs = {
  /**
   * Runs one at a time among all tabs. It is free again when the tab that runs it is closed. With `courtesy` it waits
   * for the others no longer than so many ms and runs then all the same.
   */
  exclusive<T>(run: () => Promise<T>, courtesy?: number): Promise<T>;
  /**
   * Makes a state of the session known to whoever runs next in `exclusive`. Resolves when that is certain; a message
   * alone may come after the next one has begun.
   */
  announce(expires: Expires): Promise<void>;
  /** The newest state that any open tab has announced; a session that is over has the refresh 0. */
  newest(): Promise<Expires | undefined>;
  post(message: Message): void;
  listen(hear: (message: Message) => void): void;
  close(): void;
};

/** How long claims are waited for where there are no Web Locks, in ms. */
const claimTime = 80;
/** After how long without a word the holder counts as closed, in ms. */
const holdTime = 8_000;

/**
 * Tabs over the Web Locks API and BroadcastChannel, as far as this browser has them.
 *
 * The state travels as the name of a lock that each tab holds together with the others: the browser's lock manager
 * orders it with the lock of `exclusive`, which no message and no storage event is.
 */
export function openTabs(name: string, alone: boolean): Tabs {
  const channel = alone || typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(name);
  const locks = alone || typeof navigator === "undefined" ? undefined : navigator.locks;
  const hearers: ((message: Message) => void)[] = [];
  if (channel) {
    // A channel keeps a Node process alive, which a client that nobody closes should not.
    (channel as { unref?: () => void }).unref?.();
    channel.addEventListener("message", (event: MessageEvent<Message>) => {
      for (const hear of hearers) hear(event.data);
    });
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel is of one origin and takes none
  const post = (message: Message) => channel?.postMessage(message);
  const base = {
    post,
    listen: (hear: (message: Message) => void) => void hearers.push(hear),
  };
  if (locks) {
    const prefix = `${name} state `;
    let letGo: (() => void) | undefined;
    return {
      ...base,
      exclusive(run, courtesy) {
        if (courtesy === undefined) return locks.request(`${name} refresh`, run);
        const wait = new AbortController();
        const timer = setTimeout(() => wait.abort(), courtesy);
        let began = false;
        return locks
          .request(`${name} refresh`, { signal: wait.signal }, () => {
            clearTimeout(timer);
            began = true;
            return run();
          })
          .catch((error: unknown) => {
            if (began) throw error;
            return run();
          });
      },
      announce: (expires) =>
        new Promise((resolve, reject) => {
          const held = () =>
            new Promise<void>((release) => {
              letGo?.();
              letGo = release;
              resolve();
            });
          locks
            .request(`${prefix}${expires.access} ${expires.refresh}`, { mode: "shared" }, held)
            .catch(reject);
        }),
      async newest() {
        let newest: Expires | undefined;
        for (const lock of (await locks.query()).held ?? []) {
          if (!lock.name?.startsWith(prefix)) continue;
          const [access = 0, refresh = 0] = lock.name.slice(prefix.length).split(" ").map(Number);
          const over = newest && access === newest.access && refresh === 0;
          if (!newest || access > newest.access || over) newest = { access, refresh };
        }
        return newest;
      },
      close() {
        letGo?.();
        channel?.close();
      },
    };
  }

  // Without Web Locks the lowest claim wins. Messages of one tab arrive in order, so "refreshed" is heard before
  // "released".
  const id = Math.random().toString(36).slice(2);
  let mine: "none" | "claimed" | "held" = "none";
  let lost: (() => void) | undefined;
  let freed: (() => void) | undefined;
  let newest: Expires | undefined;
  let local: Promise<unknown> = Promise.resolve();
  base.listen((message) => {
    switch (message.type) {
      case "claim":
        if (mine === "held" || (mine === "claimed" && id < message.id))
          post({ type: "held", id, sure: mine === "held" });
        else if (mine === "claimed") lost?.();
        break;
      case "held":
        // Everybody hears it: one that only claims, and comes after us, is no reason to give way.
        if (mine === "claimed" && (message.sure || message.id < id)) lost?.();
        break;
      case "released":
        freed?.();
        break;
      case "refreshed":
      case "signedIn":
        newest = message.expires;
        break;
      case "signedOut":
        if (newest) newest = { access: newest.access, refresh: 0 };
        break;
      case "user":
        break;
    }
  });
  const release = () => {
    if (mine === "held") post({ type: "released", id });
    mine = "none";
  };
  if (channel && typeof addEventListener === "function") addEventListener("pagehide", release);
  const take = async (until: number) => {
    for (;;) {
      if (!channel || Date.now() >= until) break;
      mine = "claimed";
      const waiting = new Promise<void>((resolve) => (freed = resolve));
      post({ type: "claim", id });
      const won = await Promise.race([
        new Promise<boolean>((resolve) => (lost = () => resolve(false))),
        sleep(claimTime).then(() => true),
      ]);
      if (won) break;
      mine = "none";
      await Promise.race([waiting, sleep(Math.min(holdTime, until - Date.now()))]);
    }
    mine = "held";
  };
  return {
    ...base,
    exclusive(run, courtesy) {
      const until = courtesy === undefined ? Infinity : Date.now() + courtesy;
      const free = courtesy === undefined ? local : Promise.race([local, sleep(courtesy)]);
      const turn = free.then(() => take(until)).then(run);
      local = turn.then(release, release);
      return turn;
    },
    announce: () => Promise.resolve(),
    newest: () => Promise.resolve(newest),
    close() {
      release();
      channel?.close();
    },
  };
}

/** Waits for some ms. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
