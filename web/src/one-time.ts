import { paths } from "./paths";

// The token of a one-time link stands behind the # of the address, where no server and no proxy sees it. It leaves the
// address, and with it the history, before anything else here has looked: a picture of the screen shows nothing, and nor does
// a tab that is shared later. It is kept in memory, and so for as long as the page is.

let token = take();

/** What stands behind the # now, if the page is a one-time link's; it is taken out of the address. */
function take(): string {
  const { pathname, search, hash } = location;
  const page = pathname.replace(/\/$/, "");
  if (hash.length < 2 || (page !== paths.reset && page !== paths.setUp)) return "";
  history.replaceState(history.state, "", pathname + search);
  return hash.slice(1);
}

/** The token of the link that was opened; "" if there was none, or it is used up. */
export function oneTimeToken(): string {
  return (token = take() || token);
}

/** Forgets the token. */
export function forgetToken(): void {
  token = "";
}
