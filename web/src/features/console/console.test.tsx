import { act, screen, waitFor, within } from "@testing-library/react";
import { http, HttpResponse } from "msw";
import { expect, test, vi } from "vitest";
import { fakeWorld } from "../../fake/open";
import { longName, makeEvent, makeUser } from "../../fake/world";
import { en } from "../../text/console/en";

const { server, state, open } = fakeWorld();
const admin = 1;
const manager = 2;

const asked = (what: RegExp) => state.sent.filter((s) => what.test(s));
const lists = () => asked(/^GET \/api\/users\/\?/);
const at = () => location.pathname + location.search;
const broken = () => HttpResponse.json({ detail: "x" }, { status: 500 });
const table = () => screen.findByRole("table", { name: /Users/ });
const bodyRows = async () =>
  within(await table())
    .getAllByRole("row")
    .slice(1);

test("who administers nothing sees nothing of it", async () => {
  state.world.users.push(makeUser(500, { role: "employee", is_active: true }));
  await open("/", 500);
  await screen.findByRole("heading", { name: /^Hello/ });
  await waitFor(() => expect(asked(/permissions/)).toHaveLength(1));
  expect(screen.queryByRole("link", { name: "Administration" })).toBeNull();
});

test("an employee who knows the address is refused, and asks nothing", async () => {
  state.world.users.push(makeUser(500, { role: "employee", is_active: true }));
  await open("/admin/users", 500);
  await screen.findByRole("heading", { name: en.refusedTitle });
  expect(lists()).toEqual([]);
});

test("a manager sees what a manager may", async () => {
  await open("/admin", manager);
  await screen.findByRole("heading", { name: "Overview" });
  const nav = within(screen.getByRole("navigation", { name: "Administration" }));
  expect(nav.getAllByRole("link").map((l) => l.textContent)).toEqual(["Overview", "Users", "Roles"]);
});

test("an admin sees all of it", async () => {
  await open("/admin", admin);
  const nav = within(await screen.findByRole("navigation", { name: "Administration" }));
  expect((await nav.findAllByRole("link")).map((l) => l.textContent)).toEqual([
    "Overview",
    "Users",
    "Audit log",
    "Failed attempts",
    "Roles",
    "Health",
    "System",
  ]);
});

test.each(["/admin/audit", "/admin/attempts", "/admin/health", "/admin/system"])(
  "a manager is refused %s, and nothing is asked",
  async (path) => {
    await open(path, manager);
    await screen.findByRole("heading", { name: en.refusedTitle });
    expect(asked(/audit|doctor|system|throttle/)).toEqual([]);
  },
);

test("the list of users: how many, and what the address says", async () => {
  await open("/admin/users?role=client&is_active=true&ordering=email&page_size=10", admin);
  const rows = await bodyRows();
  expect(rows).toHaveLength(10);
  expect(screen.getByText(/^\d+ users$/)).toBeVisible();
  const [first] = lists();
  const params = new URLSearchParams(first?.split("?")[1]);
  expect(Object.fromEntries(params)).toEqual({
    role: "client",
    is_active: "true",
    ordering: "email",
    page_size: "10",
  });
  expect(screen.getByLabelText("Role")).toHaveValue("client");
  expect(screen.getByRole("columnheader", { name: "E-mail" })).toHaveAttribute("aria-sort", "ascending");
});

test("numbers as people write them, and when there are too many to count", async () => {
  server.use(
    http.get("*/api/users/", ({ request }) => {
      const many = new URL(request.url).searchParams.get("role") === "client";
      return HttpResponse.json({
        count: many ? 10_000 : 1234,
        count_exact: !many,
        next: null,
        previous: null,
        results: [makeUser(5)],
      });
    }),
  );
  const user = await open("/admin/users", admin);
  await screen.findByText("1,234 users");
  await user.selectOptions(screen.getByLabelText("Role"), "Client");
  expect(await screen.findByText("more than 10,000 users")).toBeVisible();
});

test("what one looks for is asked once one pauses, and stands in the address", async () => {
  const user = await open("/admin/users?role=employee", admin);
  await table();
  const before = lists().length;
  await user.type(screen.getByRole("searchbox"), "grace");
  await waitFor(() => expect(at()).toBe("/admin/users?search=grace&role=employee"));
  await waitFor(() => expect(lists().length).toBe(before + 1));
  expect(lists().at(-1)).toContain("search=grace");
});

