// Packs the package and installs it into an empty project, as somebody else does: its types must check there and its
// modules load.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(here, "..", "node_modules");
const dir = mkdtempSync(join(tmpdir(), "latchkey-pack-"));
const run = (command, ...args) =>
  execFileSync(command, args, { cwd: dir, stdio: ["ignore", "pipe", "inherit"] }).toString();

try {
  const [packed] = JSON.parse(run("npm", "pack", here, "--json", "--pack-destination", dir));
  const files = packed.files.map((f) => f.path).filter((f) => !f.startsWith("dist/"));
  if (files.sort().join() !== "LICENSE,README.md,package.json") throw new Error(`packed ${files}`);
  writeFileSync(join(dir, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  // axios and react are the peers of two of the entries; what is here already need not be fetched.
  const peers = ["axios", "react", "@types/react", "csstype"].map(
    (name) => `${name}@file:${join(modules, name)}`,
  );
  run(
    "npm",
    "install",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--install-links",
    "--offline",
    join(dir, packed.filename),
  );
  const without = execFileSync("npm", ["ls", "--all", "--parseable"], { cwd: dir })
    .toString()
    .trim()
    .split("\n");
  if (without.length !== 2) throw new Error(`the package brought others along:\n${without.join("\n")}`);
  run(
    "node",
    "--input-type=module",
    "-e",
    'import { createClient } from "@latchkey/client"; createClient().close();',
  );
  run(
    "npm",
    "install",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--install-links=false",
    "--legacy-peer-deps",
    ...peers,
  );
  writeFileSync(
    join(dir, "use.tsx"),
    `import axios from "axios";
import { createClient, fieldErrors, LatchkeyError, type State } from "@latchkey/client";
import { attach } from "@latchkey/client/axios";
import { AuthProvider, RequireAuth, RequireRole, useAuth } from "@latchkey/client/react";

const client = createClient({ baseURL: "http://localhost:8000", mode: "bearer", storage: "localStorage" });
const detach: () => void = attach(axios.create(), client);
// @ts-expect-error there is no such mode
createClient({ mode: "cookies" });

function Name() {
  const { user, status } = useAuth();
  return <p>{status === "signedIn" ? user.first_name : "nobody"}</p>;
}

export const App = () => (
  <AuthProvider client={client}>
    <RequireAuth fallback={<p>sign in</p>}>
      <RequireRole roles={["admin", "manager"]}>
        <Name />
      </RequireRole>
    </RequireAuth>
  </AuthProvider>
);

export async function act(): Promise<State> {
  try {
    const user = await client.login({ email: "a@example.com", password: "x" });
    const role: "admin" | "manager" | "employee" | "client" = user.role;
    console.log(role);
  } catch (error) {
    if (error instanceof LatchkeyError) console.log(error.status, fieldErrors(error).email?.[0]);
  }
  detach();
  return client.state;
}
`,
  );
  for (const resolution of [
    ["--module", "nodenext"],
    ["--module", "esnext", "--moduleResolution", "bundler"],
  ]) {
    run(
      process.execPath,
      join(modules, "typescript/bin/tsc"),
      "--noEmit",
      "--strict",
      "--jsx",
      "react-jsx",
      "--target",
      "es2022",
      "--lib",
      "es2022,dom,dom.iterable",
      ...resolution,
      "use.tsx",
    );
  }
  run(
    "node",
    "--input-type=module",
    "-e",
    'await Promise.all(["", "/react", "/axios"].map((e) => import("@latchkey/client" + e)));',
  );
  console.log(`pack-test: ${packed.filename}, ${packed.size} bytes, installs, type-checks and loads`);
} finally {
  rmSync(dir, { recursive: true });
}
