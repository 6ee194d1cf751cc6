// The real server for the tests of the API examples, and what each of the three
// services must answer. LATCHKEY_BINARY names another binary than bin/latchkey.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const binary = process.env.LATCHKEY_BINARY ?? fileURLToPath(new URL("../bin/latchkey", import.meta.url));
const password = "a quiet brass door 7";
export const signingKey = "a signing key of the examples' tests, with more than thirty-two bytes";
export const roles = ["admin", "manager", "employee", "client"];

/** Starts a server that signs with an algorithm, with a user of each role. */
export async function startLatchkey(algorithm) {
  const folder = await mkdtemp(join(tmpdir(), "latchkey-example-"));
  const origin = `http://127.0.0.1:${await freePort()}`;
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    LATCHKEY_LISTEN: new URL(origin).host,
    LATCHKEY_DATA: join(folder, "data"),
    LATCHKEY_LOG_LEVEL: "warn",
    LATCHKEY_THROTTLE_ENABLED: "false",
    ...(algorithm === "HS256"
      ? { LATCHKEY_SIGNING_KEY: signingKey }
      : { LATCHKEY_SIGNING_ALGORITHM: algorithm }),
  };
  const command = (args, stdin) => run(binary, args, { env, stdin });
  let server;
  try {
    for (const role of roles)
      await command(["user", "create", email(role), "--role", role, "--password-stdin"], password);
    const serviceKey = (await command(["service-key", "create", "the examples' tests"])).trim();
    server = start(binary, ["serve"], { env });
    await server.answers(`${origin}/readyz`);
    return {
      origin,
      serviceKey,
      jwks: `${origin}/.well-known/jwks.json`,
      revocations: `${origin}/api/auth/revocations/`,
      async login(role) {
        for (let attempt = 0; ; attempt++) {
          const { status, headers, body } = await call(origin, "POST", "/api/auth/login/", undefined, {
            email: email(role),
            password,
          });
          if (status === 200) return body.tokens;
          // On a machine that has much else to do, logins may have to come again.
          assert.ok(status === 503 && attempt < 10, `login as ${role}: ${status} ${JSON.stringify(body)}`);
          await new Promise((resolve) => setTimeout(resolve, 1000 * Number(headers.get("retry-after") ?? 1)));
        }
      },
      logout: async ({ access, refresh }) => {
        const { status } = await call(origin, "POST", "/api/auth/logout/", access, {
          refresh_token: refresh,
        });
        assert.equal(status, 200, "logout");
      },
      setRole: (role, other) => command(["user", "set-role", email(role), other]),
      async stop() {
        await server.stop();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

const email = (role) => `${role}@example.com`;

/** The algorithms of these that the binary can sign with. */
export async function algorithms(...wanted) {
  const example = await run(binary, ["config", "example"], { env: { PATH: process.env.PATH } });
  const all = example.includes("EdDSA");
  if (!all && process.env.LATCHKEY_TEST_STRICT === "1") throw new Error(`${binary} signs with HS256 alone`);
  if (!all) console.log("  this binary signs with HS256 alone: the JWKS variant is NOT TESTED");
  return wanted.filter((algorithm) => algorithm === "HS256" || all);
}

/** What each of the three services must answer to whom. */
export async function examine(service, latchkey) {
  const tokens = Object.fromEntries(
    await Promise.all(roles.map(async (role) => [role, await latchkey.login(role)])),
  );
  const access = (role) => tokens[role].access;
  const ask = (method, path, token) => call(service, method, path, token);

  assert.equal((await ask("GET", "/public")).status, 200);
  for (const [method, path] of [
    ["GET", "/me"],
    ["GET", "/reports"],
    ["POST", "/reports"],
  ]) {
    const anonymous = await ask(method, path);
    assert.equal(anonymous.status, 401, `${method} ${path} without a token`);
    assert.deepEqual(anonymous.body, { detail: "Authentication credentials were not provided." });
    assert.equal(anonymous.headers.get("www-authenticate"), 'Bearer realm="api"');
    const damaged = access("admin").slice(0, -5) + "AAAAA";
    for (const bad of [
      tokens.admin.refresh,
      damaged,
      `${header({ alg: "none" })}.${access("admin").split(".")[1]}.`,
      "x",
    ]) {
      const answer = await ask(method, path, bad);
      assert.equal(answer.status, 401, `${method} ${path} with ${bad}`);
      assert.equal(answer.body.code, "token_not_valid");
    }
  }
  for (const role of roles) {
    const me = await ask("GET", "/me", access(role));
    assert.equal(me.status, 200, `GET /me as ${role}: ${JSON.stringify(me.body)}`);
    assert.equal(me.body.role, role);
    assert.ok(Number.isInteger(me.body.user_id));
  }
  for (const [method, allowed] of [
    ["GET", ["admin", "manager"]],
    ["POST", ["admin", "manager", "employee"]],
  ]) {
    for (const role of roles) {
      const answer = await ask(method, "/reports", access(role));
      const want = !allowed.includes(role) ? 403 : method === "POST" ? 201 : 200;
      assert.equal(answer.status, want, `${method} /reports as ${role}: ${JSON.stringify(answer.body)}`);
      if (want === 403)
        assert.deepEqual(answer.body, { detail: "You do not have permission to perform this action." });
    }
  }
}

/** How many milliseconds after the logout the service refuses the token. */
export async function diesAtLogout(service, latchkey, role = "employee") {
  const tokens = await latchkey.login(role);
  assert.equal((await call(service, "GET", "/me", tokens.access)).status, 200);
  await latchkey.logout(tokens);
  const began = performance.now();
  for (;;) {
    const { status, body } = await call(service, "GET", "/me", tokens.access);
    if (status === 401) {
      assert.equal(body.code, "token_not_valid");
      return performance.now() - began;
    }
    assert.ok(performance.now() - began < 5000, "the token lives on after the logout");
  }
}

const header = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

export async function call(origin, method, path, token, body) {
  const response = await fetch(origin + path, {
    method,
    headers: {
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...(body ? { "Content-Type": "application/json" } : {}),
    },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  let parsed = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // It is no JSON, and says so in an assertion.
  }
  return { status: response.status, headers: response.headers, body: parsed };
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** Runs a command to its end and gives what it printed. */
export function run(command, args, { env = process.env, cwd, stdin = "" } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, cwd, stdio: ["pipe", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    child.on("error", (error) =>
      reject(new Error(`${command} cannot be run (${error.message}): make build`)),
    );
    child.on("close", (code) =>
      code === 0 ? resolve(out) : reject(new Error(`${command} ${args.join(" ")}: ${err || out}`)),
    );
    child.stdin.on("error", () => {}); // It may end without having read.
    child.stdin.end(stdin);
  });
}

/** Starts a program that goes on until stop() is called. */
export function start(command, args, { env, cwd }) {
  const child = spawn(command, args, { env, cwd, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  let ended = false;
  child.stdout.on("data", (chunk) => (said += chunk));
  child.stderr.on("data", (chunk) => (said += chunk));
  const closed = new Promise((resolve) => {
    child.on("error", (error) => resolve((said += error.message)));
    child.on("close", resolve);
  }).then(() => (ended = true));
  return {
    said: () => said,
    async answers(url) {
      for (let attempt = 0; attempt < 300 && !ended; attempt++) {
        const response = await fetch(url).catch(() => undefined);
        if (response?.ok) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`${command} ${args.join(" ")} does not answer on ${url}: ${said}`);
    },
    async stop() {
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), 5000);
      await closed;
      clearTimeout(kill);
    },
  };
}