test("the head orders, and again the other way round", async () => {
  const user = await open("/admin/users", admin);
  await table();
  await user.click(screen.getByRole("button", { name: "Name" }));
  await waitFor(() => expect(at()).toBe("/admin/users?ordering=name"));
  await user.click(screen.getByRole("button", { name: "Name" }));
  await waitFor(() => expect(at()).toBe("/admin/users?ordering=-name"));
  expect(screen.getByRole("columnheader", { name: "Name" })).toHaveAttribute("aria-sort", "descending");
});

test("pages, there and back", async () => {
  const user = await open("/admin/users?page_size=25", admin);
  const first = (await bodyRows())[0]?.textContent;
  const pages = within(screen.getByRole("navigation", { name: en.pages }));
  expect(pages.getByRole("button", { name: "Previous" })).toHaveAttribute("aria-disabled", "true");
  await user.click(pages.getByRole("button", { name: "Next" }));
  await waitFor(() => expect(at()).toContain("cursor=25"));
  await waitFor(async () => expect((await bodyRows())[0]?.textContent).not.toBe(first));
  await user.click(pages.getByRole("button", { name: "Previous" }));
  await waitFor(async () => expect((await bodyRows())[0]?.textContent).toBe(first));
});

test("a short page with a next one is filled up by itself", async () => {
  state.world.stingy = 3;
  await open("/admin/users?page_size=10", admin);
  await waitFor(async () => expect(await bodyRows()).toHaveLength(10));
  // 3 + 3 + 3 + 1, and not one more.
  expect(lists()).toHaveLength(4);
  expect(lists().at(-1)).toContain("page_size=1");
  expect(screen.getByRole("button", { name: "Next" })).not.toHaveAttribute("aria-disabled", "true");
});

test("a load that fails keeps what was there", async () => {
  const user = await open("/admin/users", admin);
  const before = (await bodyRows()).length;
  let down = true;
  server.use(http.get("*/api/users/", () => (down ? broken() : undefined)));
  await user.selectOptions(screen.getByLabelText("Role"), "Client");
  const alert = await screen.findByRole("alert");
  expect(alert).toHaveTextContent(en.stale);
  expect(await bodyRows()).toHaveLength(before);
  down = false;
  await user.click(within(alert).getByRole("button", { name: "Try again" }));
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
  for (const row of await bodyRows()) expect(row).toHaveTextContent("Client");
});

test("nothing that matches says so, and how to see all again", async () => {
  const user = await open("/admin/users?search=nobodyhasthisname", admin);
  await screen.findByText(en.noMatch);
  await user.click(screen.getByRole("button", { name: en.clearFilters }));
  await table();
  expect(at()).toBe("/admin/users");
});

test("the keyboard goes through the rows", async () => {
  const user = await open("/admin/users?page_size=10&ordering=-id", admin);
  const rows = await bodyRows();
  const links = rows.map((row) => within(row).getByRole("link"));
  links[0]?.focus();
  await user.keyboard("{ArrowDown}{ArrowDown}");
  expect(links[2]).toHaveFocus();
  await user.keyboard("{End}");
  expect(links.at(-1)).toHaveFocus();
  await user.keyboard("{Home}{ArrowUp}");
  expect(links[0]).toHaveFocus();
  const [box] = within(rows[0] as HTMLElement).getAllByRole("checkbox");
  box?.focus();
  await user.keyboard("{ArrowDown} ");
  expect(within(rows[1] as HTMLElement).getByRole("checkbox")).toBeChecked();
});

test("a manager selects no admin, no manager and nobody's own self", async () => {
  await open("/admin/users?ordering=id&page_size=50", manager);
  for (const row of await bodyRows()) {
    const above = /Manager|Admin/.test(
      within(row)
        .getAllByRole("cell")
        .map((c) => c.textContent)
        .join(),
    );
    expect(within(row).queryAllByRole("checkbox")).toHaveLength(above ? 0 : 1);
  }
});

