// The service against the real server: who may what, and how long a token lives
// after its logout.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  algorithms,
  diesAtLogout,
  examine,
  freePort,
  run,
  signingKey,
  start,
  startLatchkey,
} from "../latchkey.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = await mkdtemp(join(tmpdir(), "latchkey-api-go-"));
try {
  const program = join(folder, "api-go");
  await run("go", ["build", "-o", program, "."], { cwd: here });
  for (const algorithm of await algorithms("HS256", "EdDSA")) {
    const latchkey = await startLatchkey(algorithm);
    const listen = `127.0.0.1:${await freePort()}`;
    const service = start(program, [], {
      env: {
        LISTEN: listen,
        AUTH_URL: latchkey.origin,
        AUTH_SERVICE_KEY: latchkey.serviceKey,
        ...(algorithm === "HS256" ? { AUTH_SIGNING_KEY: signingKey } : {}),
      },
    });
    try {
      await service.answers(`http://${listen}/public`);
      await examine(`http://${listen}`, latchkey);
      const took = await diesAtLogout(`http://${listen}`, latchkey);
      assert.ok(took < 1000, `a logout is felt after ${took} ms only`);
      console.log(
        `api-go, ${algorithm}: roles are honoured; a logged-out token is refused after ${took.toFixed(0)} ms`,
      );
    } finally {
      await service.stop();
      await latchkey.stop();
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
