import { de } from "../../text/links/de";
import { en, type LinksText } from "../../text/links/en";
import { useLanguage, type Language } from "../../text/text";

const texts: Record<Language, LinksText> = { en, de };

/** The texts of the pages behind links, in the language in force. */
export function useLinksText(): LinksText {
  return texts[useLanguage().language];
}
