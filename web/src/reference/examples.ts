// Examples of bodies. Those of the guide are the guide's; the others are made of
// the schemas, and of the values here where a schema does not say enough. The
// test holds each against its schema.

import { jsonSchema, nameOf, shapes, type Answer, type Operation, type Schema, type Spec } from "./spec";

export interface Example {
  /** The schema it is an example of, if that has a name. */
  schema?: string;
  /** When this one is answered, where an answer has several. */
  when?: string;
  value: unknown;
}

/** The guide shortens its tokens like this. */
const token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9...";
const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

const user = { id: 1, email: "user@example.com", first_name: "John", last_name: "Doe", role: "employee" };
const profile = {
  id: 1,
  email: "user@example.com",
  first_name: "John",
  last_name: "Doe",
  phone: "+1234567890",
  role: "employee",
  created_at: "2024-01-15T10:30:00Z",
  updated_at: "2024-01-15T10:30:00Z",
};
const changedProfile = {
  ...profile,
  first_name: "Jane",
  last_name: "Smith",
  phone: "+0987654321",
  updated_at: "2024-01-15T11:45:00Z",
};
const session = {
  id: "4f8a1c0e9b7d4a6c8e2f0b1d3a5c7e90",
  device: "Firefox on Linux",
  browser: "Firefox",
  os: "Linux",
  user_agent: agent,
  address: "203.0.113.7",
  first_seen: "2024-01-15T10:30:00Z",
  last_seen: "2024-01-15T11:45:00Z",
  expires_at: "2024-01-18T11:45:00Z",
  current: true,
};
const event = {
  id: 124,
  event: "logged_in",
  at: "2024-01-15T10:30:00Z",
  actor: "self",
  device: "Firefox on Linux",
  browser: "Firefox",
  os: "Linux",
  address: "203.0.113.7",
  count: 1,
  detail: "",
};
const account = {
  id: 2,
  email: "user@example.com",
  first_name: "John",
  last_name: "Doe",
  phone: "+1234567890",
  role: "employee",
  is_active: true,
  created_at: "2024-01-15T10:30:00Z",
  updated_at: "2024-01-15T10:30:00Z",
  last_login: "2024-01-15T11:45:00Z",
};
const accountInput = {
  email: "user@example.com",
  first_name: "John",
  last_name: "Doe",
  phone: "+1234567890",
  role: "employee",
};
const linkToken = "kqE7Zt0uQ2mV9c1xYb4sR8wLJ3nHf6dGa5pT0iKoUyM";
const audited = {
  id: 125,
  event: "role_changed",
  at: "2024-01-15T12:00:00.120831Z",
  user: { id: 2, email: "user@example.com" },
  actor: { id: 1, email: "admin@example.com" },
  session: "",
  device: "Firefox on Linux",
  browser: "Firefox",
  os: "Linux",
  address: "203.0.113.7",
  request: "5f2c9a1e-3k",
  count: 1,
  detail: "client -> employee",
  changes: { role: ["client", "employee"] },
};
const throttled = {
  id: "3f0c1d2e4b5a69788796a5b4c3d2e1f0",
  kind: "account",
  user: { id: 2, email: "user@example.com" },
  address: "",
  failures: 10,
  last_at: "2024-01-15T12:00:00.120831Z",
  refused_until: "2024-01-15T12:14:31.500218Z",
  reason: "window",
  expires_at: "2024-01-25T12:00:00.120831Z",
};
const roleChanged = {
  id: 123,
  event: "role_changed",
  at: "2024-01-15T09:12:44.120831Z",
  actor: "administrator",
  device: "",
  browser: "",
  os: "",
  address: "",
  count: 1,
  detail: "client -> employee",
};

