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
  event: "registered" | "logged_in" | "login_failed" | "logged_out" | "reuse_detected" | "session_revoked" | "session_limit" | "session_adopted" | "password_changed" | "role_changed" | "profile_changed" | "activated" | "deactivated" | "user_created" | "user_deleted" | "all_sessions_ended" | "restored";
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
  sessions: "/api/auth/sessions/",
  endOtherSessions: "/api/auth/sessions/",
  endSession: "/api/auth/sessions/{id}/",
  changePassword: "/api/auth/password/change/",
  events: "/api/auth/events/",
  settings: "/api/auth/settings/",
  docs: "/api/docs/",
  schema: "/api/schema/",
  healthz: "/healthz",
  readyz: "/readyz",
} as const;
