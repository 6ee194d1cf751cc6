// Runs both pages on http://localhost:3000 against a server on
// http://localhost:8000, until Ctrl-C. The server's data is gone afterwards.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createServer } from "vite";

const origin = "http://localhost:8000";
const person = { email: "ada@example.com", password: "a quiet brass door 7" };

const here = fileURLToPath(new URL(".", import.meta.url));
const binary = process.env.LATCHKEY_BINARY ?? join(here, "../../bin/latchkey");
const folder = await mkdtemp(join(tmpdir(), "latchkey-example-"));

const server = spawn(binary, ["serve"], {
  stdio: ["ignore", "ignore", "inherit"],
  env: {
    ...process.env,
    LATCHKEY_LISTEN: "127.0.0.1:8000",
    LATCHKEY_DATA: join(folder, "data"),
    LATCHKEY_TOKENS_ACCESS: "30s",
    LATCHKEY_TOKENS_REUSE: "tolerant",
    LATCHKEY_LOG_LEVEL: "warn",
  },
});
const ended = new Promise((resolve) => {
  server.on("close", resolve);
  server.on("error", (error) => {
    console.error(`${binary} cannot be run (${error.message}): make build`);
    resolve(1);
  });
});

let vite;
let stopping;
function stop(status) {
  stopping ??= (async () => {
    server.kill("SIGTERM");
    await Promise.all([ended, vite?.close()]);
    await rm(folder, { recursive: true, force: true });
    process.exit(status);
  })();
  return stopping;
}
process.on("SIGINT", () => stop(0));
process.on("SIGTERM", () => stop(0));
// A server that ends by itself has said why.
ended.then(() => stop(1));

try {
  await ready();
  await register();
  vite = await createServer({ root: here });
  await vite.listen();
  console.log(`
  The guide's client      http://localhost:3000/guide/
  @latchkey/client        http://localhost:3000/client/
  The server              ${origin}

  Log in as ${person.email} with the password: ${person.password}

  Access tokens last 30 seconds here, so that an expiry can be waited for. The server runs with
  tokens.reuse=tolerant: under the default, strict, the guide's client is logged out at its second refresh,
  because it never stores the refresh token that the first one answers. @latchkey/client works with either.

  Ctrl-C ends both.
`);
} catch (error) {
  if (!stopping) console.error(error instanceof Error ? error.message : error);
  await stop(1);
}

async function ready() {
  for (let attempt = 0; attempt < 40; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    const response = await fetch(`${origin}/readyz`).catch(() => undefined);
    if (response?.ok) return;
  }
  throw new Error(`the server does not answer on ${origin}`);
}

async function register() {
  const response = await fetch(`${origin}/api/auth/register/`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...person, password2: person.password, first_name: "Ada", last_name: "Lovelace" }),
  });
  if (!response.ok)
    throw new Error(`${origin} is not the server that was started here: is another one running?`);
}
