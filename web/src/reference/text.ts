// What the page says beside what the description says. Markdown as in markdown.ts.

import type { Operation } from "./spec";

export const title = "Latchkey API reference";

export interface Sample {
  title: string;
  language: "json" | "sh" | "js";
  code: string;
}

export interface Section {
  id: string;
  title: string;
  text: string;
  samples?: Sample[];
}

const json = (value: unknown) => JSON.stringify(value, null, 2);

export const introduction: Section[] = [
  {
    id: "base-url",
    title: "Where it is",
    text: `
The API is part of the Latchkey server itself: this page came from it, and every path below begins at the same address. The examples use that address, so they can be copied as they are.

Every path works with and without the slash at its end. A body may be JSON, an urlencoded form or a multipart form, of at most 64 KiB; fields that are not known are ignored. Under \`/api/\` every answer is JSON and is not to be stored (\`Cache-Control: no-store\`).

The checks come in this order: the credential (401), the method (405), the media type (415), the size (413), the syntax (400), then all fields at once (400).`,
  },
  {
    id: "tokens-and-lifetimes",
    title: "Tokens and lifetimes",
    text: `
Who signs in gets two tokens.

- The **access token** proves who is calling: \`Authorization: Bearer <access token>\`. It is good for 180 minutes unless the operator chose otherwise.
- The **refresh token** gets the next pair, at [\`/api/auth/token/refresh/\`](#refresh). It is good for 3 days, once: the answer has its successor. Keep that one. Presenting a spent token again ends the session, since a thief may be the one who has the other.

30 days after the login a session ends, however often it was renewed. Logout, a password change, a change of role and deactivation end access tokens at once, not when they expire.

The lifetimes of this server are in [\`/api/auth/settings/\`](#settings).`,
  },
  {
    id: "cookie-mode",
    title: "Cookies instead of tokens",
    text: `
A page in a browser need not hold tokens where a script can read them. Send the header \`Auth-Mode\` with register, login and refresh:

- \`Auth-Mode: cookie\`: both tokens come as \`HttpOnly\` cookies and none in the body. The browser sends them by itself.
- \`Auth-Mode: hybrid\`: the refresh token is a cookie, the access token is in the body, for pages that call other servers with it.
- Without the header both are in the body. Any other word is 400.

In place of tokens, or beside the one, the answer says in \`expires\` when they expire, in Unix seconds. Refresh and logout then need no body. A bearer header, where there is one, comes before the cookie.

The cookies are \`latchkey_access\` and \`latchkey_refresh\`; over TLS \`__Host-latchkey_access\` and \`__Secure-latchkey_refresh\`. They are \`SameSite=Lax\`, and the refresh token's is sent to \`/api/auth/\` only. A refresh that fails leaves them as they are.`,
    samples: [
      {
        title: "Sign in and call with cookies",
        language: "sh",
        code: `curl -c cookies.txt -X POST http://localhost:8000/api/auth/login/ \\
  -H "Auth-Mode: cookie" \\
  -H "Content-Type: application/json" \\
  -d '{"email": "user@example.com", "password": "securepassword123"}'

curl -b cookies.txt http://localhost:8000/api/auth/profile/`,
      },
      {
        title: "From a page of another origin",
        language: "js",
        code: `await fetch("http://localhost:8000/api/auth/login/", {
  method: "POST",
  credentials: "include",
  headers: { "Auth-Mode": "cookie", "Content-Type": "application/json" },
  body: JSON.stringify({ email: "user@example.com", password: "securepassword123" }),
});`,
      },
    ],
  },
  {
    id: "other-origins",
    title: "Calls from other origins",
    text: `
Pages of other origins may read answers if the operator lists their origin in \`cors.origins\`; \`http://localhost:3000\` and \`http://127.0.0.1:3000\` are listed unless that was changed.

There is no CSRF token to carry. Where the credential is a cookie, or a cookie would be set, the request must come from this server's own origin or from a listed one; from any other it is 403. Its body must be JSON then, or it is 415: no form of another site can send that. With \`Auth-Mode\` the preflight allows credentials, so send the header with every request of a page in cookie mode.`,
    samples: [
      {
        title: "403 Forbidden",
        language: "json",
        code: json({ detail: "Cross-origin request refused." }),
      },
    ],
  },
  {
    id: "errors",
    title: "Errors",
    text: `
An error says what is wrong in one of four shapes. \`401\` means “who are you”: refresh, or sign in. \`403\` means “not you”: signing in again does not help. With the code \`confirmation_required\` it means “you, but prove it first”: [the password once more](#confirm), then the same request again.

- **Forms** (register, logout, password change) put what is wrong under \`details\`, by field. At login everything that is wrong with the fields is a 401 in the same shape.
- **Profile, refresh, verify and lists** answer the fields alone.
- **Tokens** have a \`code\` for programs beside the words for people. A bad bearer token also says in \`messages\` which token it was.
- **Everything else** has \`detail\` and nothing more.`,
    samples: [
      {
        title: "400, a form",
        language: "json",
        code: json({
          error: "Invalid data",
          details: {
            email: ["A user with this email already exists."],
            password: ["Password fields didn't match."],
          },
        }),
      },
      {
        title: "401, login",
        language: "json",
        code: json({
          error: "Invalid credentials",
          details: { non_field_errors: ["Invalid credentials."] },
        }),
      },
      {
        title: "400, the fields alone",
        language: "json",
        code: json({ first_name: ["This field may not be blank."] }),
      },
      {
        title: "401, a token",
        language: "json",
        code: json({ detail: "Token is invalid or expired", code: "token_not_valid" }),
      },
      {
        title: "Everything else",
        language: "json",
        code: json({ detail: "Authentication credentials were not provided." }),
      },
    ],
  },
  {
    id: "throttling",
    title: "Limits",
    text: `
Guessing is slow here. Unless the operator chose otherwise, an account takes 10 failed attempts in 15 minutes at login and password change, and a client address 30 (IPv6 by /64). An address may make 100 registrations at once, then one in 30 seconds.

Beyond that the answer is 429, with the seconds to wait in \`Retry-After\`. A server that is starting, or has more to do than it can, answers 503 with \`Retry-After\` too. Wait that long; do not refresh or sign out because of either.`,
    samples: [
      {
        title: "429 Too Many Requests",
        language: "json",
        code: json({ detail: "Request was throttled. Expected available in 42 seconds." }),
      },
    ],
  },
];