/** Whole values, by the name of their schema. */
const bySchema: Record<string, unknown> = {
  Role: "employee",
  Token: token,
  Time: "2024-01-15T10:30:00Z",
  User: user,
  Profile: profile,
  Session: session,
  Event: event,
  Expires: { access: 1705325400, refresh: 1705573800 },
  Registration: {
    email: "user@example.com",
    password: "securepassword123",
    password2: "securepassword123",
    first_name: "John",
    last_name: "Doe",
    phone: "+1234567890",
    role: "employee",
  },
  Credentials: { email: "user@example.com", password: "securepassword123" },
  RefreshTokenInput: { refresh: "your_refresh_token_here" },
  TokenInput: { token: "your_token_here" },
  ProfileUpdate: { first_name: "Jane", last_name: "Smith", phone: "+0987654321" },
  PasswordChange: {
    old_password: "securepassword123",
    password: "an-even-better-one-456",
    password2: "an-even-better-one-456",
  },
  Settings: {
    name: "Latchkey",
    registration: { open: true, roles: ["employee", "client"] },
    password: { min_length: 8 },
    tokens: { access: 10800, refresh: 259200 },
  },
  SessionList: {
    expires: { access: 1705325400, refresh: 1705573800 },
    results: [
      session,
      {
        id: "0b6d2e9f1c3a4785b6d7e8f901a2b3c4",
        device: "Safari on iOS",
        browser: "Safari",
        os: "iOS",
        user_agent: "",
        address: "198.51.100.20",
        first_seen: "2024-01-14T18:02:11.430012Z",
        last_seen: "2024-01-14T18:02:11.430012Z",
        expires_at: "2024-01-17T18:02:11.430012Z",
        current: false,
      },
    ],
  },
  Account: account,
  AccountList: { count: 1, count_exact: true, next: null, previous: null, results: [account] },
  AccountInput: accountInput,
  AccountPatch: { role: "manager" },
  AuditEvent: audited,
  Throttled: throttled,
  ThrottledList: { next: null, previous: null, results: [throttled] },
  AuditList: { next: null, previous: null, results: [audited] },
  ResetLink: { link: `https://auth.example.com/reset#${linkToken}`, expires_at: "2024-01-16T12:00:00Z" },
  LinkToken: { token: linkToken },
  PasswordReset: {
    token: linkToken,
    password: "an-even-better-one-456",
    password2: "an-even-better-one-456",
  },
  SetUp: {
    token: linkToken,
    email: "admin@example.com",
    password: "securepassword123",
    password2: "securepassword123",
    first_name: "Ada",
    last_name: "Lovelace",
  },
  RevocationList: {
    seq: 42,
    reset: false,
    max_access: 10800,
    revocations: [
      {
        seq: 42,
        kind: "sid",
        key: "4f8a1c0e9b7d4a6c8e2f0b1d3a5c7e90",
        gen: 0,
        iat_before: 0,
        until: 1705339800,
      },
    ],
  },
  System: {
    version: "v1.0.0",
    go: "go1.26.8",
    started_at: "2024-01-15T10:30:00Z",
    database: { engine: "PostgreSQL", version: "15.18", size: 8388608, schema: 3 },
    keys: [
      {
        kid: "eddsa-1f0c2b3a4d5e6f70",
        algorithm: "EdDSA",
        state: "signing",
        created_at: "2024-01-15T10:30:00Z",
        retired_at: null,
        accept_until: null,
      },
    ],
    audit: {
      state: "sealed",
      head: "42 9f2c1d7e4b80a36f5d21c8e07b94f3a61e5d0c72b8a94f6310de57c2ab84f019",
      events: 1289,
      begun_at: "2024-01-14T10:30:00Z",
      sealed_at: "2024-01-15T10:29:31.430012Z",
      unsealed: 0,
      unsealed_since: null,
      accepted_at: null,
      verified_at: "2024-01-15T03:00:00.120831Z",
      problems: 0,
    },
    settings: [
      { key: "tokens.access", value: "180m", source: "default", doc: "How long an access token is good." },
    ],
  },
  EventList: { next: null, results: [event, roleChanged] },
  FieldErrors: { first_name: ["This field may not be blank."] },
  InvalidCredentials: {
    error: "Invalid credentials",
    details: { non_field_errors: ["Invalid credentials."] },
  },
  TokenError: { detail: "Token is invalid or expired", code: "token_not_valid" },
  BearerError: {
    detail: "Given token not valid for any token type",
    code: "token_not_valid",
    messages: [{ token_class: "AccessToken", token_type: "access", message: "Token is invalid or expired" }],
  },
  Message: { message: "Successfully logged out" },
  Health: { status: "ok" },
};

