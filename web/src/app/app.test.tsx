import { act, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse, type DefaultBodyType } from "msw";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { en } from "../text/en";
import { queries } from "./connection";

// The whole app against a server that answers what a test says. The real one is met in e2e/browser.

const ada = { id: 1, email: "ada@example.com", first_name: "Ada", last_name: "Lovelace", role: "employee" };
const expires = { access: Date.now() / 1000 + 9000, refresh: Date.now() / 1000 + 99_000 };
const settings = {
  name: "Example Ltd",
  registration: { open: true, roles: ["employee", "client"] },
  password: { min_length: 8 },
  tokens: { access: 10_800, refresh: 259_200 },
};
const profile = { ...ada, phone: "", created_at: "2026-01-02T03:04:05Z", updated_at: "2026-01-02T03:04:05Z" };
const device = {
  browser: "Firefox",
  os: "Linux",
  device: "Firefox on Linux",
  user_agent: "",
  address: "192.0.2.7",
};
const times = {
  first_seen: "2026-11-20T10:00:00Z",
  last_seen: "2026-11-20T10:00:00Z",
  expires_at: "2026-12-20T10:00:00Z",
};
const sessions = [
  { ...device, ...times, id: "a".repeat(32), browser: "Chrome", device: "Chrome on Linux", current: true },
  { ...device, ...times, id: "b".repeat(32), first_seen: "2026-11-21T10:00:00Z", current: false },
];
const unauthorized = () => HttpResponse.json({ detail: "no" }, { status: 401 });
const api = (path: string) => `*/api/auth/${path}`;

/** What the app has sent, as "METHOD path body". */
let sent: string[] = [];
let signedIn = false;
const server = setupServer();

beforeAll(() => {
  vi.stubGlobal("scrollTo", () => {});
  server.listen({ onUnhandledRequest: "error" });
  server.events.on("request:start", ({ request }) => {
    const copy = request.clone();
    void copy.text().then((body) => sent.push(`${copy.method} ${new URL(copy.url).pathname} ${body}`.trim()));
  });
});

beforeEach(() => {
  sent = [];
  queries.clear();
  server.use(
    http.get(api("settings/"), () => HttpResponse.json(settings)),
    http.get(api("profile/"), () => (signedIn ? HttpResponse.json(profile) : unauthorized())),
    http.post(api("token/refresh/"), unauthorized),
    http.get(api("sessions/"), () => HttpResponse.json({ expires, results: sessions })),
    http.get(api("permissions/"), () => HttpResponse.json({ role: "employee", limited: false, roles: [] })),
    http.get(api("events/"), () => HttpResponse.json({ next: null, results: [] })),
    http.post(api("logout/"), () => {
      signedIn = false;
      return HttpResponse.json({ message: "" });
    }),
  );
});

afterEach(async () => {
  const { client } = await import("../session");
  if (client.state.status === "signedIn") await act(() => client.logout());
  server.resetHandlers();
});

afterAll(() => server.close());

/** Opens the app at a path, signed in or not. */
async function open(path: string, as?: typeof ada) {
  signedIn = as !== undefined;
  const { client } = await import("../session");
  await client.restore();
  const { router } = await import("./router");
  await router.navigate(path);
  const { App } = await import("./app");
  render(<App first={{ language: "en", text: en }} />);
  return userEvent.setup();
}

const answer = (status: number, body: DefaultBodyType) => () => HttpResponse.json(body, { status });

test("who is not signed in is sent to sign in, and back", async () => {
  server.use(
    http.post(api("login/"), () => {
      signedIn = true;
      return HttpResponse.json({ message: "", user: ada, expires });
    }),
  );
  const user = await open("/profile");
  await screen.findByRole("heading", { name: "Sign in" });
  await user.type(screen.getByLabelText("E-mail"), "ada@example.com");
  await user.type(screen.getByLabelText("Password"), "c0rrect-Horse-42");
  await user.click(screen.getByRole("button", { name: "Sign in" }));
  const heading = await screen.findByRole("heading", { name: "Profile" });
  // From the form, which waits until the screen has come, the focus goes to the screen's heading.
  expect(heading).toHaveFocus();
  await waitFor(() => expect(document.title).toBe("Profile · Example Ltd"));
});

// ASVS 7.4.4
test.each(["/profile", "/security", "/"])("who is signed in can sign out from %s", async (path) => {
  const user = await open(path, ada);
  // The screen's code comes when it is first looked at.
  await user.click(await screen.findByRole("button", { name: "Sign out" }, { timeout: 20_000 }));
  await screen.findByRole("heading", { name: "Sign in" }, { timeout: 20_000 });
  expect(sent.some((s) => s.startsWith("POST /api/auth/logout/"))).toBe(true);
});

