import { act, render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll, beforeEach, vi } from "vitest";
import { queries } from "../app/connection";
import { en } from "../text/en";
import { makeWorld, type World } from "./api";

/** The whole app in the fake world, for a file of tests. */
export function fakeWorld() {
  const server = setupServer();
  const state: { world: World; sent: string[] } = { world: makeWorld(), sent: [] };

  beforeAll(() => {
    vi.stubGlobal("scrollTo", () => {});
    // What jsdom lacks of what toasts ask for.
    HTMLElement.prototype.hasPointerCapture = () => false;
    server.listen({ onUnhandledRequest: "error" });
    server.events.on("request:start", ({ request }) => {
      const copy = request.clone();
      const { pathname, search } = new URL(copy.url);
      void copy.text().then((body) => state.sent.push(`${copy.method} ${pathname}${search} ${body}`.trim()));
    });
  });
  beforeEach(() => {
    queries.clear();
    state.world = makeWorld();
    state.sent = [];
    server.use(...state.world.handlers);
  });
  afterEach(async () => {
    const { client } = await import("../session");
    if (client.state.status === "signedIn") await act(() => client.logout());
    server.resetHandlers();
  });
  afterAll(() => server.close());

  /** Opens the app at an address, as one of the users or as nobody. */
  async function open(path: string, as?: number) {
    const { world } = state;
    world.me = world.users.find((u) => u.id === as);
    const { client } = await import("../session");
    await client.restore();
    const { router } = await import("../app/router");
    await router.navigate(path);
    const { App } = await import("../app/app");
    render(<App first={{ language: "en", text: en }} />);
    return userEvent.setup();
  }

  return { server, state, open };
}