/** Single values, by the name of their property. */
const byProperty: Record<string, unknown> = {
  email: "user@example.com",
  message: "Successfully logged out",
  detail: "Not found.",
  ended: 2,
  limit: 50,
  before: 124,
};

const unreadable: Example = {
  schema: "Detail",
  when: "The body cannot be read",
  value: { detail: "JSON parse error - Unexpected end of data" },
};
const noCredentials: Example = {
  schema: "Detail",
  when: "No credential was sent",
  value: { detail: "Authentication credentials were not provided." },
};
const badBearer: Example = {
  schema: "BearerError",
  when: "The credential is not good",
  value: bySchema["BearerError"],
};
const badToken: Example = {
  schema: "TokenError",
  when: "The token in the body is not good",
  value: bySchema["TokenError"],
};
const spentToken: Example = {
  schema: "TokenError",
  when: "The token was traded already",
  value: { detail: "Token is blacklisted", code: "token_not_valid" },
};
const noToken: Example = {
  schema: "Detail",
  when: "With Auth-Mode: neither a token in the body nor a cookie",
  value: noCredentials.value,
};
const one = (detail: string): Example[] => [{ schema: "Detail", value: { detail } }];
const fieldErrors = (value: unknown): Example => ({
  schema: "FieldErrors",
  when: "A field does not hold",
  value,
});
const invalidData = (details: unknown): Example => ({
  schema: "InvalidData",
  when: "A field does not hold",
  value: { error: "Invalid data", details },
});
const blankName = fieldErrors({ first_name: ["This field may not be blank."] });
const required = ["This field is required."];

/** The shared answers, by their name in the description. */
const byAnswer: Record<string, Example[]> = {
  Unauthorized: [noCredentials, badBearer],
  TokenNotValid: [badToken],
  Forbidden: one("You do not have permission to perform this action."),
  CrossOrigin: one("Cross-origin request refused."),
  Unconfirmed: [
    {
      schema: "ConfirmationRequired",
      when: "The password was not proved of late",
      value: {
        detail: "Password confirmation is required to perform this action.",
        code: "confirmation_required",
      },
    },
    {
      schema: "Detail",
      when: "The role does not allow it",
      value: { detail: "You do not have permission to perform this action." },
    },
  ],
  NotFound: one("Not found."),
  RequestTimeout: one("Request body did not arrive in time."),
  TooLarge: one("Request body is too large."),
  UnsupportedMediaType: one('Unsupported media type "text/plain" in request.'),
  TooManyRequests: one("Request was throttled. Expected available in 42 seconds."),
  Internal: one("Internal server error."),
  Unavailable: one("Service temporarily unavailable, try again later."),
};

const conflict = one("The resource was changed meanwhile.");
const lastAdmin = one("The last active administrator cannot be deactivated, demoted or deleted.");
const badLink = [invalidData({ token: ["This link is not valid or has expired."] }), unreadable];
const emailTaken = [invalidData({ email: ["A user with this email already exists."] }), unreadable];