// ASVS 6.2.6, 6.2.7
test.each([
  ["/sign-in", "Password", "current-password"],
  ["/create-account", "Password", "new-password"],
])("at %s a password is masked until one looks, pasted, and kept by managers", async (path, label, kept) => {
  const user = await open(path);
  const field = await screen.findByLabelText(label, { exact: true });
  expect(field).toHaveAttribute("type", "password");
  expect(field).toHaveAttribute("autocomplete", kept);
  await user.click(field);
  await user.paste("from a manager 9");
  expect(field).toHaveValue("from a manager 9");
  const [look] = screen.getAllByRole("button", { name: en.showPassword });
  await user.click(look as HTMLElement);
  expect(field).toHaveAttribute("type", "text");
  const [cover] = screen.getAllByRole("button", { name: en.hidePassword });
  await user.click(cover as HTMLElement);
  expect(field).toHaveAttribute("type", "password");
});

test("a refused sign-in keeps what was typed and takes the focus to what is wrong", async () => {
  server.use(
    http.post(
      api("login/"),
      answer(401, { error: "Invalid credentials", details: { non_field_errors: ["x"] } }),
    ),
  );
  const user = await open("/sign-in");
  await user.type(screen.getByLabelText("E-mail"), "ada@example.com");
  await user.type(screen.getByLabelText("Password"), "wrong");
  await user.keyboard("{Enter}");
  const alert = await screen.findByRole("alert");
  expect(alert).toHaveTextContent(en.wrongCredentials);
  await waitFor(() => expect(alert).toHaveFocus());
  expect(screen.getByLabelText("Password")).toHaveValue("wrong");
  // A failed login is no reason to refresh: the one refresh is from finding out who one is.
  expect(sent.filter((s) => s.startsWith("POST /api/auth/token/refresh/")).length).toBeLessThanOrEqual(1);
});

test("too many attempts, in words", async () => {
  server.use(
    http.post(api("login/"), () =>
      HttpResponse.json({ detail: "x" }, { status: 429, headers: { "Retry-After": "600" } }),
    ),
  );
  const user = await open("/sign-in");
  await user.type(screen.getByLabelText("E-mail"), "a@b.co");
  await user.type(screen.getByLabelText("Password"), "x{Enter}");
  expect(await screen.findByRole("alert")).toHaveTextContent("Too many attempts. Try again in 10 minutes.");
});

test("a server that is not reached", async () => {
  server.use(http.post(api("login/"), () => HttpResponse.error()));
  const user = await open("/sign-in");
  await user.type(screen.getByLabelText("E-mail"), "a@b.co");
  await user.type(screen.getByLabelText("Password"), "x{Enter}");
  expect(await screen.findByRole("alert")).toHaveTextContent(en.unreachable);
});

test("an empty form says what is missing, under the field and in the summary", async () => {
  const user = await open("/sign-in");
  await user.click(screen.getByRole("button", { name: "Sign in" }));
  const alert = await screen.findByRole("alert");
  expect(
    within(alert)
      .getAllByRole("link")
      .map((l) => l.textContent),
  ).toEqual(["E-mail: This field is required.", "Password: This field is required."]);
  expect(screen.getByLabelText("E-mail")).toHaveAccessibleDescription("This field is required.");
  await user.click(within(alert).getAllByRole("link")[1] ?? alert);
  expect(screen.getByLabelText("Password")).toHaveFocus();
  expect(sent.filter((s) => s.includes("login"))).toEqual([]);
});

test("the server's details stand under their fields, and a common password is remembered", async () => {
  server.use(
    http.post(
      api("register/"),
      answer(400, {
        error: "Invalid data",
        details: {
          email: ["A user with this email already exists."],
          password: ["This password is too common.", "This password is entirely numeric."],
        },
      }),
    ),
  );
  const user = await open("/create-account");
  await user.type(await screen.findByLabelText("First name"), "Ada");
  await user.type(screen.getByLabelText("Last name"), "Lovelace");
  await user.type(screen.getByLabelText("E-mail"), "ada@example.com");
  await user.click(await screen.findByRole("radio", { name: /Client/ }));
  await user.type(screen.getByLabelText("Password"), "12345678");
  const rule = (name: RegExp) => screen.getByText(name).closest("li");
  expect(rule(/at least 8 characters/)).toHaveTextContent(": met");
  expect(rule(/entirely numeric/)).toHaveTextContent(": not met");
  expect(rule(/a common one/)).toHaveTextContent("checked when you send it");
  await user.type(screen.getByLabelText("Repeat password"), "12345678");
  await user.click(screen.getByRole("button", { name: "Create account" }));

  const alert = await screen.findByRole("alert");
  expect(alert).toHaveTextContent("There are 3 problems");
  expect(screen.getByLabelText("E-mail")).toHaveAccessibleDescription(
    "A user with this email already exists.",
  );
  expect(screen.getByLabelText("Password")).toHaveAccessibleDescription(/too common.*entirely numeric/);
  expect(rule(/a common one/)).toHaveTextContent(": not met");
  const body = JSON.parse(
    sent
      .find((s) => s.startsWith("POST /api/auth/register/"))
      ?.split(" ")
      .slice(2)
      .join(" ") ?? "",
  );
  expect(body).toEqual({
    first_name: "Ada",
    last_name: "Lovelace",
    email: "ada@example.com",
    role: "client",
    password: "12345678",
    password2: "12345678",
  });
});

