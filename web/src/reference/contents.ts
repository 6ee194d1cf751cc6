import { all, must } from "./dom";

/** The list of contents folds on small screens, and marks where the reader is. */
export function startContents(): void {
  for (const item of all<HTMLElement>("[data-script]")) item.hidden = false;
  must<HTMLElement>("#try-it").hidden = false;
  fold();
  follow();
}

function fold(): void {
  const box = must<HTMLElement>(".contents");
  const button = must<HTMLButtonElement>(".unfold", box);
  button.hidden = false;
  box.classList.add("folded");
  const set = (open: boolean) => {
    box.classList.toggle("folded", !open);
    button.setAttribute("aria-expanded", String(open));
  };
  button.addEventListener("click", () => set(box.classList.contains("folded")));
  box.addEventListener("click", ({ target }) => {
    if (target instanceof Element && target.closest("a")) set(false);
  });
  box.addEventListener("keydown", ({ key, target }) => {
    if (key !== "Escape" || (target as Element).id === "find" || !button.checkVisibility?.()) return;
    set(false);
    button.focus();
  });
}

function follow(): void {
  const nav = must<HTMLElement>("#contents");
  const links = new Map(
    all<HTMLAnchorElement>('a[href^="#"]', nav).map((link) => [link.getAttribute("href")?.slice(1), link]),
  );
  const parts = all<HTMLElement>("main section[id]").filter((part) => links.has(part.id));
  let current: HTMLAnchorElement | undefined;
  const mark = () => {
    // The last part that began above a third of the screen.
    const line = innerHeight / 3;
    const part = parts.findLast((one) => !one.hidden && one.getBoundingClientRect().top < line);
    const link = part && links.get(part.id);
    if (link === current) return;
    current?.removeAttribute("aria-current");
    link?.setAttribute("aria-current", "location");
    current = link;
    if (link?.checkVisibility?.()) reveal(nav, link);
  };
  let asked = false;
  addEventListener(
    "scroll",
    () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        mark();
      });
    },
    { passive: true },
  );
  mark();
}

/** Scrolls the list alone, and only if it must. */
function reveal(nav: HTMLElement, link: HTMLElement): void {
  const frame = nav.getBoundingClientRect();
  const { top, bottom } = link.getBoundingClientRect();
  if (top < frame.top) nav.scrollTop += top - frame.top - 16;
  else if (bottom > frame.bottom) nav.scrollTop += bottom - frame.bottom + 16;
}
