import { de } from "../../text/console/de";
import { en, type ConsoleText } from "../../text/console/en";
import { useLanguage, type Language } from "../../text/text";

// Both come with the console: to change the language there needs no waiting, and one text more is not much.
const texts: Record<Language, ConsoleText> = { en, de };

/** The console's texts in the language in force. */
export function useConsoleText(): ConsoleText {
  return texts[useLanguage().language];
}
