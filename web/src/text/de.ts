import type { Text } from "./en";

const viele = (n: number, eins: string, mehr: string) => `${n === 1 ? "ein" : n} ${n === 1 ? eins : mehr}`;

/** What the server says, which speaks English. */
const server: Record<string, string> = {
  "This field is required.": "Dieses Feld wird gebraucht.",
  "This field may not be blank.": "Dieses Feld darf nicht leer sein.",
  "This field may not be null.": "Dieses Feld darf nicht leer sein.",
  "Enter a valid email address.": "Geben Sie eine gültige E-Mail-Adresse ein.",
  "A user with this email already exists.": "Mit dieser E-Mail gibt es schon ein Konto.",
  "Password fields didn't match.": "Die beiden Passwörter sind nicht gleich.",
  "This password is too common.": "Dieses Passwort ist zu verbreitet.",
  "This password is entirely numeric.": "Dieses Passwort besteht nur aus Ziffern.",
  "The password is too similar to the first name.": "Das Passwort ähnelt dem Vornamen zu sehr.",
  "The password is too similar to the last name.": "Das Passwort ähnelt dem Nachnamen zu sehr.",
  "The password is too similar to the email address.": "Das Passwort ähnelt der E-Mail-Adresse zu sehr.",
  "The password is too similar to the phone.": "Das Passwort ähnelt der Telefonnummer zu sehr.",
  "This password is made of words that anybody would try here.":
    "Dieses Passwort besteht aus Wörtern, die hier jeder ausprobieren würde.",
  "This password has appeared in a data breach and is known to attackers. Choose another one.":
    "Dieses Passwort stand in einem Datenleck, und Angreifer kennen es. Wählen Sie ein anderes.",
  "Your old password was entered incorrectly. Please enter it again.": "Das bisherige Passwort stimmt nicht.",
  "Your password was entered incorrectly. Please enter it again.": "Das Passwort stimmt nicht.",
  "Password confirmation is required to perform this action.": "Dafür ist noch einmal Ihr Passwort nötig.",
  "Invalid credentials.": "E-Mail oder Passwort stimmt nicht.",
  "You do not have permission to perform this action.": "Das darf Ihre Rolle nicht.",
  "Not found.": "Das gibt es nicht.",
  "The last active administrator cannot be deactivated, demoted or deleted.":
    "Der letzte aktive Admin lässt sich weder deaktivieren noch herabstufen noch löschen.",
  "The resource was changed meanwhile.": "Das wurde inzwischen geändert.",
  "This link is not valid or has expired.": "Dieser Link gilt nicht oder ist abgelaufen.",
  "The account is not active.": "Das Konto ist nicht aktiv.",
  "Invalid cursor": "Diese Seite der Liste gibt es nicht mehr.",
  "Null characters are not allowed.": "Nullzeichen sind nicht erlaubt.",
};

const patterns: [RegExp, (n: string) => string][] = [
  [
    /^This password is too short\. It must contain at least (\d+) /,
    (n) => `Dieses Passwort ist zu kurz. Es braucht mindestens ${n} Zeichen.`,
  ],
  [
    /^This password is too long\. It must contain at most (\d+) /,
    (n) => `Dieses Passwort ist zu lang. Es hat höchstens ${n} Zeichen.`,
  ],
  [/^Ensure this field has no more than (\d+) /, (n) => `Höchstens ${n} Zeichen.`],
];

