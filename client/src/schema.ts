// Made from internal/api/openapi.yaml by scripts/generate.mjs. Do not edit.

export type Role = "admin" | "manager" | "employee" | "client";

/** A JSON Web Token. */
export type Token = string;

/** In UTC, with six digits of a second, or none if they are all zero. */
export type Time = string;

export type Registration = {
  email: string;
  /** At least 8 characters; Django's four validators apply. Not trimmed. */
  password: string;
  /** The same once more. */
  password2: string;
  first_name: string;
  last_name: string;
  phone?: string;
  role?: Role;
};

export type Credentials = {
  email: string;
  /** Not trimmed. */
  password: string;
};

/** Either name will do, at logout as at refresh. */
export type RefreshTokenInput = {
  refresh?: string;
  refresh_token?: string;
};

export type TokenInput = {
  token: string;
};

export type ProfileUpdate = {
  first_name?: string;
  last_name?: string;
  phone?: string;
};

export type User = {
  id: number;
  email: string;
  first_name: string;
  last_name: string;
  role: Role;
};

export type Profile = {
  id: number;
  email: string;
  first_name: string;
  last_name: string;
  phone: string;
  role: Role;
  created_at: Time;
  updated_at: Time;
};

export type Tokens = {
  refresh: Token;
  access: Token;
};

export type SignedIn = {
  message: "User registered successfully" | "Login successful";
  user: User;
  tokens: Tokens;
};

export type Refreshed = {
  access: Token;
  refresh: Token;
  user: User;
};

/** When the tokens expire, in Unix seconds. */
export type Expires = {
  access: number;
  refresh: number;
};

/** The answer to `Auth-Mode` cookie; the tokens are cookies. */
export type SignedInCookie = {
  message: "User registered successfully" | "Login successful";
  user: User;
  expires: Expires;
};

/** The answer to `Auth-Mode` hybrid; the refresh token is a cookie. */
export type SignedInHybrid = {
  message: "User registered successfully" | "Login successful";
  user: User;
  tokens: {
    access: Token;
  };
  expires: Expires;
};

/** The answer to `Auth-Mode` cookie. */
export type RefreshedCookie = {
  user: User;
  expires: Expires;
};

/** The answer to `Auth-Mode` hybrid. */
export type RefreshedHybrid = {
  access: Token;
  user: User;
  expires: Expires;
};

/** One login on one device. */
export type Session = {
  id: string;
  /** Browser and system, such as Firefox on Linux; empty where they are not known. */
  device: string;
  browser: string;
  os: string;
  user_agent: string;
  /** The client's address at the login; empty where it is not known. */
  address: string;
  first_seen: Time;
  last_seen: Time;
  expires_at: Time;
  /** Whether it is the session of this request. */
  current: boolean;
};

export type SessionList = {
  /**
   * When the tokens of this session expire, in Unix seconds. refresh is
   * null for a token that has no session.
   */
  expires: {
    access: number;
    refresh: number | null;
  };
  results: Session[];
};

export type SessionsEnded = {
  message: "Signed out everywhere else";
  ended: number;
};

export type Confirmation = {
  /** Not trimmed. */
  password: string;
};

export type PasswordChange = {
  /** Not trimmed. */
  old_password: string;
  /** At least 8 characters; Django's four validators apply. Not trimmed. */
  password: string;
  /** The same once more. */
  password2: string;
};

export type PasswordChanged = {
  message: "Password changed successfully";
  /** How many other sessions were ended. */
  ended: number;
};

export type Event = {
  id: number;
  event: EventKind;
  at: Time;
  /** Who did it. system is the server, its command line, or nobody known. */
  actor: "self" | "administrator" | "system";
  device: string;
  browser: string;
  os: string;
  address: string;
  /** More than one for failed logins of one minute. */
  count: number;
  /** What changed, such as employee -> manager. */
  detail: string;
};

export type EventList = {
  /** The address of the following page; null on the last. */
  next: string | null;
  results: Event[];
};

export type EventKind = "registered" | "logged_in" | "login_failed" | "logged_out" | "reuse_detected" | "session_revoked" | "session_limit" | "session_adopted" | "password_changed" | "confirmed" | "role_changed" | "profile_changed" | "activated" | "deactivated" | "user_created" | "user_deleted" | "user_changed" | "signed_out" | "reset_link_made" | "password_reset" | "set_up" | "service_key_changed" | "key_changed" | "all_sessions_ended" | "restored" | "address_blocked" | "guesses_ended" | "throttle_lifted" | "imported" | "taken_over" | "access_refused" | "bypass_refused" | "exported";

/** A user as administrators see them. */
export type Account = {
  id: number;
  email: string;
  first_name: string;
  last_name: string;
  phone: string;
  role: Role;
  is_active: boolean;
  created_at: Time;
  updated_at: Time;
  last_login: Time | null;
};

export type AccountList = {
  /** How many there are on all pages, counted up to 10,000. */
  count: number;
  /** Whether there are no more than count. */
  count_exact: boolean;
  next: string | null;
  previous: string | null;
  results: Account[];
};

