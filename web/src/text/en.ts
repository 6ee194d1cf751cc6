import type { Event, Role } from "@latchkey/client";

/** What can have happened; the last ones are those of the administration. */
export type EventName =
  | Event["event"]
  | "user_changed"
  | "signed_out"
  | "reset_link_made"
  | "password_reset"
  | "set_up"
  | "service_key_changed"
  | "key_changed"
  | "address_blocked"
  | "guesses_ended"
  | "throttle_lifted";

const many = (n: number, one: string, other: string) => `${n} ${n === 1 ? one : other}`;

/** Every text of the app in English, and the shape of every other language. */
export const en = {
  language: "English",

  // What several screens say.
  signIn: "Sign in",
  signOut: "Sign out",
  createAccount: "Create account",
  cancel: "Cancel",
  tryAgain: "Try again",
  close: "Close",
  skip: "Skip to content",
  waiting: "One moment…",
  loading: "Loading",
  optional: "optional",
  navigation: "Main",
  settings: "Appearance and language",
  theme: "Theme",
  themes: { system: "System", light: "Light", dark: "Dark" },
  languageChoice: "Language",
  home: "Home",
  profile: "Profile",
  security: "Security",
  administration: "Administration",
  undo: "Undo",
  apiReference: "API reference",
  notifications: "Notifications",

  email: "E-mail",
  password: "Password",
  firstName: "First name",
  lastName: "Last name",
  phone: "Phone",
  role: "Role",
  showPassword: "Show password",
  hidePassword: "Hide password",
  capsLock: "Caps Lock is on.",

  roles: { admin: "Admin", manager: "Manager", employee: "Employee", client: "Client" } satisfies Record<
    Role,
    string
  >,
  roleIs: {
    admin: "Full access to the system",
    manager: "Management of employees and clients",
    employee: "Standard access",
    client: "Limited access",
  } satisfies Record<Role, string>,
  roleMay: {
    admin: [
      "Look after your own account, devices and password",
      "Look after all accounts and give any role",
      "Read the audit log, and see keys and settings",
    ],
    manager: [
      "Look after your own account, devices and password",
      "Look after the accounts of employees and clients",
      "Use whatever your organisation's services open to managers",
    ],
    employee: [
      "Look after your own account, devices and password",
      "Use whatever your organisation's services open to employees",
    ],
    client: [
      "Look after your own account, devices and password",
      "Use the services that are open to clients",
    ],
  } satisfies Record<Role, string[]>,

  // Problems.
  summary: (n: number) => (n === 1 ? "There is a problem" : `There are ${n} problems`),
  required: "This field is required.",
  wrongCredentials: "The e-mail or the password is not right.",
  throttled: (wait: string) => `Too many attempts. Try again in ${wait}.`,
  unreachable: "The server cannot be reached. What you typed is still here.",
  unavailable: "The server is busy. Try again in a moment.",
  unexpected: "Something went wrong on our side. Try again in a moment.",
  conflict: "Your account was changed meanwhile. Look at it again and repeat what you wanted.",
  offline: "You are offline. What you see may be out of date.",
  seconds: (n: number) => many(n, "second", "seconds"),
  minutes: (n: number) => many(n, "minute", "minutes"),
  /** The server's own words in this language. */
  server: (message: string): string => message,

  // Sign in.
  signInTitle: "Sign in",
  welcomeTo: (service: string) => `Your key to ${service}`,
  welcomeBody:
    "One account, on as many devices as you like. You see each of them, and can shut it out at once.",
  noAccount: "No account yet?",
  ended: {
    expired: "Your session ended. Sign in to go on where you were.",
    elsewhere: "You signed out in another tab.",
    logout: "You are signed out.",
  },

  // Create account.
  registerTitle: "Create your account",
  haveAccount: "Have an account?",
  repeatPassword: "Repeat password",
  closed: "New accounts are not being taken. Ask whoever runs this service.",
  rules: "The password",
  ruleLength: (n: number) => `has at least ${n} characters`,
  ruleNumeric: "is not entirely numeric",
  ruleSimilar: "is not too similar to your name or e-mail",
  ruleCommon: "is not a common one",
  ruleMatch: "is the same in both fields",
  ruleMet: "met",
  ruleNotMet: "not met",
  ruleUnknown: "checked when you send it",

  // Home.
  welcome: (name: string) => `Hello, ${name}`,
  you: "You",
  yourRole: "What your role may do",
  atAGlance: "At a glance",
  devices: (n: number) => `Signed in on ${many(n, "device", "devices")}`,
  lastEvent: "Last on your account",
  memberSince: "Account since",

  // Profile.
  profileTitle: "Profile",
  profileIntro: "What others see of you where your account is used.",
  save: "Save",
  discard: "Discard changes",
  saved: "Saved",
  leaveTitle: "Leave without saving?",
  leaveBody: "What you changed here is lost then.",
  leave: "Leave without saving",
  stay: "Go on editing",
  readOnly: "Cannot be changed here",
  changedAt: "Last changed",

  // Security.
  securityTitle: "Security",
  changePassword: "Change password",
  currentPassword: "Current password",
  newPassword: "New password",
  repeatNewPassword: "Repeat new password",
  passwordChanged: (ended: number) =>
    ended === 0
      ? "Password changed. No other device was signed in."
      : `Password changed. ${many(ended, "other device was", "other devices were")} signed out.`,
  signedInDevices: "Signed-in devices",
  thisDevice: "This device",
  newDevice: "New",
  newDeviceHint: "Signed in after this device did",
  device: "Device",
  address: "Address",
  firstSeen: "First seen",
  lastSeen: "Last seen",
  action: "Action",
  unknownDevice: "Unknown device",
  unknownAddress: "unknown address",
  onlyThis: "You are signed in on this device only. When you sign in on another one, it appears here.",
  deviceName: (browser: string, os: string) => `${browser} on ${os}`,
  signOutDevice: (device: string) => `Sign out ${device}`,
  signOutDeviceBody: (address: string) =>
    `Whoever uses it, at ${address}, has to sign in again. This takes effect at once.`,
  signedOutDevice: (device: string) => `${device} is signed out`,
  deviceGone: (device: string) => `${device} was signed out already`,
  signOutOthers: "Sign out everywhere else",
  signOutOthersTitle: (n: number) => `Sign out ${many(n, "other device", "other devices")}?`,
  signOutOthersBody: "Only this device stays signed in. This takes effect at once.",
  signOutOthersDo: (n: number) => `Sign out ${many(n, "other device", "other devices")}`,
  signedOutOthers: (n: number) => `${many(n, "other device was", "other devices were")} signed out`,

  proofTitle: (what: string) => `${what}: your password`,
  proofBody: "You proved it a while ago. For this it is asked for again, in case somebody else sits here.",

  activity: "Recent activity",
  noActivity: "Nothing has happened yet. Sign-ins and changes to your account appear here.",
  showMore: "Show more",
  warning: "Attention",
  events: {
    registered: () => "You created this account",
    logged_in: () => "You signed in",
    login_failed: (e) =>
      e.count === 1 ? "Somebody tried a wrong password" : `${e.count} attempts with a wrong password`,
    logged_out: () => "You signed out",
    reuse_detected: () =>
      "A session was ended because its key turned up a second time. It may have been copied",
    session_revoked: () => "A device was signed out",
    session_limit: () => "The oldest device was signed out, since there were too many",
    session_adopted: () => "A device went on from the server before this one",
    password_changed: (e) =>
      e.actor === "self" ? "You changed your password" : "Your password was changed for you",
    confirmed: () => "You confirmed your password",
    role_changed: (e) => `Your role was changed: ${e.detail.replace("->", "→")}`,
    profile_changed: (e) =>
      e.actor === "self" ? "You changed your profile" : "Your profile was changed for you",
    activated: () => "Your account was opened again",
    deactivated: () => "Your account was shut",
    user_created: () => "This account was created for you",
    user_deleted: () => "This account was deleted",
    user_changed: () => "Your account was changed for you",
    signed_out: () => "You were signed out everywhere",
    reset_link_made: () => "A link for a new password was made for you",
    password_reset: () => "Your password was set anew with a link",
    set_up: () => "You set this service up",
    service_key_changed: () => "The keys of a service were changed",
    key_changed: () => "The keys of the server were changed",
    all_sessions_ended: () => "Everybody was signed out",
    restored: () => "The server was restored from a backup, and everybody signed out",
    address_blocked: () => "Sign-ins from an address were blocked",
    guesses_ended: () =>
      "After 100 wrong passwords only devices that you use, and a link for a new password, open your account",
    throttle_lifted: () => "Attempts to sign in are allowed again",
    imported: () => "Accounts were taken over from Django",
    taken_over: () => "Your account was taken over from Django",
    access_refused: (e) =>
      e.count === 1
        ? "Something was asked for that your role does not open"
        : `${e.count} requests for what your role does not open`,
    bypass_refused: (e) =>
      e.count === 1
        ? "An attempt to get around a rule was refused"
        : `${e.count} attempts to get around a rule were refused`,
    exported: () => "Changes were written back to Django",
  } satisfies Record<EventName, (e: Event) => string> as Record<EventName, (e: Event) => string>,
  eventFrom: (device: string, address: string) => [device, address].filter(Boolean).join(" · "),

  // Where there is nothing, or something went wrong.
  notFoundTitle: "There is nothing here",
  notFoundBody: "The address may be mistyped, or what was here has moved.",
  toHome: "Go home",
  errorTitle: "Something broke on this page",
  errorBody: "Your account is safe. Load the page again; if it breaks again, tell whoever runs this service.",
  reload: "Load again",
  failedTitle: "This could not be loaded",
  awayTitle: "The server cannot be reached",
  awayBody: "This page asks again by itself and goes on when it answers.",
};

export type Text = typeof en;
