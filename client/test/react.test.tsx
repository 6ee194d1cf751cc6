// @vitest-environment jsdom
import { act, cleanup, configure, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type Client } from "../src/index.js";
import { AuthProvider, RequireAuth, RequireRole, useAuth } from "../src/react.js";
import { FakeServer, Jar } from "./server.js";

configure({ asyncUtilTimeout: 10_000 }); // ms

let server: FakeServer;
let client: Client;
let jar: Jar;

beforeEach(async () => {
  server = new FakeServer();
  await server.start();
  jar = new Jar();
  client = createClient({ baseURL: server.url, fetch: jar.fetch });
});

afterEach(async () => {
  cleanup();
  client.close();
  await server.stop();
});

function Page() {
  const { status, user, login, logout } = useAuth();
  return (
    <>
      <p>
        {status} {user?.first_name}
      </p>
      <button onClick={() => void login({ email: "ada@example.com", password: "right" })}>sign in</button>
      <button onClick={() => void logout()}>sign out</button>
      <RequireAuth loading={<p>one moment</p>} fallback={<p>who are you</p>}>
        <p>welcome</p>
        <RequireRole roles={["admin"]} fallback={<p>not for you</p>}>
          <p>secret</p>
        </RequireRole>
        <RequireRole roles={["admin", "employee"]}>
          <p>staff</p>
        </RequireRole>
      </RequireAuth>
    </>
  );
}

function show() {
  render(
    <StrictMode>
      <AuthProvider client={client}>
        <Page />
      </AuthProvider>
    </StrictMode>,
  );
}

test("shows who one is, and what is for whom", async () => {
  show();
  expect(screen.queryByText("one moment")).not.toBeNull();
  await screen.findByText("who are you");
  expect(screen.queryByText("welcome")).toBeNull();

  screen.getByText("sign in").click();
  await screen.findByText("signedIn Ada");
  expect(screen.queryByText("welcome")).not.toBeNull();
  expect(screen.queryByText("staff")).not.toBeNull();
  expect(screen.queryByText("not for you")).not.toBeNull();
  expect(screen.queryByText("secret")).toBeNull();

  screen.getByText("sign out").click();
  await screen.findByText("who are you");
});

test("a session that ends is seen", async () => {
  show();
  await screen.findByText("who are you");
  await act(() => client.login({ email: "ada@example.com", password: "right" }));
  server.end();
  await act(() => client.fetch(`${server.url}/api/auth/profile/`));
  expect(await screen.findByText("who are you")).toBeTruthy();
});

test("asks once who one is, in StrictMode too", async () => {
  show();
  await screen.findByText("who are you");
  expect(server.count("GET /api/auth/profile/")).toBe(1);
});

test("useAuth outside of a provider says so", () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  expect(() => render(<Page />)).toThrow("AuthProvider");
});

test("who may see something is not told before it is known who one is", async () => {
  let refused = 0;
  function Refused() {
    refused++;
    return <p>not for you</p>;
  }
  await client.login({ email: "ada@example.com", password: "right" });
  const again = createClient({ baseURL: server.url, fetch: jar.fetch });
  render(
    <AuthProvider client={again}>
      <RequireRole roles={["employee"]} fallback={<Refused />} loading={<p>one moment</p>}>
        <p>staff</p>
      </RequireRole>
    </AuthProvider>,
  );
  expect(screen.queryByText("one moment")).not.toBeNull();
  await screen.findByText("staff");
  expect(refused).toBe(0);
  again.close();
});
