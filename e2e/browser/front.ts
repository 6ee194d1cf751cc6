import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

// Seen is a request as it came in at the front, and how it was answered.
export interface Seen {
  method: string;
  path: string;
  headers: http.IncomingHttpHeaders;
  // Of the answer; undefined while there is none.
  status?: number;
  setCookie: string[];
}

// A Rule bends what happens to the next requests for a path.
export interface Rule {
  path: string;
  // How many requests it is for: 1.
  times?: number;
  // The request waits for this before the server gets it.
  before?: Promise<void>;
  // The server has answered; the answer waits for this.
  after?: Promise<void>;
  // Told when the server has answered.
  answered?: () => void;
  // The connection breaks instead of the answer.
  drop?: boolean;
  // Answered here, with this status; the server is not asked.
  status?: number;
}

// Front is a small reverse proxy before a server: it writes down each request
// and can lose an answer on its way. Beside the server's own paths it has those
// under /-/, for pages of the tests that must be of the server's origin.
export interface Front {
  origin: string;
  port: number;
  seen: Seen[];
  // requests gives those that were for a path, preflights aside.
  requests(path: string): Seen[];
  bend(rule: Rule): void;
  close(): Promise<void>;
}

const media: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

// Folders are served by the path that they have here: { "/client/": "…/dist" }.
export type Folders = Record<string, string>;

// startFront puts a proxy before the server on a port.
export async function startFront(server: { port: number }, folders: Folders = {}): Promise<Front> {
  const seen: Seen[] = [];
  const rules: Rule[] = [];
  const agent = new http.Agent({ keepAlive: true });

  const pass = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://front");
    if (await serveFile(folders, url.pathname, response)) return;

    const one: Seen = {
      method: request.method ?? "",
      path: url.pathname,
      headers: request.headers,
      setCookie: [],
    };
    seen.push(one);
    const rule = one.method === "OPTIONS" ? undefined : take(rules, url.pathname);
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk);
    await rule?.before;
    if (rule?.status) {
      one.status = rule.status;
      response.writeHead(rule.status, { "content-type": "application/json", connection: "close" });
      response.end('{"detail":"Refused on the way."}');
      return;
    }

    // The client's going away is not told to the server: the answer is lost, not
    // the request.
    const upstream = http.request({
      agent,
      host: "127.0.0.1",
      port: server.port,
      method: request.method,
      path: request.url,
      headers: request.headers,
    });
    upstream.end(Buffer.concat(body));
    const [answer] = (await once(upstream, "response")) as [http.IncomingMessage];
    const parts: Buffer[] = [];
    for await (const chunk of answer) parts.push(chunk);
    one.status = answer.statusCode ?? 0;
    one.setCookie = answer.headers["set-cookie"] ?? [];
    rule?.answered?.();
    await rule?.after;
    if (rule?.drop) {
      request.socket.resetAndDestroy();
      return;
    }
    // On a connection that was used before, a browser sends a request again by
    // itself when it breaks. That would hide what the page does about it.
    response.writeHead(one.status, { ...answer.headers, connection: "close" });
    response.end(Buffer.concat(parts));
  };

  const listener = http.createServer((request, response) => {
    pass(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  const port = await listen(listener);
  return {
    origin: `http://localhost:${port}`,
    port,
    seen,
    requests: (path) => seen.filter((s) => s.path === path && s.method !== "OPTIONS"),
    bend: (rule) => void rules.push(rule),
    close: async () => {
      await close(listener);
      agent.destroy();
    },
  };
}

// take gives the rule that a request falls under, and counts it.
function take(rules: Rule[], path: string): Rule | undefined {
  const at = rules.findIndex((rule) => rule.path === path);
  const rule = rules[at];
  if (!rule) return undefined;
  rule.times = (rule.times ?? 1) - 1;
  if (rule.times <= 0) rules.splice(at, 1);
  return rule;
}

// Site is another origin, with nothing but files and pages made up by a test.
export interface Site {
  origin: string;
  port: number;
  close(): Promise<void>;
}

// startSite serves folders and pages. Whatever path is none of theirs gets the
// fallback, as a static host does for an app with a router.
export async function startSite(
  {
    folders = {},
    pages = {},
    fallback,
  }: { folders?: Folders; pages?: Record<string, string>; fallback?: string },
  host = "localhost",
): Promise<Site> {
  const listener = http.createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://site").pathname;
    const answer = async () => {
      const page = pages[path];
      if (page !== undefined) {
        response.writeHead(200, { "content-type": media[".html"] }).end(page);
      } else if (!(await serveFile(folders, path, response))) {
        response
          .writeHead(fallback === undefined ? 404 : 200, { "content-type": media[".html"] })
          .end(fallback ?? "");
      }
    };
    answer().catch(() => response.destroy());
  });
  const port = await listen(listener);
  return { origin: `http://${host}:${port}`, port, close: () => close(listener) };
}

async function serveFile(folders: Folders, path: string, response: http.ServerResponse): Promise<boolean> {
  const prefix = Object.keys(folders).find((p) => path.startsWith(p));
  if (prefix === undefined) return false;
  let name = normalize(path.slice(prefix.length));
  if (name.startsWith("..")) return false;
  if (name === "." || name.endsWith("/")) name = join(name, "index.html");
  const body = await readFile(join(folders[prefix] ?? "", name)).catch(() => undefined);
  if (!body) return false;
  response.writeHead(200, { "content-type": media[extname(name)] ?? "application/octet-stream" }).end(body);
  return true;
}

async function listen(listener: http.Server): Promise<number> {
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return (listener.address() as AddressInfo).port;
}

async function close(listener: http.Server): Promise<void> {
  listener.close();
  listener.closeAllConnections();
  await once(listener, "close");
}
