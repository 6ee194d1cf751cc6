import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { binary } from "./places.ts";
import { createDatabase } from "./postgres.ts";

export type Engine = "sqlite" | "postgres";

export interface Settings {
  engine?: Engine;
  // What to set, without the LATCHKEY_ before it: { TOKENS_ACCESS: "3s" }.
  set?: Record<string, string>;
}

// Server is the real binary, running.
export interface Server {
  // Browsers come by the name: localhost is a site, and what is on another port
  // of it is same-site, as in a team's own set-up.
  origin: string;
  port: number;
  log(): string;
  // command runs the binary on the server's data, as its operator would, and
  // gives what it prints.
  command(args: string[], input?: string): Promise<string>;
  // restart ends it and starts it again where it was, on its data, with more set.
  restart(set: Record<string, string>): Promise<void>;
  // stop has it end as an operator would, by SIGTERM, and removes its data.
  stop(): Promise<void>;
}

// How long a start may take at worst, on a machine that is busy.
const startTimeout = 20_000;

// startServer starts the binary on a free port with an empty database.
export async function startServer({ engine = "sqlite", set = {} }: Settings = {}): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), "latchkey-e2e-"));
  const database = engine === "postgres" ? await createDatabase() : undefined;
  // Nothing that is set for the tests themselves is set for the server.
  const env: NodeJS.ProcessEnv = { PATH: process.env["PATH"], HOME: folder };
  const settings: Record<string, string> = {
    LISTEN: "127.0.0.1:0",
    DATA: join(folder, "data"),
    DATABASE: database?.url ?? "",
    LOG_FORMAT: "json",
    ...set,
  };
  for (const [name, value] of Object.entries(settings)) env[`LATCHKEY_${name}`] = value;

  const command = async (args: string[], input = "") => {
    const run = spawn(binary, args, { cwd: folder, env, stdio: ["pipe", "pipe", "pipe"] });
    let out = "";
    run.stdout.on("data", (part) => (out += String(part)));
    run.stderr.on("data", (part) => (out += String(part)));
    run.stdin.end(input);
    const [code] = (await once(run, "close")) as [number];
    if (code !== 0) throw new Error(`latchkey ${args.join(" ")} ended with ${code}: ${out}`);
    return out;
  };

  const lines: string[] = [];
  const scheme = set["TLS_CERT"] ? "https" : "http";
  // serve starts it and gives its port, and what ends it.
  const serve = async () => {
    const child = spawn(binary, ["serve"], { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] });
    // Not "exit": what it has written by then has been read, too.
    const ended = once(child, "close");
    const address = new Promise<string>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`it does not say where it listens:\n${lines.join("\n")}`)),
        startTimeout,
      );
      createInterface({ input: child.stderr }).on("line", (line) => {
        lines.push(line);
        const said = servingAddress(line);
        if (said) resolve(said);
      });
      ended.then(
        () => reject(new Error(`the server has ended:\n${lines.join("\n")}`)),
        (error: unknown) => reject(error),
      );
      ended.finally(() => clearTimeout(timer)).catch(() => {});
    });

    const end = async () => {
      child.kill("SIGTERM");
      await ended.catch(() => {});
    };
    try {
      const port = Number((await address).split(":").pop());
      await ready(`${scheme}://127.0.0.1:${port}/readyz`);
      return { port, end };
    } catch (error) {
      await end();
      throw error;
    }
  };

  const clear = async () => {
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    let { port, end } = await serve();
    return {
      origin: `${scheme}://localhost:${port}`,
      port,
      log: () => lines.join("\n"),
      command,
      restart: async (more) => {
        await end();
        env["LATCHKEY_LISTEN"] = `127.0.0.1:${port}`;
        for (const [name, value] of Object.entries(more)) env[`LATCHKEY_${name}`] = value;
        ({ port, end } = await serve());
      },
      stop: async () => {
        await end();
        await clear();
      },
    };
  } catch (error) {
    await clear();
    throw error;
  }
}

// servingAddress reads the line of the log that says where the server listens.
function servingAddress(line: string): string | undefined {
  try {
    const said: unknown = JSON.parse(line);
    if (typeof said !== "object" || said === null) return undefined;
    if (!("msg" in said && said.msg === "serving" && "address" in said)) return undefined;
    return String(said.address);
  } catch {
    return undefined; // no JSON: told by the flags or the runtime
  }
}

async function ready(url: string): Promise<void> {
  const until = Date.now() + startTimeout;
  while ((await status(url)) !== 200) {
    if (Date.now() > until) throw new Error(`${url} is not ready`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// status asks for a URL; 0 is no answer. A certificate that a test has made is
// as good as any.
function status(url: string): Promise<number> {
  return new Promise((resolve) => {
    const answered = (response: http.IncomingMessage) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    };
    const request = url.startsWith("https:")
      ? https.get(url, { rejectUnauthorized: false }, answered)
      : http.get(url, answered);
    request.on("error", () => resolve(0));
  });
}
