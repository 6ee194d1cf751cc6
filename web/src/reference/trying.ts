import { addCopyButton } from "./copy";
import { all, make, must } from "./dom";
import { request } from "./request";

/** What the forms send along. It is nowhere but here, and ends with the page. */
const held = { access: "", refresh: "" };

/** How long a form waits for its answer. */
const patience = 30_000;
/** How much of an answer is shown. */
const most = 20_000;

/** Makes the forms work, and shows them. */
export function startTrying(): void {
  const credentials = must<HTMLFormElement>("#credentials");
  const bearer = must<HTMLInputElement>("#bearer");
  const forms = all<HTMLFormElement>(".try form");
  const mode = () => must<HTMLInputElement>("input[name=mode]:checked", credentials).value;

  const tell = () => {
    bearer.disabled = mode() === "cookie";
    must("#mode-note").textContent = notes[mode()] ?? "";
    for (const form of forms) {
      const link = make("a", { href: "#try-it" }, "Change");
      form
        .querySelector(".credential")
        ?.replaceChildren(sentWith(form.dataset["credential"] ?? "", mode()), " ", link);
    }
  };
  bearer.addEventListener("input", () => {
    held.access = bearer.value.trim();
    tell();
  });
  credentials.addEventListener("change", tell);
  credentials.addEventListener("submit", (event) => event.preventDefault());

  for (const form of forms) {
    form.querySelector(".fill")?.addEventListener("click", () => fill(form));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void send(form, mode(), (tokens) => {
        if (tokens.access) bearer.value = held.access = tokens.access;
        if (tokens.refresh) held.refresh = tokens.refresh;
        if (form.dataset["operation"] === "logout") bearer.value = held.access = held.refresh = "";
        tell();
      });
    });
  }
  for (const details of all<HTMLElement>(".try")) details.hidden = false;
  tell();
}

const notes: Record<string, string> = {
  "": "No cookie is sent or kept. A sign-in below puts its token here.",
  cookie: "The sign-in of this browser is used: what is ended or changed below is yours.",
  hybrid: "The refresh token is this browser’s cookie; the access token stands here.",
};

function sentWith(credential: string, mode: string): string {
  if (mode !== "" && (mode === "cookie" || credential === "cookie")) return `Sent with Auth-Mode: ${mode}.`;
  if (credential === "cookie") return "Sent without Auth-Mode.";
  if (held.access !== "") return `Sent with the access token …${held.access.slice(-6)}.`;
  return credential === "required" ? "No access token yet: sign in above first." : "Sent without a token.";
}

type Control = HTMLInputElement | HTMLSelectElement;

function controls(form: HTMLFormElement): Control[] {
  return all<Control>("[data-where]", form);
}

function fill(form: HTMLFormElement): void {
  for (const control of controls(form)) {
    const token = isRefreshToken(form, control.name) && held.refresh;
    control.value = token || (control.dataset["example"] ?? "");
  }
}

/** Whether a field takes a refresh token that this page may have. */
function isRefreshToken(form: HTMLFormElement, name: string): boolean {
  const example = form.querySelector<HTMLElement>(`[name="${name}"]`)?.dataset["example"];
  return example !== undefined && ["refresh", "refresh_token", "token"].includes(name);
}

interface Tokens {
  access?: string;
  refresh?: string;
}

async function send(form: HTMLFormElement, mode: string, keep: (tokens: Tokens) => void): Promise<void> {
  const button = must<HTMLButtonElement>(".send", form);
  if (button.getAttribute("aria-disabled") === "true") return;
  const outcome = must<HTMLElement>(".outcome", form);
  const result = must<HTMLElement>(".result", form);
  const { method = "GET", path = "/", body, credential } = form.dataset;

  const { url, init } = request({
    method,
    path,
    inputs: controls(form).map((control) => ({
      name: control.name,
      where: control.dataset["where"] ?? "",
      type: control.dataset["type"] ?? "string",
      value: control.value,
    })),
    body: body !== undefined,
    credential: credential === "required" || credential === "optional",
    mode,
    access: held.access,
  });

  button.setAttribute("aria-disabled", "true");
  outcome.textContent = "Waiting for the answer…";
  const began = performance.now();
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(patience) });
    const text = await response.text();
    const took = Math.round(performance.now() - began);
    outcome.replaceChildren(
      make("strong", { class: response.ok ? "good" : "bad" }, String(response.status)),
      ` ${response.statusText} in ${took} ms, ${new TextEncoder().encode(text).length} bytes`,
    );
    result.replaceChildren(
      show("Body", pretty(text), "the body of the answer"),
      show(
        "Headers",
        [...response.headers].map((pair) => pair.join(": ")).join("\n"),
        "the headers of the answer",
      ),
    );
    result.hidden = false;
    if (response.ok) keep(tokensOf(text));
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    outcome.textContent = late
      ? `No answer in ${patience / 1000} seconds.`
      : "The server could not be reached. Nothing is known of what it did.";
    result.hidden = true;
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

function show(title: string, text: string, name: string): HTMLElement {
  const code = make("code", {}, text || "(empty)");
  const figure = make(
    "figure",
    { class: "code", "data-name": name },
    make("figcaption", {}, title),
    make("pre", {}, code),
  );
  addCopyButton(figure);
  return figure;
}

function pretty(text: string): string {
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // It is no JSON, and shown as it came.
  }
  return shown.length > most
    ? `${shown.slice(0, most)}\n… and ${shown.length - most} characters more`
    : shown;
}

/** The tokens that an answer brings, under `tokens` or by themselves. */
export function tokensOf(text: string): Tokens {
  try {
    const body = JSON.parse(text) as { tokens?: Tokens } & Tokens;
    const { access, refresh } = body.tokens ?? body;
    return {
      ...(typeof access === "string" ? { access } : {}),
      ...(typeof refresh === "string" ? { refresh } : {}),
    };
  } catch {
    return {};
  }
}