test("many are deactivated, and the one that failed is tried again", async () => {
  const fails = 58;
  let refuse = true;
  server.use(http.post(`*/api/users/${fails}/deactivate/`, () => (refuse ? broken() : undefined)));
  state.world.users.forEach((u) => (u.is_active = true));
  const user = await open("/admin/users?page_size=10", admin);
  const rows = await bodyRows();
  for (const row of rows.slice(0, 4)) await user.click(within(row).getByRole("checkbox"));
  const bar = within(screen.getByRole("region", { name: en.selection }));
  expect(bar.getByText("4 selected")).toBeVisible();
  await user.click(bar.getByRole("button", { name: "Deactivate 4 users" }));
  const dialog = await screen.findByRole("alertdialog", { name: "Deactivate 4 users?" });
  await user.click(within(dialog).getByRole("button", { name: "Deactivate 4 users" }));

  const panel = within(
    await screen.findByRole("region", { name: "3 users deactivated, 1 failed" }, { timeout: 5_000 }),
  );
  expect(panel.getByRole("progressbar")).toHaveAttribute("aria-valuenow", "4");
  expect(panel.getAllByRole("img", { name: en.doneRow })).toHaveLength(3);
  expect(panel.getAllByRole("img", { name: en.failedRow })).toHaveLength(1);
  refuse = false;
  await user.click(panel.getByRole("button", { name: "Try 1 again" }));
  await screen.findByRole("region", { name: "4 users deactivated" });
  expect(asked(/^POST .*deactivate/)).toHaveLength(5);
  expect(state.world.users.filter((u) => !u.is_active)).toHaveLength(4);

  await user.click(panel.getByRole("button", { name: "Undo" }));
  await screen.findByRole("region", { name: "4 users activated" });
  expect(state.world.users.filter((u) => !u.is_active)).toEqual([]);
});

test("what many do can be stopped, and gone on with", async () => {
  let held: (() => void)[] = [];
  server.use(
    http.post("*/api/users/:id/logout/", async () => {
      await new Promise<void>((resolve) => held.push(resolve));
      return HttpResponse.json({ message: "", ended: 1 });
    }),
  );
  const user = await open("/admin/users?page_size=10", admin);
  await table();
  await user.click(screen.getAllByRole("checkbox", { name: en.selectAll })[0] as HTMLElement);
  await user.click(screen.getByRole("button", { name: "Sign out 10 users" }));
  const dialog = await screen.findByRole("alertdialog");
  await user.click(within(dialog).getByRole("button", { name: "Sign out 10 users" }));
  await waitFor(() => expect(held).toHaveLength(4)); // a few at a time
  await user.click(screen.getByRole("button", { name: en.stop }));
  const release = () => {
    const all = held;
    held = [];
    for (const go of all) go();
  };
  release();
  await screen.findByRole("region", { name: "4 users signed out, 6 not begun" });
  await user.click(screen.getByRole("button", { name: en.goOn }));
  await waitFor(() => expect(held).toHaveLength(4));
  release();
  await waitFor(() => expect(held).toHaveLength(2));
  release();
  await screen.findByRole("region", { name: "10 users signed out" });
});

test("an edit sends what was changed, of the version that was seen", async () => {
  const user = await open("/admin/users/5", admin);
  const phone = await screen.findByLabelText(/Phone/);
  await user.clear(phone);
  await user.type(phone, "42");
  await user.click(screen.getByRole("button", { name: en.edit }));
  await screen.findAllByText(/is saved$/);
  expect(asked(/^PATCH/)).toEqual(['PATCH /api/users/5/ {"phone":"42"}']);
  expect(phone).toHaveValue("42");
});

test("who was slower learns what the quicker one did, and keeps what was typed", async () => {
  const matches: (string | null)[] = [];
  server.events.on("request:start", ({ request }) => {
    if (request.method === "PATCH") matches.push(request.headers.get("If-Match"));
  });
  const user = await open("/admin/users/5", admin);
  const last = await screen.findByLabelText("Last name");
  await user.clear(last);
  await user.type(last, "Mine");
  Object.assign(state.world.users.find((u) => u.id === 5) ?? {}, {
    first_name: "Theirs",
    updated_at: "2026-11-25T13:00:00Z",
  });
  await user.click(screen.getByRole("button", { name: en.edit }));
  const alert = await screen.findByRole("alert");
  expect(alert).toHaveTextContent("was changed meanwhile");
  expect(alert).toHaveTextContent("First name: Barbara → Theirs");
  await waitFor(() => expect(alert).toHaveFocus());
  expect(last).toHaveValue("Mine");
  expect(screen.getByLabelText("First name")).toHaveValue("Theirs");
  await user.click(screen.getByRole("button", { name: en.edit }));
  await screen.findAllByText("Theirs Mine is saved");
  expect(matches).toHaveLength(2);
  expect(matches[0]).not.toBe(matches[1]);
});

