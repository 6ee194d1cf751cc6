/** A pair as bearer mode keeps it. */
export type Pair = { access: string; refresh: string };

/** Where bearer mode keeps its tokens. */
export type TokenStorage = {
  get(): Pair | undefined;
  set(pair: Pair): void;
  remove(): void;
  /** Whether other tabs read the same. */
  shared: boolean;
};

/** Tokens that go with the page. */
export function memoryStorage(): TokenStorage {
  let kept: Pair | undefined;
  return {
    shared: false,
    get: () => kept,
    set: (pair) => {
      kept = pair;
    },
    remove: () => {
      kept = undefined;
    },
  };
}

/** The guide's place for tokens, under its names. Every script of the page can read them there. */
export function browserStorage(): TokenStorage {
  const [access, refresh] = ["access_token", "refresh_token"];
  return {
    shared: true,
    get() {
      const pair = { access: localStorage.getItem(access), refresh: localStorage.getItem(refresh) };
      return pair.refresh === null ? undefined : { access: pair.access ?? "", refresh: pair.refresh };
    },
    set(pair) {
      localStorage.setItem(access, pair.access);
      localStorage.setItem(refresh, pair.refresh);
    },
    remove() {
      localStorage.removeItem(access);
      localStorage.removeItem(refresh);
    },
  };
}
