/** Every address of the app, once. */
export const paths = {
  home: "/",
  signIn: "/sign-in",
  register: "/create-account",
  profile: "/profile",
  security: "/security",
  reset: "/reset",
  setUp: "/setup",
  admin: "/admin",
  users: "/admin/users",
  newUser: "/admin/users/new",
  audit: "/admin/audit",
  attempts: "/admin/attempts",
  roles: "/admin/roles",
  health: "/admin/health",
  system: "/admin/system",
} as const;

/** One user's screen. */
export function userPath(id: number): string {
  return `${paths.users}/${id}`;
}

/** The sign-in page, with the way back to `from`. */
export function signInFrom(from: string): string {
  return from === paths.home ? paths.signIn : `${paths.signIn}?next=${encodeURIComponent(from)}`;
}

/**
 * The way back of a `next` parameter: a path of this app, or home. Anything that a browser would take to another origin
 * ("//evil", "/\evil", "javascript:") is no way back.
 */
export function wayBack(next: string | null): string {
  if (!next || !/^\/(?![/\\])/.test(next) || hasControl(next)) return paths.home;
  const url = new URL(next, "https://app.invalid");
  if (
    url.origin !== "https://app.invalid" ||
    url.pathname === paths.signIn ||
    url.pathname === paths.register
  ) {
    return paths.home;
  }
  return url.pathname + url.search + url.hash;
}

/** Browsers drop tabs and line breaks from an address, and with them what was checked. */
function hasControl(s: string): boolean {
  return [...s].some((c) => c < " " || c === "\\");
}
