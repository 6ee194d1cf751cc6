import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClient, fieldErrors, type ClientOptions } from "../src/index.js";

// The real server, whose path is in LATCHKEY_BINARY. `make test` sets it, and LATCHKEY_TEST_STRICT, with which its
// absence is a failure.
const binary = process.env["LATCHKEY_BINARY"];
if (!binary) {
  if (process.env["LATCHKEY_TEST_STRICT"]) throw new Error("LATCHKEY_BINARY is not set");
  console.log("not against the real server: LATCHKEY_BINARY is not set");
}

/** A fetch with the cookies of one browser. */
function browser(): typeof fetch {
  const jar = new Map<string, string>();
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    if (init?.credentials === "include" && jar.size > 0) {
      headers.set("Cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
    }
    const response = await fetch(input, { ...init, headers });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ""] = line.split(";");
      const at = pair.indexOf("=");
      if (line.includes("Max-Age=0")) jar.delete(pair.slice(0, at));
      else jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  };
}

describe.skipIf(!binary)("the real server", () => {
  let url = "";
  let server: ChildProcess;
  const dir = mkdtempSync(join(tmpdir(), "latchkey-client-"));

  beforeAll(async () => {
    const port = await new Promise<number>((resolve) => {
      const probe = createServer().listen(0, "127.0.0.1", () => {
        const { port } = probe.address() as AddressInfo;
        probe.close(() => resolve(port));
      });
    });
    url = `http://127.0.0.1:${port}`;
    server = spawn(binary ?? "", ["serve"], {
      cwd: dir,
      stdio: "ignore",
      env: {
        PATH: process.env["PATH"],
        LATCHKEY_LISTEN: `127.0.0.1:${port}`,
        LATCHKEY_DATA: dir,
        LATCHKEY_TOKENS_ACCESS: "2s",
      },
    });
    for (let i = 0; i < 200; i++) {
      if (
        await fetch(`${url}/readyz`)
          .then((r) => r.ok)
          .catch(() => false)
      )
        return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("the server is not ready after 10 s");
  });

  afterAll(async () => {
    if (server.exitCode === null) {
      const ended = new Promise((resolve) => server.on("exit", resolve));
      server.kill();
      await ended;
    }
    rmSync(dir, { recursive: true });
  });

  test.each(["cookie", "hybrid", "bearer"] as const)(
    "%s mode: everything that the package offers",
    async (mode) => {
      const options: ClientOptions = { baseURL: url, mode, fetch: browser() };
      const client = createClient(options);
      const other = createClient({ ...options, fetch: browser() });
      const person = { email: `${mode}@example.com`, first_name: "Ada", last_name: "Lovelace" };
      const password = "c0rrect-Horse-42";

      const weak = await client
        .register({ ...person, password: "12345678", password2: "12345678" })
        .catch((e: unknown) => e);
      expect(fieldErrors(weak)).toEqual({
        password: ["This password is too common.", "This password is entirely numeric."],
      });
      const user = await client.register({ ...person, password, password2: password });
      expect(user).toMatchObject({ ...person, role: "employee" });
      expect(await client.verify()).toBe(true);
      expect(await client.profile.update({ phone: "+1234567890" })).toMatchObject({ phone: "+1234567890" });

      // Past an expiry, with the calls of a busy page.
      await new Promise((resolve) => setTimeout(resolve, 2100));
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => client.fetch(`${url}/api/auth/profile/`)),
      );
      expect(answers.map((a) => a.status)).toEqual(Array.from({ length: 10 }, () => 200));

      await other.login({ email: person.email, password });
      const { results, expires } = await client.sessions.list();
      expect(results.map((s) => s.current)).toEqual([true, false]);
      expect(expires.access).toBe(client.state.expires?.access);
      const first = results[1];
      await client.sessions.end(first?.id ?? "");
      expect((await other.fetch(`${url}/api/auth/profile/`)).status).toBe(401);
      expect(other.state).toEqual({ status: "signedOut", reason: "expired" });

      await other.login({ email: person.email, password });
      expect(await client.sessions.endOthers()).toMatchObject({ ended: 1 });
      await other.login({ email: person.email, password });
      const changed = await client.password.change({
        old_password: password,
        password: "an0ther-Horse-42",
        password2: "an0ther-Horse-42",
      });
      expect(changed.ended).toBe(1);
      const events = await client.events.list({ limit: 2 });
      expect(events.results.map((e) => e.event)).toEqual(["password_changed", "logged_in"]);
      expect(events.next).toContain("before=");

      await client.logout();
      expect(client.state.status).toBe("signedOut");
      expect(await client.verify().catch((e: unknown) => e)).not.toBe(true);
      expect((await client.settings()).registration.roles).toEqual(["employee", "client"]);
      client.close();
      other.close();
    },
  );
});
