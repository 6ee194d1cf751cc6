import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { en, type Text } from "./en";

/** The languages, each by its own name. A language is a file here and a line in this table. */
const languages = {
  en: { name: "English", load: () => Promise.resolve(en) },
  de: { name: "Deutsch", load: () => import("./de").then((m) => m.de) },
} satisfies Record<string, { name: string; load: () => Promise<Text> }>;

export type Language = keyof typeof languages;

export const languageNames = Object.entries(languages).map(([id, { name }]) => ({
  id: id as Language,
  name,
}));

const key = "latchkey.language";

function isLanguage(id: string | null | undefined): id is Language {
  return id !== null && id !== undefined && id in languages;
}

/** The language chosen here, or the first of the browser's that there is. */
export function preferredLanguage(): Language {
  let chosen: string | null = null;
  try {
    chosen = localStorage.getItem(key);
  } catch {
    // No storage, no choice.
  }
  if (isLanguage(chosen)) return chosen;
  return navigator.languages.map((l) => l.slice(0, 2).toLowerCase()).find(isLanguage) ?? "en";
}

/** The texts of a language. */
export function loadText(language: Language): Promise<Text> {
  return languages[language].load();
}

type Spoken = { text: Text; language: Language; speak: (language: Language) => void };

const Context = createContext<Spoken>({ text: en, language: "en", speak: () => {} });

/** Gives the texts to everything inside. */
export function TextProvider({
  first,
  children,
}: {
  first: { language: Language; text: Text };
  children: ReactNode;
}) {
  const [spoken, setSpoken] = useState(first);
  useEffect(() => {
    document.documentElement.lang = spoken.language;
  }, [spoken.language]);
  const value = useMemo(
    () => ({
      ...spoken,
      speak(language: Language) {
        try {
          localStorage.setItem(key, language);
        } catch {
          // It holds for this page then.
        }
        void loadText(language).then((text) => setSpoken({ language, text }));
      },
    }),
    [spoken],
  );
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** The texts in the language in force. */
export function useText(): Text {
  return useContext(Context).text;
}

/** The language in force, and how to change it. */
export function useLanguage(): Spoken {
  return useContext(Context);
}
