// The service against the real server, on Debian's Django, DRF and SimpleJWT.
// PYTHON names the interpreter; else it is the first of python3 and Debian's own
// that has them.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { algorithms, call, examine, freePort, run, signingKey, start, startLatchkey } from "../latchkey.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const python = process.env.PYTHON ?? (await interpreter("python3", "/usr/bin/python3"));

async function interpreter(...candidates) {
  for (const candidate of candidates) {
    const found = await run(candidate, ["-c", "import django, rest_framework_simplejwt, cryptography"]).catch(
      () => undefined,
    );
    if (found !== undefined) return candidate;
  }
  throw new Error(
    "apt-get install python3-django python3-djangorestframework-simplejwt python3-cryptography",
  );
}

for (const algorithm of await algorithms("HS256", "ES256")) {
  const latchkey = await startLatchkey(algorithm);
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const service = start(python, ["-m", "django", "runserver", "--noreload", `127.0.0.1:${port}`], {
    cwd: here,
    env: {
      PATH: process.env.PATH,
      PYTHONPATH: here,
      PYTHONDONTWRITEBYTECODE: "1",
      DJANGO_SETTINGS_MODULE: "service.settings",
      DJANGO_SECRET_KEY: "a secret of Django's own in these tests",
      AUTH_URL: latchkey.origin,
      AUTH_ALGORITHM: algorithm,
      ...(algorithm === "HS256" ? { AUTH_SIGNING_KEY: signingKey } : {}),
    },
  });
  try {
    await service.answers(`${origin}/public`);
    await examine(origin, latchkey);
    // As the README says: SimpleJWT asks nobody, so a logout is not felt here
    // before the token expires. At Latchkey itself it is dead at once.
    const tokens = await latchkey.login("employee");
    await latchkey.logout(tokens);
    assert.equal((await call(latchkey.origin, "GET", "/api/auth/profile/", tokens.access)).status, 401);
    const after = await call(origin, "GET", "/me", tokens.access);
    assert.equal(after.status, 200, "a stateless SimpleJWT that feels a logout: say so in the README");
    console.log(
      `api-django, ${algorithm}: roles are honoured; a logged-out token is good until it expires, as the README says`,
    );
  } catch (error) {
    console.error(service.said());
    throw error;
  } finally {
    await service.stop();
    await latchkey.stop();
  }
}