test("the newer values can be taken", async () => {
  const user = await open("/admin/users/5", admin);
  const last = await screen.findByLabelText("Last name");
  await user.clear(last);
  await user.type(last, "Mine");
  Object.assign(state.world.users.find((u) => u.id === 5) ?? {}, {
    last_name: "Theirs",
    updated_at: "2026-11-25T13:00:00Z",
  });
  await user.click(screen.getByRole("button", { name: en.edit }));
  const alert = await screen.findByRole("alert");
  await user.click(within(alert).getByRole("button", { name: en.takeNewer }));
  expect(screen.getByLabelText("Last name")).toHaveValue("Theirs");
  expect(screen.queryByRole("alert")).toBeNull();
});

test("the server's words stand under the field that they are about", async () => {
  const user = await open("/admin/users/5", admin);
  const email = await screen.findByLabelText("E-mail");
  await user.clear(email);
  await user.type(email, "admin@example.com");
  await user.click(screen.getByRole("button", { name: en.edit }));
  await screen.findByRole("alert");
  expect(email).toHaveAccessibleDescription("A user with this email already exists.");
});

test("a role is given, and taken back", async () => {
  const user = await open("/admin/users/6", admin);
  await user.selectOptions(await screen.findByLabelText("Role"), "Manager");
  await user.click(screen.getByRole("button", { name: en.giveRole }));
  await screen.findAllByText(/is Manager now/);
  await user.click(screen.getAllByRole("button", { name: "Undo" })[0] as HTMLElement);
  await screen.findAllByText(/is Employee now/);
  expect(asked(/^PATCH/)).toEqual([
    'PATCH /api/users/6/ {"role":"manager"}',
    'PATCH /api/users/6/ {"role":"employee"}',
  ]);
});

test("a manager gives no role above employee, and deletes nobody", async () => {
  await open("/admin/users/6", manager);
  const role = await screen.findByLabelText("Role");
  expect(
    within(role)
      .getAllByRole("option")
      .map((o) => o.textContent),
  ).toEqual(["Employee", "Client"]);
  expect(screen.queryByRole("button", { name: en.remove })).toBeNull();
});

test("a manager only looks at those who are not below", async () => {
  await open("/admin/users/1", manager);
  await screen.findByRole("heading", { name: "Ida Rhodes" });
  expect(screen.getByText("admin@example.com")).toBeVisible();
  expect(screen.queryByLabelText("E-mail")).toBeNull();
  expect(screen.queryByRole("heading", { name: en.access })).toBeNull();
  expect(screen.queryByRole("heading", { name: en.history })).toBeNull();
  expect(asked(/audit|sessions\/\?|users\/1\/sessions/)).toEqual([]);
});

test("the last admin stays, in the server's words", async () => {
  const user = await open("/admin/users/1", admin);
  await user.selectOptions(await screen.findByLabelText("Role"), "Client");
  await user.click(screen.getByRole("button", { name: en.giveRole }));
  expect(await screen.findAllByText(/last active administrator cannot/)).not.toEqual([]);
});

test("deactivating does not ask, and is taken back", async () => {
  const user = await open("/admin/users/6", admin);
  await user.click(await screen.findByRole("button", { name: en.deactivate }));
  await screen.findAllByText(/is deactivated$/);
  expect(state.world.users.find((u) => u.id === 6)?.is_active).toBe(false);
  await user.click(screen.getAllByRole("button", { name: "Undo" })[0] as HTMLElement);
  await screen.findAllByText(/is active again$/);
  expect(state.world.users.find((u) => u.id === 6)?.is_active).toBe(true);
});