/** What single operations answer, as "operation status"; the test knows of names that are gone. */
export const byOperation: Record<string, Example[]> = {
  "register 400": [
    invalidData({
      email: ["A user with this email already exists."],
      password: ["Password fields didn't match."],
    }),
    unreadable,
  ],
  "register 403": [
    { schema: "Detail", when: "Registration is closed", value: { detail: "Registration is closed." } },
    {
      schema: "Detail",
      when: "From an origin that is not listed, with Auth-Mode",
      value: { detail: "Cross-origin request refused." },
    },
    {
      schema: "ConfirmationRequired",
      when: "An administrator gives a role that administers, and has not proved the password of late",
      value: {
        detail: "Password confirmation is required to perform this action.",
        code: "confirmation_required",
      },
    },
  ],
  "login 400": [unreadable],
  "logout 400": [invalidData({ refresh_token: required }), unreadable],
  "logout 401": [noCredentials, badBearer, badToken],
  "refresh 400": [fieldErrors({ refresh: required }), unreadable],
  "refresh 401": [badToken, spentToken, noToken],
  "verify 400": [fieldErrors({ token: required }), unreadable],
  "verify 401": [badToken, noToken],
  "updateProfile 200": [{ schema: "Profile", value: changedProfile }],
  "updateProfile 400": [blankName, unreadable],
  "updateProfile 409": conflict,
  "patchProfile 200": [{ schema: "Profile", value: changedProfile }],
  "patchProfile 400": [blankName, unreadable],
  "patchProfile 409": conflict,
  "confirm 400": [
    invalidData({ password: ["Your password was entered incorrectly. Please enter it again."] }),
    unreadable,
  ],
  "confirm 409": conflict,
  "changePassword 400": [
    invalidData({
      old_password: ["Your old password was entered incorrectly. Please enter it again."],
      password: ["This password is too common."],
    }),
    unreadable,
  ],
  "changePassword 409": conflict,
  "checkReset 400": badLink,
  "confirmReset 400": badLink,
  "checkSetup 400": badLink,
  "setUp 400": badLink,
  "createUser 400": emailTaken,
  "replaceUser 400": emailTaken,
  "patchUser 400": emailTaken,
  "replaceUser 409": lastAdmin,
  "patchUser 409": lastAdmin,
  "deleteUser 409": lastAdmin,
  "deactivateUser 409": lastAdmin,
  "replaceUser 412": conflict,
  "patchUser 412": conflict,
  "deleteUser 412": conflict,
  "resetLink 409": one("The account is not active."),
  "events 400": [fieldErrors({ limit: ["Ensure this value is less than or equal to 100."] })],
  "readyz 200": [{ schema: "Health", value: { status: "ok", degraded: [] } }],
  "readyz 503": [{ schema: "Health", value: { status: "stopping" } }],
};

/** Bodies of requests where the guide's differ from the schema's. */
const requestOf: Record<string, unknown> = {
  logout: { refresh_token: "your_refresh_token_here" },
  patchProfile: { phone: "+0987654321" },
};

const registered = "User registered successfully";
const loggedIn = "Login successful";

/** The example of a request's body; undefined if there is none. */
export function requestExample(spec: Spec, operation: Operation): unknown {
  const schema = jsonSchema(operation.body?.content);
  return schema && (requestOf[operation.id] ?? exampleOf(spec, schema));
}

/** The examples of an answer, in the order of its shapes. */
export function answerExamples(spec: Spec, operation: Operation, answer: Answer): Example[] {
  const chosen = byOperation[`${operation.id} ${answer.status}`] ?? (answer.name && byAnswer[answer.name]);
  if (chosen) return chosen;
  if (answer.name === "MethodNotAllowed") {
    const other = operation.method === "DELETE" || operation.method === "PUT" ? "POST" : "DELETE";
    return one(`Method "${other}" not allowed.`);
  }
  const schema = jsonSchema(answer.content);
  if (!schema) return [];
  return shapes(schema).map((shape) => ({
    ...(shape.$ref ? { schema: nameOf(shape.$ref) } : {}),
    value: exampleOf(spec, shape, "", operation.id === "register" ? registered : loggedIn),
  }));
}

/** A value of a schema. `message` is which of the two texts an answer with `user` has. */
export function exampleOf(spec: Spec, schema: Schema, property = "", message = loggedIn): unknown {
  const name = schema.$ref && nameOf(schema.$ref);
  if (name && bySchema[name] !== undefined) return bySchema[name];
  const own = spec.resolve(schema);
  const given = own.example ?? own.examples?.[0] ?? own.const;
  if (given !== undefined) return given;
  if (own.enum) return own.enum.includes(message) ? message : own.enum[0];
  if (own.oneOf?.[0]) return exampleOf(spec, own.oneOf[0], property, message);
  const type = [own.type].flat()[0];
  if (own.properties || type === "object") {
    return Object.fromEntries(
      Object.entries(own.properties ?? {}).map(([key, value]) => [key, exampleOf(spec, value, key, message)]),
    );
  }
  if (type === "array") return own.items ? [exampleOf(spec, own.items, "", message)] : [];
  if (byProperty[property] !== undefined) return byProperty[property];
  if (own.default !== undefined) return own.default;
  if (type === "integer" || type === "number") return own.minimum ?? 1;
  if (type === "boolean") return true;
  if (type === "null") return null;
  return "text";
}
