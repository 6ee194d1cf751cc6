import { make, memory, must } from "./dom";

const names = { system: "System", light: "Light", dark: "Dark" };
const key = "latchkey.theme";

/** Adds the choice of the theme, which holds for the app too. */
export function startTheme(): void {
  // The app's language may have been set for it, too; this page speaks English.
  document.documentElement.lang = "en";
  const chosen = memory.read(key) ?? "system";
  const select = make("select", { id: "theme" });
  for (const [value, name] of Object.entries(names)) select.append(make("option", { value }, name));
  select.value = chosen in names ? chosen : "system";
  apply(select.value);
  select.addEventListener("change", () => {
    apply(select.value);
    memory.write(key, select.value);
  });
  must(".top").append(make("label", { for: "theme", class: "theme" }, make("span", {}, "Theme"), select));
}

function apply(theme: string): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}