test("to delete one types whom", async () => {
  const user = await open("/admin/users/6", admin);
  const email = state.world.users.find((u) => u.id === 6)?.email ?? "";
  await user.click(await screen.findByRole("button", { name: en.remove }));
  const dialog = within(await screen.findByRole("alertdialog"));
  await user.type(dialog.getByLabelText(en.removeProof(email)), "somebody@else.example");
  await user.click(dialog.getByRole("button", { name: /^Delete / }));
  expect(dialog.getByLabelText(en.removeProof(email))).toHaveAccessibleDescription(en.removeMismatch);
  expect(asked(/^DELETE/)).toEqual([]);
  await user.clear(dialog.getByLabelText(en.removeProof(email)));
  await user.type(dialog.getByLabelText(en.removeProof(email)), email);
  await user.click(dialog.getByRole("button", { name: /^Delete / }));
  await screen.findByRole("heading", { name: "Users" });
  expect(asked(/^DELETE/)).toEqual(["DELETE /api/users/6/"]);
});

test("a user that is not there", async () => {
  await open("/admin/users/99999", admin);
  expect(await screen.findByRole("heading", { name: en.noUserTitle })).toBeVisible();
});

test("who was demoted meanwhile is told, and sees no more of it", async () => {
  const user = await open("/admin/users", admin);
  await table();
  const me = state.world.users.find((u) => u.id === admin);
  if (me) me.role = "employee";
  await user.selectOptions(screen.getByLabelText("Role"), "Client");
  await screen.findByRole("heading", { name: en.refusedTitle });
  expect(screen.queryByRole("link", { name: "Administration" })).toBeNull();
});

