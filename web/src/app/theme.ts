import { useState } from "react";

export type Theme = "system" | "light" | "dark";

const key = "latchkey.theme";

function read(): Theme {
  const set = document.documentElement.dataset["theme"];
  return set === "light" || set === "dark" ? set : "system";
}

/** The chosen theme, which public/theme.js has put on the page, and how to choose another. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState(read);
  return [
    theme,
    (next) => {
      setTheme(next);
      const { dataset } = document.documentElement;
      if (next === "system") delete dataset["theme"];
      else dataset["theme"] = next;
      try {
        localStorage.setItem(key, next);
      } catch {
        // It holds for this page then.
      }
    },
  ];
}
