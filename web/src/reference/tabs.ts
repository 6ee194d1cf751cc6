import { all, make, memory, must } from "./dom";

const key = "latchkey.reference.language";

/**
 * Makes tabs of the ways to call an operation. A choice holds for every
 * operation, and the tab that was pressed stays where it is on the screen.
 */
export function startTabs(): void {
  const groups = all<HTMLElement>(".snippets").map(group);
  const select = (language: string) => {
    for (const show of groups) show(language);
  };
  select(memory.read(key) ?? "curl");

  document.addEventListener("click", ({ target }) => {
    const tab = target instanceof Element && target.closest<HTMLElement>("[role=tab]");
    if (tab) choose(tab);
  });
  document.addEventListener("keydown", (event) => {
    const tab = event.target instanceof Element && event.target.closest<HTMLElement>("[role=tab]");
    const next = tab && neighbour(tab, event.key);
    if (!next) return;
    event.preventDefault();
    choose(next);
    next.focus();
  });

  function choose(tab: HTMLElement): void {
    const language = tab.dataset["language"] ?? "";
    const before = tab.getBoundingClientRect().top;
    select(language);
    window.scrollBy({ top: tab.getBoundingClientRect().top - before, behavior: "instant" });
    memory.write(key, language);
  }
}

function group(snippets: HTMLElement, index: number): (language: string) => void {
  const list = make("div", { role: "tablist", "aria-label": "Language of the example" });
  const panels = all<HTMLElement>(".snippet", snippets);
  const tabs = panels.map((panel) => {
    const { language = "", title = "" } = panel.dataset;
    const id = `call-${index}-${language}`;
    panel.id = `${id}-panel`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", id);
    must<HTMLElement>("figcaption", panel).textContent = "";
    return make(
      "button",
      { type: "button", role: "tab", id, "aria-controls": panel.id, "data-language": language },
      title,
    );
  });
  list.append(...tabs);
  snippets.prepend(list);
  return (wanted) => {
    const language = tabs.some((tab) => tab.dataset["language"] === wanted) ? wanted : "curl";
    for (const tab of tabs) {
      const chosen = tab.dataset["language"] === language;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
    for (const panel of panels) panel.hidden = panel.dataset["language"] !== language;
  };
}

function neighbour(tab: HTMLElement, key: string): HTMLElement | undefined {
  const tabs = all<HTMLElement>("[role=tab]", tab.parentElement ?? document);
  const at = tabs.indexOf(tab);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[key];
  return to === undefined ? undefined : tabs[to % tabs.length];
}