test("a new user gets a link, which is shown once and copied", async () => {
  const user = await open("/admin/users/new", manager);
  await user.type(await screen.findByLabelText("First name"), "Emmy");
  await user.type(screen.getByLabelText("Last name"), longName);
  await user.type(screen.getByLabelText("E-mail"), "emmy@example.com");
  expect(screen.getAllByRole("radio").map((r) => (r as HTMLInputElement).value)).toEqual([
    "employee",
    "client",
  ]);
  await user.click(screen.getByRole("radio", { name: /Client/ }));
  await user.click(screen.getByRole("button", { name: en.createDo }));
  const offer = within(await screen.findByRole("region", { name: /has an account now/ }));
  expect(asked(/^POST \/api\/users\/ /)).toEqual([
    `POST /api/users/ {"first_name":"Emmy","last_name":"${longName}","email":"emmy@example.com","role":"client"}`,
  ]);
  await user.click(offer.getByRole("button", { name: en.resetLink }));
  const link = within(await screen.findByRole("region", { name: /^A link for Emmy/ }));
  expect(link.getByLabelText(en.linkLabel)).toHaveValue("https://example.com/reset#Zq3vVn0sJ1xkq2m8Yh5c7w");
  await user.click(link.getByRole("button", { name: en.copy }));
  expect(await navigator.clipboard.readText()).toBe("https://example.com/reset#Zq3vVn0sJ1xkq2m8Yh5c7w");
  await user.click(link.getByRole("button", { name: "Close" }));
  expect(screen.queryByDisplayValue(/reset#/)).toBeNull();
});

test("failed attempts say who waits, until when and why, and are lifted", async () => {
  const user = await open("/admin/attempts", admin);
  const rows = within(await screen.findByRole("table", { name: "Failed attempts" }))
    .getAllByRole("row")
    .slice(1);
  expect(rows).toHaveLength(5);
  expect(rows[0]).toHaveTextContent("grace.hopper4@example.com");
  expect(rows[0]).toHaveTextContent(en.reasons.ceiling ?? "");
  expect(within(rows[0] as HTMLElement).getByRole("link")).toHaveAttribute("href", "/admin/users/4");
  expect(rows[1]).toHaveTextContent("192.0.2.77");
  expect(rows[2]).toHaveTextContent("2001:db8:85a3:1234::/64");
  expect(rows[2]).toHaveTextContent(en.notRefused);
  expect(rows[3]).toHaveTextContent(en.unknownEmail);
  expect(rows[4]).toHaveTextContent(en.gone);

  await user.click(within(rows[1] as HTMLElement).getByRole("button", { name: "Allow again: 192.0.2.77" }));
  const dialog = await screen.findByRole("alertdialog", { name: "Allow attempts again for 192.0.2.77?" });
  expect(asked(/^DELETE/)).toEqual([]);
  await user.click(within(dialog).getByRole("button", { name: "Allow 192.0.2.77 again" }));
  await screen.findByText("Attempts are allowed again for 192.0.2.77.");
  expect(asked(/^DELETE \/api\/throttle\/0{31}2\/$/)).toHaveLength(1);
  await waitFor(() => expect(screen.queryByText("192.0.2.77")).toBeNull());
});

test("where nobody fails to sign in, it says so", async () => {
  state.world.throttled = [];
  await open("/admin/attempts", admin);
  expect(await screen.findByText(en.noAttempts)).toBeVisible();
});

test("a lift that fails is told of, and one that somebody else was faster with is done", async () => {
  const user = await open("/admin/attempts", admin);
  const lift = async () => {
    await user.click(await screen.findByRole("button", { name: "Allow again: 192.0.2.77" }));
    await user.click(await screen.findByRole("button", { name: "Allow 192.0.2.77 again" }));
  };
  server.use(http.delete("*/api/throttle/:id/", broken, { once: true }));
  await lift();
  await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
  expect(screen.queryByText(/Attempts are allowed again/)).toBeNull();
  server.use(
    http.delete("*/api/throttle/:id/", () => HttpResponse.json({ detail: "Not found." }, { status: 404 }), {
      once: true,
    }),
  );
  await lift();
  await screen.findByText("Attempts are allowed again for 192.0.2.77.");
});

test("the audit log speaks in sentences", async () => {
  state.world.events = [
    makeEvent(3, {
      event: "role_changed",
      actor: { id: 1, email: "admin@example.com" },
      user: { id: 3, email: "kate@example.com" },
      changes: { role: ["client", "employee"] },
    }),
    makeEvent(2, { event: "user_deleted", user: { id: 9, email: "" }, actor: null }),
    makeEvent(1, { event: "something_new", user: { id: 3, email: "kate@example.com" } }),
  ];
  await open("/admin/audit", admin);
  const rows = within(await screen.findByRole("table", { name: "Audit log" }))
    .getAllByRole("row")
    .slice(1);
  expect(rows[0]).toHaveTextContent("admin@example.com changed the role of kate@example.com");
  expect(rows[0]).toHaveTextContent("Role: Client → Employee");
  expect(within(rows[0] as HTMLElement).getByRole("link", { name: "kate@example.com" })).toHaveAttribute(
    "href",
    "/admin/users/3",
  );
  expect(rows[1]).toHaveTextContent("The server deleted a deleted user");
  expect(rows[2]).toHaveTextContent("something new: kate@example.com");
});

test("the audit log's filters stand in the address and in what is downloaded", async () => {
  const user = await open("/admin/audit?since=2026-11-01T00:00:00Z", admin);
  await user.selectOptions(await screen.findByLabelText("Event"), en.events.role_changed.name);
  await user.type(screen.getByRole("combobox", { name: "User" }), "grace");
  const option = (await screen.findAllByRole("option", { name: /grace/ })).find(
    (o) => !(o instanceof HTMLOptionElement),
  );
  expect(option).toBeDefined();
  await user.keyboard("{Enter}");
  await waitFor(() => expect(at()).toMatch(/\?user=\d+&event=role_changed&since=2026-11-01/));
  await waitFor(() =>
    expect(asked(/^GET \/api\/audit\/\?user=\d+&event=role_changed&since=/)).not.toEqual([]),
  );
  const csv = new URL((screen.getByRole("link", { name: /CSV/ }) as HTMLAnchorElement).href);
  expect(csv.pathname).toBe("/api/audit/");
  expect(csv.searchParams.get("format")).toBe("csv");
  expect(csv.searchParams.get("event")).toBe("role_changed");
  expect(screen.getByRole("link", { name: /JSON lines/ })).toHaveAttribute(
    "href",
    expect.stringContaining("format=jsonl"),
  );
});

test("live, new rows come by themselves and are marked; hidden, nothing is asked", async () => {
  const user = await open("/admin/audit", admin);
  await screen.findByRole("table", { name: "Audit log" });
  await user.click(screen.getByRole("switch", { name: "Live" }));
  expect(at()).toBe("/admin/audit?live=1");
  await waitFor(() => expect(asked(/^GET \/api\/audit/).length).toBeGreaterThan(1));
  expect(screen.queryByText(en.fresh)).toBeNull();
  state.world.events.unshift(makeEvent(5000, { event: "restored", user: null, actor: null }));
  const row = (await screen.findByText(/restored from a backup/, {}, { timeout: 4_000 })).closest("tr");
  expect(row).toHaveTextContent(en.fresh);
  expect(screen.getByText("1 new event")).toBeInTheDocument();

  const visible = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  act(() => void document.dispatchEvent(new Event("visibilitychange")));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = asked(/^GET \/api\/audit/).length;
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(asked(/^GET \/api\/audit/)).toHaveLength(before);
  visible.mockRestore();
  act(() => void document.dispatchEvent(new Event("visibilitychange")));
  await waitFor(() => expect(asked(/^GET \/api\/audit/).length).toBeGreaterThan(before), { timeout: 4_000 });
});

test("the overview's charts can be read without seeing them", async () => {
  const user = await open("/admin?days=30", admin);
  const chart = await screen.findByRole("slider", { name: "Sign-ins per day, last 30 days" });
  expect(asked(/stats/)).toEqual(["GET /api/stats/?days=30"]);
  const last = chart.getAttribute("aria-valuetext");
  expect(last).toMatch(/\d Sign-ins, \d+ Failed$/);
  chart.focus();
  await user.keyboard("{ArrowLeft}");
  expect(chart).toHaveAttribute("aria-valuenow", "28");
  expect(chart.getAttribute("aria-valuetext")).not.toBe(last);
  await user.keyboard("{Home}{ArrowLeft}");
  expect(chart).toHaveAttribute("aria-valuenow", "0");
  await user.click(screen.getAllByText(en.table)[0] as HTMLElement);
  const rows = within(screen.getByRole("table", { name: "Sign-ins per day, last 30 days" })).getAllByRole(
    "row",
  );
  expect(rows).toHaveLength(31);
  await user.click(screen.getByRole("link", { name: "1 day" }));
  await screen.findByRole("slider", { name: "Sign-ins per hour, last 1 day" });
  expect(at()).toBe("/admin?days=1");
});

test("the table of roles is the server's", async () => {
  await open("/admin/roles", manager);
  const row = (await screen.findByText(en.permissions["users.grant"] ?? "")).closest("tr");
  const cells = within(row as HTMLElement).getAllByRole("cell");
  expect(cells.map((c) => c.textContent?.replace(/^(Admin|Manager|Employee|Client)/, ""))).toEqual([
    "all roles",
    "Employee, Client",
    "no",
    "no",
  ]);
  expect(screen.getAllByText("limited").length).toBeGreaterThan(0);
});

test("the system page, and a setting found", async () => {
  const user = await open("/admin/system", admin);
  await screen.findByText("187.4 MB");
  expect(screen.getByRole("row", { name: /2026-08-c3d4/ })).toHaveTextContent("Signing");
  await user.type(screen.getByLabelText("Find a setting"), "tokens");
  const settings = within(screen.getByRole("table", { name: en.inForce }));
  expect(settings.getAllByRole("row")).toHaveLength(2);
});

test("what is to be mended, the worst first, each with the line that mends it", async () => {
  await open("/admin/health", admin);
  const cards = await screen.findAllByRole("article");
  expect(cards.map((c) => c.textContent?.match(/^(Error|Warning|Notice)/)?.[0])).toEqual([
    "Error",
    "Warning",
    "Notice",
  ]);
  expect(within(cards[0] as HTMLElement).getByRole("heading")).toHaveTextContent(
    "throttle.enabled is false.",
  );
  expect(within(cards[0] as HTMLElement).getByLabelText("To copy")).toHaveValue(
    "LATCHKEY_THROTTLE_ENABLED=true",
  );
  expect(screen.getByText(/3 things to look at, 2 checks found nothing/)).toBeInTheDocument();
});

test("of a server that is well it is said that there is nothing to mend", async () => {
  server.use(
    http.get("*/api/doctor/", () =>
      HttpResponse.json({
        checked_at: "2026-11-26T12:00:00Z",
        findings: [{ id: "throttle-off", severity: "ok", what: "x", why: "", mend: "", do: "", params: {} }],
      }),
    ),
  );
  await open("/admin/health", admin);
  expect(await screen.findByText(en.allWell)).toBeInTheDocument();
  expect(screen.queryAllByRole("article")).toEqual([]);
});
