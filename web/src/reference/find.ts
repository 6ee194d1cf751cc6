import { all, must } from "./dom";

/** Finds operations by what they are called, their method or their path. */
export function startFinding(): void {
  const box = must<HTMLElement>(".find");
  const input = must<HTMLInputElement>("#find");
  const status = must<HTMLElement>("output", box);
  const links = new Map(all("#contents a").map((link) => [link.getAttribute("href"), link.closest("li")]));
  const operations = all<HTMLElement>("section.operation");
  box.hidden = false;

  const find = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const operation of operations) {
      const text = operation.dataset["find"] ?? "";
      const found = words.every((word) => text.includes(word));
      operation.hidden = !found;
      const item = links.get(`#${operation.id}`);
      if (item) item.hidden = !found;
      if (found) count++;
    }
    for (const group of all<HTMLElement>("main > .group, #contents .group-links")) {
      const items = all<HTMLElement>(group.matches("main > *") ? "section.operation" : "li", group);
      group.hidden = items.length > 0 ? items.every((item) => item.hidden) : words.length > 0;
    }
    for (const part of all<HTMLElement>("main > :not(.group)")) part.hidden = words.length > 0;
    status.textContent =
      words.length === 0
        ? ""
        : count === 0
          ? "No operation has that in its name or path."
          : `${count} of ${operations.length} operations`;
  };
  const clear = () => {
    input.value = "";
    find();
  };

  input.addEventListener("input", find);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && input.value !== "") {
      event.preventDefault();
      clear();
    }
    if (event.key === "Enter") {
      const first = operations.find((operation) => !operation.hidden);
      if (first && input.value !== "") location.hash = first.id;
    }
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, textarea, select");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const unfold = document.querySelector<HTMLButtonElement>(".folded .unfold");
    if (unfold?.checkVisibility?.()) unfold.click();
    input.focus();
  });
  // A link to what is not shown now shows everything again.
  const uncover = (hash: string) => {
    const target = document.getElementById(decodeURIComponent(hash.slice(1)));
    if (target?.closest("[hidden]")) clear();
    return target;
  };
  document.addEventListener("click", ({ target }) => {
    const link = target instanceof Element && target.closest('a[href^="#"]');
    if (link) uncover(link.getAttribute("href") ?? "");
  });
  addEventListener("hashchange", () => uncover(location.hash)?.scrollIntoView());
}
