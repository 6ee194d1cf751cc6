import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Told = [status: number, body: unknown, headers?: Record<string, string> | undefined];

/**
 * A server that speaks as much of the contract as the client's tests need and can be told to misbehave. The real one is
 * met in real.test.ts and in the browser's tests.
 */
export class FakeServer {
  url = "";
  /** What was asked for, as "POST /api/auth/token/refresh/". */
  asked: string[] = [];
  /** The headers and body of each. */
  requests: { headers: IncomingMessage["headers"]; body: string }[] = [];
  lifetime = 60;
  /** grace: the previous refresh token gets the same successor. */
  grace = false;
  /** Before answering: "drop" cuts the connection when the request has taken effect. */
  before: (what: string) => Promise<"drop" | Told | undefined> | undefined = () => undefined;

  #server: Server = createServer((request, response) => void this.#answer(request, response));
  #count = 0;
  /** earlier: access tokens from before a rotation, which are good until they expire. */
  #session:
    { refresh: string; previous?: string; access: string; earlier: string[]; expires: number } | undefined;

  async start() {
    // On a busy machine it would close a connection that a request is just being written to.
    this.#server.keepAliveTimeout = 0;
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  count(what: string) {
    return this.asked.filter((a) => a === what).length;
  }

  get refreshes() {
    return this.count("POST /api/auth/token/refresh/");
  }

  /** Access tokens made until now are good no longer. */
  expire() {
    if (this.#session) this.#session.expires = 0;
  }

  /** As a logout elsewhere does. */
  end() {
    this.#session = undefined;
  }

  get access() {
    return this.#session?.access ?? "";
  }

  get refresh() {
    return this.#session?.refresh ?? "";
  }

  #mint() {
    const n = ++this.#count;
    // A second later each time: a real one is not asked twice in one.
    const exp = Math.floor(Date.now() / 1000) + this.lifetime + n;
    const token = (type: string, life: number) =>
      [
        "e30",
        Buffer.from(JSON.stringify({ token_type: type, exp: exp - this.lifetime + life, n })).toString(
          "base64url",
        ),
        "s",
      ].join(".");
    const last = this.#session;
    const before = last?.refresh;
    this.#session = {
      access: token("access", this.lifetime),
      earlier: last && last.expires > Date.now() ? [...last.earlier, last.access] : [],
      refresh: token("refresh", 1000),
      expires: Date.now() + this.lifetime * 1000,
      ...(before ? { previous: before } : {}),
    };
    return { access: exp, refresh: exp + 1000 };
  }

  async #answer(request: IncomingMessage, response: ServerResponse) {
    let body = "";
    for await (const part of request) body += String(part);
    const path = new URL(request.url ?? "", "http://x").pathname;
    const what = `${request.method} ${path}`;
    this.asked.push(what);
    this.requests.push({ headers: request.headers, body });
    const told = await this.before(what);
    const [status, answer, headers] = Array.isArray(told) ? told : this.#act(what, request, body);
    if (told === "drop") {
      request.socket.destroy();
      return;
    }
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(status === 204 ? undefined : JSON.stringify(answer));
  }

  #act(what: string, request: IncomingMessage, body: string): Told {
    const mode = request.headers["auth-mode"];
    const cookies = Object.fromEntries(
      (request.headers.cookie ?? "").split("; ").map((c) => c.split("=") as [string, string]),
    );
    const sent = body ? (JSON.parse(body) as Record<string, string>) : {};
    const bearer = request.headers.authorization?.replace("Bearer ", "") ?? cookies["access"];
    const s = this.#session;
    const known = s !== undefined && (bearer === s.access || s.earlier.includes(bearer ?? ""));
    const good = known && s.expires > Date.now();
    const give = (status: number, rest: object): Told => {
      const expires = this.#mint();
      const { access, refresh } = this.#session ?? { access: "", refresh: "" };
      const set = { "x-set-cookie": `access=${access}; refresh=${refresh}` };
      if (mode === "cookie") return [status, { ...rest, expires }, set];
      if (what.endsWith("refresh/")) {
        return [status, { ...rest, access, ...(mode ? { expires } : { refresh }) }, set];
      }
      return [
        status,
        { ...rest, tokens: { access, ...(mode ? {} : { refresh }) }, ...(mode ? { expires } : {}) },
        set,
      ];
    };
    switch (what) {
      case "POST /api/auth/login/":
        if (sent["password"] !== "right") {
          return [
            401,
            { error: "Invalid credentials", details: { non_field_errors: ["Invalid credentials."] } },
          ];
        }
        return give(200, { message: "Login successful", user: ada });
      case "POST /api/auth/register/":
        if (sent["password"] !== sent["password2"]) {
          return [400, { error: "Invalid data", details: { password: ["Password fields didn't match."] } }];
        }
        return give(201, { message: "User registered successfully", user: ada });
      case "POST /api/auth/token/refresh/": {
        const token = sent["refresh"] ?? cookies["refresh"];
        if (s && (token === s.refresh || (this.grace && token === s.previous))) {
          if (token === s.previous) {
            const again = { user: ada, expires: { access: Math.floor(s.expires / 1000), refresh: 0 } };
            return [
              200,
              { ...again, access: s.access, refresh: s.refresh },
              { "x-set-cookie": `access=${s.access}; refresh=${s.refresh}` },
            ];
          }
          return give(200, { user: ada });
        }
        return [401, { detail: "Token is blacklisted", code: "token_not_valid" }];
      }
      case "POST /api/auth/logout/":
        if (!good) return unauthorized;
        this.end();
        return [200, { message: "Successfully logged out" }, { "x-set-cookie": "access=; refresh=" }];
      case "GET /api/auth/sessions/":
        return good
          ? [
              200,
              {
                expires: { access: Math.floor(s.expires / 1000), refresh: Math.floor(s.expires / 1000) },
                results: [],
              },
            ]
          : unauthorized;
      case "GET /api/auth/profile/":
        return good ? [200, { ...ada, phone: "", created_at: "", updated_at: "" }] : unauthorized;
      case "PUT /api/auth/profile/":
        return good ? [200, { ...ada, ...sent, phone: "", created_at: "", updated_at: "" }] : unauthorized;
      case "DELETE /api/auth/sessions/abc/":
        return good ? [204, undefined] : unauthorized;
      case "GET /api/orders/":
        return good ? [200, []] : unauthorized;
      default:
        return [404, { detail: "Not found." }];
    }
  }
}

const unauthorized: Told = [
  401,
  { detail: "Given token not valid for any token type", code: "token_not_valid" },
];

export const ada = {
  id: 1,
  email: "ada@example.com",
  first_name: "Ada",
  last_name: "Lovelace",
  role: "employee",
};

/** The cookies of one browser, for a fetch that has none. The fake server sets them by a header of its own. */
export class Jar {
  cookies = "";
  /** A fetch that carries them where credentials are included. */
  fetch: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    if (init?.credentials === "include") headers.set("Cookie", this.cookies);
    const response = await fetch(input, { ...init, headers });
    const set = response.headers.get("x-set-cookie");
    if (set !== null && init?.credentials === "include") this.cookies = set;
    return response;
  };
}
