import { createRoot } from "react-dom/client";
import * as z from "zod/mini";
import { loadText, preferredLanguage } from "../text/text";
import { App } from "./app";

// It would try `new Function`, which the page's policy reports.
z.config({ jitless: true });

const language = preferredLanguage();
void loadText(language).then((text) => {
  const root = document.getElementById("root");
  if (root) createRoot(root).render(<App first={{ language, text }} />);
});