test("registration that is closed says so", async () => {
  server.use(
    http.get(api("settings/"), () =>
      HttpResponse.json({ ...settings, registration: { open: false, roles: [] } }),
    ),
  );
  await open("/create-account");
  await screen.findByText(en.closed);
  expect(screen.queryByLabelText("E-mail")).toBeNull();
});

test("the profile sends what was changed, and asks before that is lost", async () => {
  server.use(
    http.put(api("profile/"), async ({ request }) =>
      HttpResponse.json({ ...profile, ...((await request.json()) as object) }),
    ),
  );
  const user = await open("/profile", ada);
  const first = await screen.findByLabelText("First name");
  await user.clear(first);
  await user.type(first, "Augusta");
  await user.click(screen.getByRole("link", { name: "Security" }));
  const dialog = await screen.findByRole("alertdialog", { name: en.leaveTitle });
  await user.click(within(dialog).getByRole("button", { name: en.stay }));
  expect(first).toHaveValue("Augusta");
  await user.click(screen.getByRole("button", { name: "Save" }));
  await screen.findByText("Saved");
  expect(sent).toContain('PUT /api/auth/profile/ {"first_name":"Augusta"}');
  await user.click(screen.getByRole("link", { name: "Security" }));
  await screen.findByRole("heading", { name: "Security" });
});

test("a device is signed out by name", async () => {
  let letGo = () => {};
  const held = new Promise<void>((resolve) => (letGo = resolve));
  server.use(
    http.delete(api("sessions/:id/"), async () => {
      await held;
      return new HttpResponse(null, { status: 204 });
    }),
  );
  const user = await open("/security", ada);
  const row = (await screen.findByText("Firefox on Linux")).closest("tr");
  expect(row).toHaveTextContent("New");
  expect(screen.getByText("Chrome on Linux").closest("tr")).toHaveTextContent("This device");
  await user.click(screen.getByRole("button", { name: "Sign out Firefox on Linux" }));
  const dialog = await screen.findByRole("alertdialog", { name: "Sign out Firefox on Linux?" });
  expect(dialog).toHaveTextContent("192.0.2.7");
  await user.click(within(dialog).getByRole("button", { name: "Sign out Firefox on Linux" }));
  // What is under way is not taken back by closing the question.
  const cancel = within(dialog).getByRole("button", { name: en.cancel });
  await waitFor(() => expect(cancel).toHaveAttribute("aria-disabled", "true"));
  await user.click(cancel);
  await user.keyboard("{Escape}");
  expect(dialog).toBeInTheDocument();
  letGo();
  await screen.findByText("Firefox on Linux is signed out");
  await waitFor(() => expect(dialog).not.toBeInTheDocument());
  expect(sent).toContain(`DELETE /api/auth/sessions/${"b".repeat(32)}/`);
});

