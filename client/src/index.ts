export {
  createClient,
  type Client,
  type ClientOptions,
  type Events,
  type Mode,
  type Prepared,
  type Reason,
  type SetUp,
  type State,
} from "./client.js";
export { errorOf, fieldErrors, LatchkeyError, NetworkError, type Problems } from "./errors.js";
export type { Pair, TokenStorage } from "./storage.js";
export type {
  Credentials,
  Diagnosis,
  Event,
  EventList,
  Expires,
  Finding,
  PasswordChange,
  PasswordChanged,
  Profile,
  ProfileUpdate,
  Registration,
  Role,
  Session,
  SessionList,
  SessionsEnded,
  Settings,
  User,
} from "./schema.js";