export type AccountInput = {
  email: string;
  first_name: string;
  last_name: string;
  phone?: string;
  role: Role;
  is_active?: boolean;
};

export type AccountPatch = {
  email?: string;
  first_name?: string;
  last_name?: string;
  phone?: string;
  role?: Role;
  is_active?: boolean;
};

export type UserSignedOut = {
  message: "Signed out everywhere";
  ended: number;
};

export type ResetLink = {
  link: string;
  expires_at: Time;
};

export type LinkToken = {
  /** What stands behind the # of the link. */
  token: string;
};

export type ResetLinkState = {
  email: string;
  expires_at: Time;
};

export type SetupLinkState = {
  expires_at: Time;
};

export type PasswordReset = {
  token: string;
  /** At least 8 characters; Django's four validators apply. Not trimmed. */
  password: string;
  /** The same once more. */
  password2: string;
};

export type PasswordWasReset = {
  message: "Password changed successfully";
};

export type SetUp = {
  token: string;
  email: string;
  /** At least 8 characters; Django's four validators apply. Not trimmed. */
  password: string;
  /** The same once more. */
  password2: string;
  first_name: string;
  last_name: string;
  phone?: string;
};

export type UserSessionList = {
  results: Session[];
};

export type Person = {
  id: number;
  /** Empty for a user who is gone. */
  email: string;
};

export type AuditEvent = {
  id: number;
  event: EventKind;
  at: Time;
  user: Person | null;
  actor: Person | null;
  session: string;
  device: string;
  browser: string;
  os: string;
  address: string;
  /** The id of the request that it came of, as X-Request-Id and the log have it; empty for none. */
  request: string;
  count: number;
  detail: string;
  /** Each changed field with what it was and what it is. */
  changes: Record<string, string[]>;
};

export type Throttled = {
  id: string;
  /** What is counted: guesses at an account from devices that it does not know, guesses from a client address, guesses at an account from a device that it knows, guesses at the old password from a session. */
  kind: "account" | "address" | "device" | "session";
  /** Whose account it is; null for an address, and for an e-mail that nobody here has, which is not kept. */
  user: Person | null;
  /** The client address, for IPv6 the /64; empty where none is counted. */
  address: string;
  /** Failures in a row; of an address, those in a window. */
  failures: number;
  last_at: Time;
  /** Until when attempts are refused. */
  refused_until: Time | null;
  /** Why they are: too many in a window, too early after the last one, too many in a row, too many different e-mails from an address. */
  reason: "" | "window" | "delay" | "ceiling" | "emails";
  expires_at: Time;
};

export type ThrottledList = {
  next: string | null;
  previous: null;
  results: Throttled[];
};

export type AuditList = {
  next: string | null;
  previous: null;
  results: AuditEvent[];
};

export type PermissionTable = {
  role: Role;
  /** Whether the role is meant for people from outside. */
  limited: boolean;
  roles: RolePermissions[];
};

export type RolePermissions = {
  role: Role;
  limited: boolean;
  permissions: PermissionExtent[];
};

export type PermissionExtent = {
  permission: "users.read" | "users.create" | "users.edit" | "users.grant" | "users.deactivate" | "users.logout" | "users.reset" | "users.history" | "users.delete" | "audit.read" | "stats.read" | "system.read" | "throttle.lift" | "own.others";
  roles: Role[] | null;
};

export type Stats = {
  unit: "hour" | "day";
  series: {
    logged_in: Counts;
    login_failed: Counts;
    registered: Counts;
    live_sessions: Counts;
  };
  now: {
    users: number;
    users_exact: boolean;
    live_sessions: number;
  };
};

/** How much happened from each time on, to the next. Null was not counted. */
export type Counts = ({
  at: Time;
  count: number | null;
})[];

export type System = {
  version: string;
  go: string;
  started_at: Time;
  database: {
    engine: string;
    version: string;
    /** In bytes. */
    size: number;
    schema: number;
  };
  keys: SigningKey[];
  audit: AuditState;
  settings: Setting[];
};

export type Diagnosis = {
  checked_at: Time;
  findings: Finding[];
};

export type Finding = {
  /** Names the check and does not change. */
  id: string;
  severity: "error" | "warning" | "notice" | "ok";
  /** One sentence; for ok, what was looked at. */
  what: string;
  /** What may come of it. Empty for ok. */
  why: string;
  /** What to do. Empty for ok. */
  mend: string;
  /** The same as a line to copy: a command or a setting. Empty where there is none. */
  do: string;
  /** What stands in the sentences for this server, by name: for texts of your own. */
  params: Record<string, string>;
};

