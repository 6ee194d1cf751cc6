/** The pages behind one-time links, in English. */
export const en = {
  resetTitle: "Set a new password",
  resetFor: (email: string) => `For ${email}.`,
  resetEnds: "Afterwards you are signed out on all devices, and sign in with the new password.",
  validUntil: "The link is valid until",
  resetDo: "Set new password",
  resetDone: "Your new password is set",
  resetDoneBody: "You were signed out on all devices.",
  badTitle: "This link is used up",
  badBody: "It works once and for a limited time. Ask whoever gave it to you for another one.",
  goneTitle: "Open the link again",
  goneBody:
    "This page needs the whole link that you were given. For your safety it is forgotten when the page is loaded again.",

  setUpTitle: "Create the first administrator",
  setUpIntro: "This service has no administrator yet. This account can then create all the others.",
  setUpDo: "Create administrator",
  setUpBadTitle: "This set-up link is used up",
  setUpBadBody:
    "It works once, for 15 minutes, and only while there is no administrator. Start the server again for another one.",
};

export type LinksText = typeof en;
