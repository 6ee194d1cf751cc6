import { screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { fakeWorld } from "../../fake/open";
import { en as app } from "../../text/en";
import { en } from "../../text/links/en";

const { state, open } = fakeWorld();
const asked = (what: RegExp) => state.sent.filter((s) => what.test(s));

test("a new password by a link", async () => {
  const user = await open("/reset#good-token");
  await screen.findByRole("heading", { name: en.resetTitle });
  expect(location.hash).toBe("");
  expect(asked(/reset\/check/)).toEqual(['POST /api/auth/password/reset/check/ {"token":"good-token"}']);
  expect(screen.getByLabelText("E-mail")).toHaveValue("katherine.johnson3@example.com");
  await user.type(screen.getByLabelText("New password"), "password1");
  await user.type(screen.getByLabelText("Repeat new password"), "password1");
  await user.click(screen.getByRole("button", { name: en.resetDo }));
  const alert = await screen.findByRole("alert");
  expect(alert).toHaveTextContent("This password is too common.");
  expect(screen.getByLabelText("New password")).toHaveValue("password1");
  for (const label of ["New password", "Repeat new password"]) {
    await user.clear(screen.getByLabelText(label));
    await user.type(screen.getByLabelText(label), "a quiet brass door 7");
  }
  await user.click(screen.getByRole("button", { name: en.resetDo }));
  await screen.findByRole("heading", { name: en.resetDone });
  const main = within(screen.getByRole("main"));
  await user.click(main.getByRole("link", { name: "Sign in" }));
  await screen.findByRole("heading", { name: app.signInTitle });
});

test.each([
  ["/reset", en.badTitle],
  ["/setup", en.setUpBadTitle],
])("a link that is used up says so: %s", async (path, title) => {
  await open(`${path}#spent`);
  expect(await screen.findByRole("heading", { name: title })).toBeVisible();
});

test.each(["/reset", "/setup"])("without its token the page asks for the link: %s", async (path) => {
  const { forgetToken } = await import("../../one-time");
  forgetToken();
  await open(path);
  await screen.findByRole("heading", { name: en.goneTitle });
  expect(asked(/check/)).toEqual([]);
});

test("the first administrator is made, and is in", async () => {
  const user = await open("/setup#good-token");
  await screen.findByRole("heading", { name: en.setUpTitle });
  await user.click(screen.getByRole("button", { name: en.setUpDo }));
  expect(await screen.findByRole("alert")).toHaveTextContent("There are 5 problems");
  await user.type(screen.getByLabelText("First name"), "Ida");
  await user.type(screen.getByLabelText("Last name"), "Rhodes");
  await user.type(screen.getByLabelText("E-mail"), "ida@example.com");
  await user.type(screen.getByLabelText("Password"), "a quiet brass door 7");
  await user.type(screen.getByLabelText("Repeat password"), "a quiet brass door 7");
  await user.click(screen.getByRole("button", { name: en.setUpDo }));
  await screen.findByRole("heading", { name: "Overview" });
  await waitFor(() => expect(location.pathname).toBe("/admin"));
  const body = asked(/^POST \/api\/auth\/setup\/ /)[0]?.replace(/^\S+ \S+ /, "");
  expect(JSON.parse(body ?? "")).toEqual({
    token: "good-token",
    first_name: "Ida",
    last_name: "Rhodes",
    email: "ida@example.com",
    password: "a quiet brass door 7",
    password2: "a quiet brass door 7",
  });
});
