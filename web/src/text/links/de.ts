import type { LinksText } from "./en";

/** The pages behind one-time links, in German. */
export const de: LinksText = {
  resetTitle: "Neues Passwort setzen",
  resetFor: (email) => `Für ${email}.`,
  resetEnds: "Danach sind Sie auf allen Geräten abgemeldet und melden sich mit dem neuen Passwort an.",
  validUntil: "Der Link gilt bis",
  resetDo: "Neues Passwort setzen",
  resetDone: "Ihr neues Passwort ist gesetzt",
  resetDoneBody: "Sie wurden auf allen Geräten abgemeldet.",
  badTitle: "Dieser Link ist verbraucht",
  badBody: "Er gilt einmal und nur eine Zeit lang. Bitten Sie, wer ihn Ihnen gab, um einen neuen.",
  goneTitle: "Öffnen Sie den Link noch einmal",
  goneBody:
    "Diese Seite braucht den ganzen Link, den Sie bekommen haben. Zu Ihrer Sicherheit wird er beim Neuladen vergessen.",

  setUpTitle: "Den ersten Admin anlegen",
  setUpIntro: "Dieser Dienst hat noch keinen Admin. Dieses Konto kann dann alle anderen anlegen.",
  setUpDo: "Admin anlegen",
  setUpBadTitle: "Dieser Einrichtungslink ist verbraucht",
  setUpBadBody:
    "Er gilt einmal, 15 Minuten lang und nur, solange es keinen Admin gibt. Starten Sie den Server neu, dann kommt ein anderer.",
};
