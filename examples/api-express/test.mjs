// The service against the real server: who may what, and how long a token lives
// after its logout.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  algorithms,
  diesAtLogout,
  examine,
  freePort,
  signingKey,
  start,
  startLatchkey,
} from "../latchkey.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
for (const algorithm of await algorithms("HS256", "ES256")) {
  const latchkey = await startLatchkey(algorithm);
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const service = start(process.execPath, ["server.js"], {
    cwd: here,
    env: {
      PORT: String(port),
      AUTH_URL: latchkey.origin,
      AUTH_SERVICE_KEY: latchkey.serviceKey,
      ...(algorithm === "HS256" ? { AUTH_SIGNING_KEY: signingKey } : {}),
    },
  });
  try {
    await service.answers(`${origin}/public`);
    await examine(origin, latchkey);
    const took = await diesAtLogout(origin, latchkey);
    assert.ok(took < 1000, `a logout is felt after ${took} ms only`);
    console.log(
      `api-express, ${algorithm}: roles are honoured; a logged-out token is refused after ${took.toFixed(0)} ms`,
    );
  } catch (error) {
    console.error(service.said());
    throw error;
  } finally {
    await service.stop();
    await latchkey.stop();
  }
}