/** German. */
export const de: Text = {
  language: "Deutsch",

  signIn: "Anmelden",
  signOut: "Abmelden",
  createAccount: "Konto anlegen",
  cancel: "Abbrechen",
  tryAgain: "Noch einmal versuchen",
  close: "Schließen",
  skip: "Zum Inhalt springen",
  waiting: "Einen Augenblick…",
  loading: "Wird geladen",
  optional: "freiwillig",
  navigation: "Hauptnavigation",
  settings: "Darstellung und Sprache",
  theme: "Farben",
  themes: { system: "Wie das System", light: "Hell", dark: "Dunkel" },
  languageChoice: "Sprache",
  home: "Start",
  profile: "Profil",
  security: "Sicherheit",
  administration: "Verwaltung",
  undo: "Zurücknehmen",
  apiReference: "API-Referenz (englisch)",
  notifications: "Mitteilungen",

  email: "E-Mail",
  password: "Passwort",
  firstName: "Vorname",
  lastName: "Nachname",
  phone: "Telefon",
  role: "Rolle",
  showPassword: "Passwort zeigen",
  hidePassword: "Passwort verbergen",
  capsLock: "Die Feststelltaste ist an.",

  roles: { admin: "Admin", manager: "Leitung", employee: "Mitarbeit", client: "Kundschaft" },
  roleIs: {
    admin: "Voller Zugriff auf das System",
    manager: "Verwaltung von Mitarbeit und Kundschaft",
    employee: "Üblicher Zugriff",
    client: "Eingeschränkter Zugriff",
  },
  roleMay: {
    admin: [
      "Das eigene Konto, die Geräte und das Passwort pflegen",
      "Alle Konten pflegen und jede Rolle geben",
      "Das Protokoll lesen, Schlüssel und Einstellungen sehen",
    ],
    manager: [
      "Das eigene Konto, die Geräte und das Passwort pflegen",
      "Die Konten von Mitarbeit und Kundschaft pflegen",
      "Alles nutzen, was die Dienste Ihrer Organisation der Leitung öffnen",
    ],
    employee: [
      "Das eigene Konto, die Geräte und das Passwort pflegen",
      "Alles nutzen, was die Dienste Ihrer Organisation der Mitarbeit öffnen",
    ],
    client: [
      "Das eigene Konto, die Geräte und das Passwort pflegen",
      "Die Dienste nutzen, die der Kundschaft offenstehen",
    ],
  },

  summary: (n) => (n === 1 ? "Etwas stimmt noch nicht" : `${n} Angaben stimmen noch nicht`),
  required: "Dieses Feld wird gebraucht.",
  wrongCredentials: "E-Mail oder Passwort stimmt nicht.",
  throttled: (wait) => `Zu viele Versuche. Versuchen Sie es in ${wait} wieder.`,
  unreachable: "Der Server ist nicht zu erreichen. Was Sie geschrieben haben, steht noch da.",
  unavailable: "Der Server ist beschäftigt. Versuchen Sie es gleich noch einmal.",
  unexpected: "Bei uns ist etwas schiefgegangen. Versuchen Sie es gleich noch einmal.",
  conflict: "Ihr Konto wurde inzwischen geändert. Sehen Sie es an und wiederholen Sie, was Sie wollten.",
  offline: "Sie sind offline. Was Sie sehen, kann veraltet sein.",
  seconds: (n) => `${n} ${n === 1 ? "Sekunde" : "Sekunden"}`,
  minutes: (n) => `${n} ${n === 1 ? "Minute" : "Minuten"}`,
  server(message) {
    const known = server[message];
    if (known) return known;
    for (const [pattern, words] of patterns) {
      const found = pattern.exec(message);
      if (found?.[1]) return words(found[1]);
    }
    return message;
  },

  signInTitle: "Anmelden",
  welcomeTo: (service) => `Ihr Schlüssel zu ${service}`,
  welcomeBody:
    "Ein Konto, auf so vielen Geräten, wie Sie möchten. Sie sehen jedes davon und können es sofort aussperren.",
  noAccount: "Noch kein Konto?",
  ended: {
    expired: "Ihre Sitzung ist zu Ende. Melden Sie sich an, dann geht es weiter, wo Sie waren.",
    elsewhere: "Sie haben sich in einem anderen Tab abgemeldet.",
    logout: "Sie sind abgemeldet.",
  },

  registerTitle: "Konto anlegen",
  haveAccount: "Schon ein Konto?",
  repeatPassword: "Passwort wiederholen",
  closed: "Neue Konten werden nicht angenommen. Fragen Sie, wer diesen Dienst betreibt.",
  rules: "Das Passwort",
  ruleLength: (n) => `hat mindestens ${n} Zeichen`,
  ruleNumeric: "besteht nicht nur aus Ziffern",
  ruleSimilar: "ähnelt nicht Ihrem Namen oder Ihrer E-Mail",
  ruleCommon: "ist kein verbreitetes",
  ruleMatch: "ist in beiden Feldern gleich",
  ruleMet: "erfüllt",
  ruleNotMet: "nicht erfüllt",
  ruleUnknown: "wird beim Absenden geprüft",

  welcome: (name) => `Guten Tag, ${name}`,
  you: "Sie",
  yourRole: "Was Ihre Rolle darf",
  atAGlance: "Auf einen Blick",
  devices: (n) => `Angemeldet auf ${viele(n, "Gerät", "Geräten").replace("ein Gerät", "einem Gerät")}`,
  lastEvent: "Zuletzt in Ihrem Konto",
  memberSince: "Konto seit",

  profileTitle: "Profil",
  profileIntro: "Was andere von Ihnen sehen, wo Ihr Konto genutzt wird.",
  save: "Speichern",
  discard: "Änderungen verwerfen",
  saved: "Gespeichert",
  leaveTitle: "Ohne Speichern verlassen?",
  leaveBody: "Was Sie hier geändert haben, geht dann verloren.",
  leave: "Ohne Speichern verlassen",
  stay: "Weiter bearbeiten",
  readOnly: "Hier nicht zu ändern",
  changedAt: "Zuletzt geändert",

  securityTitle: "Sicherheit",
  changePassword: "Passwort ändern",
  currentPassword: "Bisheriges Passwort",
  newPassword: "Neues Passwort",
  repeatNewPassword: "Neues Passwort wiederholen",
  passwordChanged: (ended) =>
    ended === 0
      ? "Passwort geändert. Kein anderes Gerät war angemeldet."
      : `Passwort geändert. ${ended === 1 ? "Ein anderes Gerät wurde" : `${ended} andere Geräte wurden`} abgemeldet.`,
  signedInDevices: "Angemeldete Geräte",
  thisDevice: "Dieses Gerät",
  newDevice: "Neu",
  newDeviceHint: "Nach diesem Gerät angemeldet",
  device: "Gerät",
  address: "Adresse",
  firstSeen: "Angemeldet",
  lastSeen: "Zuletzt gesehen",
  action: "Aktion",
  unknownDevice: "Unbekanntes Gerät",
  unknownAddress: "unbekannter Adresse",
  onlyThis:
    "Sie sind nur auf diesem Gerät angemeldet. Melden Sie sich auf einem weiteren an, erscheint es hier.",
  deviceName: (browser, os) => `${browser} unter ${os}`,
  signOutDevice: (device) => `${device} abmelden`,
  signOutDeviceBody: (address) => `Wer es an ${address} nutzt, muss sich neu anmelden. Das gilt sofort.`,
  signedOutDevice: (device) => `${device} ist abgemeldet`,
  deviceGone: (device) => `${device} war schon abgemeldet`,
  signOutOthers: "Überall sonst abmelden",
  signOutOthersTitle: (n) => (n === 1 ? "Das andere Gerät abmelden?" : `${n} andere Geräte abmelden?`),
  signOutOthersBody: "Nur dieses Gerät bleibt angemeldet. Das gilt sofort.",
  signOutOthersDo: (n) => (n === 1 ? "Das andere Gerät abmelden" : `${n} andere Geräte abmelden`),
  signedOutOthers: (n) =>
    n === 1 ? "Ein anderes Gerät wurde abgemeldet" : `${n} andere Geräte wurden abgemeldet`,

  proofTitle: (what) => `${what}: Ihr Passwort`,
  proofBody:
    "Die letzte Eingabe ist eine Weile her. Hierfür wird noch einmal danach gefragt, falls jemand anderes hier sitzt.",

  activity: "Letzte Vorgänge",
  noActivity: "Noch ist nichts geschehen. Anmeldungen und Änderungen an Ihrem Konto erscheinen hier.",
  showMore: "Mehr zeigen",
  warning: "Achtung",
  events: {
    registered: () => "Sie haben dieses Konto angelegt",
    logged_in: () => "Sie haben sich angemeldet",
    login_failed: (e) =>
      e.count === 1
        ? "Jemand hat ein falsches Passwort versucht"
        : `${e.count} Versuche mit einem falschen Passwort`,
    logged_out: () => "Sie haben sich abgemeldet",
    reuse_detected: () =>
      "Eine Sitzung wurde beendet, weil ihr Schlüssel ein zweites Mal auftauchte. Er wurde vielleicht kopiert",
    session_revoked: () => "Ein Gerät wurde abgemeldet",
    session_limit: () => "Das älteste Gerät wurde abgemeldet, weil es zu viele waren",
    session_adopted: () => "Ein Gerät kam vom früheren Server herüber",
    password_changed: (e) =>
      e.actor === "self" ? "Sie haben Ihr Passwort geändert" : "Ihr Passwort wurde für Sie geändert",
    confirmed: () => "Sie haben Ihr Passwort bestätigt",
    role_changed: (e) => `Ihre Rolle wurde geändert: ${e.detail.replace("->", "→")}`,
    profile_changed: (e) =>
      e.actor === "self" ? "Sie haben Ihr Profil geändert" : "Ihr Profil wurde für Sie geändert",
    activated: () => "Ihr Konto wurde wieder geöffnet",
    deactivated: () => "Ihr Konto wurde geschlossen",
    user_created: () => "Dieses Konto wurde für Sie angelegt",
    user_deleted: () => "Dieses Konto wurde gelöscht",
    user_changed: () => "Ihr Konto wurde für Sie geändert",
    signed_out: () => "Sie wurden überall abgemeldet",
    reset_link_made: () => "Für Sie wurde ein Link für ein neues Passwort erstellt",
    password_reset: () => "Ihr Passwort wurde mit einem Link neu gesetzt",
    set_up: () => "Sie haben diesen Dienst eingerichtet",
    service_key_changed: () => "Die Schlüssel eines Dienstes wurden geändert",
    key_changed: () => "Die Schlüssel des Servers wurden geändert",
    all_sessions_ended: () => "Alle wurden abgemeldet",
    restored: () => "Der Server wurde aus einer Sicherung wiederhergestellt, und alle wurden abgemeldet",
    address_blocked: () => "Anmeldungen von einer Adresse wurden gesperrt",
    guesses_ended: () =>
      "Nach 100 falschen Passwörtern öffnen nur noch Ihre Geräte oder ein Link für ein neues Passwort Ihr Konto",
    throttle_lifted: () => "Anmeldeversuche sind wieder erlaubt",
    imported: () => "Konten wurden aus Django übernommen",
    taken_over: () => "Ihr Konto wurde aus Django übernommen",
    access_refused: (e) =>
      e.count === 1
        ? "Etwas wurde verlangt, das Ihre Rolle nicht öffnet"
        : `${e.count}-mal wurde verlangt, was Ihre Rolle nicht öffnet`,
    bypass_refused: (e) =>
      e.count === 1
        ? "Ein Versuch, eine Regel zu umgehen, wurde abgewiesen"
        : `${e.count} Versuche, eine Regel zu umgehen, wurden abgewiesen`,
    exported: () => "Änderungen wurden nach Django geschrieben",
  },
  eventFrom: (device, address) => [device, address].filter(Boolean).join(" · "),

  notFoundTitle: "Hier ist nichts",
  notFoundBody: "Vielleicht ist die Adresse vertippt, oder es ist umgezogen.",
  toHome: "Zum Start",
  errorTitle: "Auf dieser Seite ist etwas kaputtgegangen",
  errorBody:
    "Ihr Konto ist sicher. Laden Sie die Seite neu; hilft das nicht, sagen Sie es dem, der diesen Dienst betreibt.",
  reload: "Neu laden",
  failedTitle: "Das ließ sich nicht laden",
  awayTitle: "Der Server ist nicht zu erreichen",
  awayBody: "Diese Seite fragt von selbst wieder und macht weiter, sobald er antwortet.",
};
