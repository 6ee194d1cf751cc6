import { all, make, must } from "./dom";

/** Gives every piece of code a button that copies it. */
export function startCopying(): void {
  for (const figure of all<HTMLElement>("figure.code")) addCopyButton(figure);
}

export function addCopyButton(figure: HTMLElement): void {
  const label = make("span", { "aria-hidden": "true" }, "Copy");
  const button = make("button", { type: "button", class: "copy" }, label);
  const name = `Copy ${figure.dataset["name"] ?? "the code"}`;
  button.setAttribute("aria-label", name);
  let timer = 0;
  const say = (text: string, spoken: string) => {
    label.textContent = text;
    button.setAttribute("aria-label", spoken);
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      label.textContent = "Copy";
      button.setAttribute("aria-label", name);
    }, 2000);
  };
  button.addEventListener("click", () => {
    const code = must<HTMLElement>("code", figure);
    copy(code).then(
      () => say("Copied", "Copied"),
      () => {
        selectAll(code);
        say("Selected", "Selected, to be copied by keyboard");
      },
    );
  });
  must("figcaption", figure).append(button);
}

/** Without TLS a browser has no clipboard for pages; the old way may still do. */
async function copy(element: HTMLElement): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(element.textContent ?? "");
  selectAll(element);
  if (!document.execCommand("copy")) throw new Error("the browser does not let the page copy");
}

function selectAll(element: HTMLElement): void {
  getSelection()?.selectAllChildren(element);
}