export const tryIntroduction = `
Each operation below has a form that sends the request to this server, for real. Tokens that an answer brings are used for the next requests; they are kept in this page's memory and are gone when it is closed.`;

export const schemasIntroduction =
  "The shapes of the bodies, by name. A field that is not said to be optional is always there in an answer.";

export const deviationsTitle = "Differences from the Django stack";

/** What of the four headings of the page is called in the list of contents. */
export const contents = {
  introduction: "Before the first call",
  tryIt: "Trying it here",
  schemas: "Schemas",
};

export const tagTitles: Record<string, string> = {
  auth: "Signing in and profile",
  account: "The account",
  administration: "Administration",
  services: "For other services",
  service: "The server",
};

/** When an answer has this of several shapes. */
export const shapeTitles: Record<string, string> = {
  SignedIn: "Without Auth-Mode",
  SignedInCookie: "With Auth-Mode: cookie",
  SignedInHybrid: "With Auth-Mode: hybrid",
  Refreshed: "Without Auth-Mode",
  RefreshedCookie: "With Auth-Mode: cookie",
  RefreshedHybrid: "With Auth-Mode: hybrid",
};

/** The reason phrases of the statuses, for people who know them by those. */
export const reasons: Record<string, string> = {
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  412: "Precondition Failed",
  410: "Gone",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  428: "Precondition Required",
  429: "Too Many Requests",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

/** Who may call an operation: in a word, and by what. */
export function callers({ security }: Operation): { who: string; by: string } {
  const schemes = new Set(security.flatMap((one) => Object.keys(one)));
  const open = security.length === 0 || security.some((one) => Object.keys(one).length === 0);
  const by = [
    ...(schemes.has("bearer") ? ["bearer token"] : []),
    ...(schemes.has("cookie") || schemes.has("refreshCookie") ? ["cookie"] : []),
  ].join(" or ");
  if (!open) return { who: "Signed in", by };
  return { who: "Anyone", by: by && `${by} optional` };
}