// ASVS 7.5.2
test("what asks for the password is done once it was given", async () => {
  let fresh = false;
  server.use(
    http.delete(api("sessions/:id/"), () =>
      fresh
        ? new HttpResponse(null, { status: 204 })
        : HttpResponse.json({ detail: "no", code: "confirmation_required" }, { status: 403 }),
    ),
    http.post(api("confirm/"), async ({ request }) => {
      const { password } = (await request.json()) as { password: string };
      fresh = password === "c0rrect-Horse-42";
      return fresh
        ? new HttpResponse(null, { status: 204 })
        : HttpResponse.json(
            { error: "Invalid data", details: { password: ["Your password was entered incorrectly."] } },
            { status: 400 },
          );
    }),
  );
  const user = await open("/security", ada);
  const name = "Sign out Firefox on Linux";
  const begin = async () => {
    await user.click(await screen.findByRole("button", { name }));
    const asked = await screen.findByRole("alertdialog", { name: `${name}?` });
    await user.click(within(asked).getByRole("button", { name }));
    return screen.findByRole("alertdialog", { name: `${name}: your password` });
  };

  // Whoever does not give it has done nothing, and is not told so.
  let dialog = await begin();
  const field = () => within(dialog).getByLabelText("Password");
  expect(field()).toHaveFocus();
  expect(field()).toHaveAttribute("autocomplete", "current-password");
  // The question that it comes from cannot be reached meanwhile.
  expect(screen.queryByRole("alertdialog", { name: `${name}?` })).toBeNull();
  await user.keyboard("{Escape}");
  await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
  expect(screen.queryByText(/is signed out|went wrong/)).toBeNull();
  // So it is when a click beside it has taken the focus away.
  await begin();
  await act(async () => (document.activeElement as HTMLElement).blur());
  expect(document.body).toHaveFocus();
  await user.keyboard("{Escape}");
  await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());

  dialog = await begin();
  const go = () => user.click(within(dialog).getByRole("button", { name }));
  await go();
  expect(field()).toHaveAccessibleDescription(en.required);
  await user.type(field(), "wrong");
  await go();
  await waitFor(() => expect(field()).toHaveAccessibleDescription("Your password was entered incorrectly."));
  expect(field()).toHaveFocus();
  await user.clear(field());
  await user.type(field(), "c0rrect-Horse-42");
  await go();
  await screen.findByText("Firefox on Linux is signed out");
  await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
  const asked = sent.filter((s) => /^(DELETE|POST) \/api\/auth\/(sessions|confirm)/.test(s));
  const end = `DELETE /api/auth/sessions/${"b".repeat(32)}/`;
  const confirm = (password: string) => `POST /api/auth/confirm/ ${JSON.stringify({ password })}`;
  expect(asked).toEqual([end, end, end, confirm("wrong"), confirm("c0rrect-Horse-42"), end]);
  expect(document.getElementById("root")?.inert ?? false).toBe(false);
});

test("a changed password says how many devices that signed out", async () => {
  server.use(http.post(api("password/change/"), answer(200, { message: "", ended: 2 })));
  const user = await open("/security", ada);
  await user.type(await screen.findByLabelText("Current password"), "old");
  await user.type(screen.getByLabelText("New password"), "an0ther-Horse-42");
  await user.type(screen.getByLabelText("Repeat new password"), "an0ther-Horse-42");
  await user.click(screen.getByRole("button", { name: "Change password" }));
  await screen.findByText("Password changed. 2 other devices were signed out.");
  expect(screen.getByLabelText("Current password")).toHaveValue("");
});

test("a list that does not load offers to try again", async () => {
  let broken = true;
  server.use(
    http.get(api("events/"), () =>
      broken
        ? HttpResponse.json({ detail: "x" }, { status: 500 })
        : HttpResponse.json({ next: null, results: [] }),
    ),
  );
  const user = await open("/security", ada);
  const alert = await screen.findByRole("alert");
  expect(alert).toHaveTextContent(en.failedTitle);
  broken = false;
  await user.click(within(alert).getByRole("button", { name: "Try again" }));
  await screen.findByText(en.noActivity);
});

test("what happened a moment ago is not hidden by what was seen a moment ago", async () => {
  const event = {
    ...device,
    id: 1,
    event: "logged_in",
    at: "2026-11-20T10:00:00Z",
    actor: "self",
    count: 1,
    detail: "",
  };
  const events = [event];
  server.use(http.get(api("events/"), () => HttpResponse.json({ next: null, results: events })));
  const user = await open("/security", ada);
  await screen.findByText("You signed in");
  await user.click(screen.getByRole("link", { name: "Profile" }));
  await screen.findByRole("heading", { name: "Profile" });
  events.unshift({ ...event, id: 2, event: "password_changed" });
  await user.click(screen.getByRole("link", { name: "Security" }));
  expect(await screen.findByText("You changed your password")).toBeVisible();
});

test("a session that ends keeps the way back", async () => {
  await open("/security", ada);
  await screen.findByRole("heading", { name: "Security" });
  signedIn = false;
  server.use(http.get(api("sessions/"), unauthorized));
  const { client } = await import("../session");
  await act(() => client.fetch("/api/auth/profile/"));
  await screen.findByText(en.ended.expired);
  expect(location.pathname + location.search).toBe("/sign-in?next=%2Fsecurity");
});

test("the language is changed where one is", async () => {
  const user = await open("/sign-in");
  await user.selectOptions(await screen.findByLabelText("Language"), "Deutsch");
  await screen.findByRole("heading", { name: "Anmelden" });
  await waitFor(() => expect(document.documentElement.lang).toBe("de"));
  expect(Object.keys(localStorage)).toEqual(["latchkey.language"]);
  await user.selectOptions(screen.getByLabelText("Sprache"), "English");
  await screen.findByRole("heading", { name: "Sign in" });
});

test("an address that is nobody's", async () => {
  await open("/nowhere");
  expect(await screen.findByRole("heading", { name: en.notFoundTitle })).toBeVisible();
});