/** How far the audit trail is sealed with a hash chain; `latchkey audit verify` compares all of it. */
export type AuditState = {
  /** broken: the ends of the chain are not as they were left, and nothing more is sealed. */
  state: "none" | "sealed" | "broken";
  /** Where the chain ends: the number of the last link and its hash, to be kept elsewhere. */
  head: string;
  /** Sealed so far, with those that are gone since. */
  events: number;
  begun_at: Time | null;
  sealed_at: Time | null;
  /** Events that are not sealed yet. */
  unsealed: number;
  unsealed_since: Time | null;
  /** When an operator last took the trail as it was, without a proof. */
  accepted_at: Time | null;
  /** When every sealed event was last compared. */
  verified_at: Time | null;
  /** What was found then. */
  problems: number;
};

export type SigningKey = {
  kid: string;
  algorithm: string;
  state: "published" | "signing" | "retired" | "removed";
  created_at: Time | null;
  retired_at: Time | null;
  accept_until: Time | null;
};

export type Setting = {
  key: string;
  /** A secret is hidden. */
  value: string;
  source: string;
  doc: string;
};

export type RevocationList = {
  /** What to ask on from. */
  seq: number;
  /** Whether after lies beyond what this database has: forget all, the rows begin anew. */
  reset: boolean;
  /** The longest that an access token lives in seconds. */
  max_access: number;
  revocations: Revocation[];
};

export type KeySet = {
  keys: ({
    kty: "OKP" | "EC" | "RSA";
    alg: "EdDSA" | "ES256" | "RS256";
    use: "sig";
    kid: string;
  })[];
};

export type Revocation = {
  seq: number;
  kind: "sid" | "jti" | "user" | "all";
  key: string;
  gen: number;
  iat_before: number;
  until: number;
};

export type Settings = {
  /** What the operator calls this service. */
  name: string;
  registration: {
    open: boolean;
    /** The roles that anybody may register with. */
    roles: Role[];
  };
  password: {
    min_length: number;
  };
  /** Lifetimes in seconds. */
  tokens: {
    access: number;
    refresh: number;
  };
};

export type Message = {
  message: string;
};

/** An error that is of the request as a whole. */
export type Detail = {
  detail: string;
};

/** Nothing has changed. Prove the password and repeat the request. */
export type ConfirmationRequired = {
  detail: string;
  code: "confirmation_required";
};

/** What is wrong, by field. non_field_errors is what belongs to none. */
export type FieldErrors = Partial<Record<"email" | "password" | "password2" | "old_password" | "limit" | "before" | "first_name" | "last_name" | "phone" | "role" | "token" | "refresh" | "refresh_token" | "non_field_errors", string[]>>;

export type InvalidData = {
  error: "Invalid data";
  details: FieldErrors;
};

export type InvalidCredentials = {
  error: "Invalid credentials";
  details: FieldErrors;
};

export type TokenError = {
  detail: string;
  code: "token_not_valid" | "no_active_account" | "user_not_found" | "user_inactive" | "bad_authorization_header";
};

/** The bearer token is not good. */
export type BearerError = {
  detail: "Given token not valid for any token type";
  code: "token_not_valid";
  messages: {
    token_class: "AccessToken";
    token_type: "access";
    message: string;
  }[];
};

export type Health = {
  status: string;
};

/** The paths of the API by the name of what they do. */
export const paths = {
  register: "/api/auth/register/",
  login: "/api/auth/login/",
  logout: "/api/auth/logout/",
  refresh: "/api/auth/token/refresh/",
  verify: "/api/auth/token/verify/",
  profile: "/api/auth/profile/",
  updateProfile: "/api/auth/profile/",
  patchProfile: "/api/auth/profile/",
  confirm: "/api/auth/confirm/",
  sessions: "/api/auth/sessions/",
  endOtherSessions: "/api/auth/sessions/",
  endSession: "/api/auth/sessions/{id}/",
  changePassword: "/api/auth/password/change/",
  events: "/api/auth/events/",
  permissions: "/api/auth/permissions/",
  checkReset: "/api/auth/password/reset/check/",
  confirmReset: "/api/auth/password/reset/confirm/",
  setUp: "/api/auth/setup/",
  checkSetup: "/api/auth/setup/check/",
  revocations: "/api/auth/revocations/",
  users: "/api/users/",
  createUser: "/api/users/",
  user: "/api/users/{id}/",
  replaceUser: "/api/users/{id}/",
  patchUser: "/api/users/{id}/",
  deleteUser: "/api/users/{id}/",
  deactivateUser: "/api/users/{id}/deactivate/",
  activateUser: "/api/users/{id}/activate/",
  logoutUser: "/api/users/{id}/logout/",
  resetLink: "/api/users/{id}/reset-link/",
  userSessions: "/api/users/{id}/sessions/",
  audit: "/api/audit/",
  throttled: "/api/throttle/",
  liftThrottle: "/api/throttle/{id}/",
  stats: "/api/stats/",
  system: "/api/system/",
  doctor: "/api/doctor/",
  settings: "/api/auth/settings/",
  docs: "/api/docs/",
  schema: "/api/schema/",
  jwks: "/.well-known/jwks.json",
  healthz: "/healthz",
  readyz: "/readyz",
} as const;
