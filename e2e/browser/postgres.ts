import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { executable } from "./browser.ts";

const run = promisify(execFile);

// The URL of a server whose user may create databases; `make test` starts one.
const admin = process.env["LATCHKEY_TEST_POSTGRES"];

// missingPostgres says why there is no PostgreSQL to test with, if so. Where
// nothing may be skipped that is an error.
export function missingPostgres(): string | undefined {
  if (admin) return undefined;
  const why = "LATCHKEY_TEST_POSTGRES is not set";
  if (process.env["LATCHKEY_TEST_STRICT"] === "1" || process.env["CI"] === "true") throw new Error(why);
  return why;
}

export interface Database {
  url: string;
  drop(): Promise<void>;
}

// createDatabase makes an empty database.
export async function createDatabase(): Promise<Database> {
  if (!admin) throw new Error("LATCHKEY_TEST_POSTGRES is not set");
  const name = `latchkey_test_${randomBytes(8).toString("hex")}`;
  // template0 rather than the default: nothing of the operator's own gets in.
  await psql(admin, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => psql(admin, `DROP DATABASE ${name} WITH (FORCE)`) };
}

async function psql(url: string, statement: string): Promise<void> {
  await run(findPsql(), ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", statement, url]);
}

// findPsql looks on PATH and where distributions keep the programs of a
// PostgreSQL that are not on it.
function findPsql(): string {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  try {
    const root = "/usr/lib/postgresql";
    folders.push(...readdirSync(root).map((version) => join(root, version, "bin")));
  } catch {
    // No such folder here.
  }
  const found = folders.map((folder) => join(folder, "psql")).find(executable);
  if (!found) throw new Error("there is no psql: it comes with PostgreSQL");
  return found;
}
