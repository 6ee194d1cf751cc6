import { Readable } from "node:stream";
import { create, isAxiosError } from "axios";
import { afterEach, beforeEach, expect, test } from "vitest";
import { attach } from "../src/axios.js";
import { createClient, type Client } from "../src/index.js";
import { FakeServer } from "./server.js";

let server: FakeServer;
let client: Client;

beforeEach(async () => {
  server = new FakeServer();
  await server.start();
  client = createClient({ baseURL: `${server.url}/api`, mode: "bearer" });
  await client.login({ email: "ada@example.com", password: "right" });
});

afterEach(async () => {
  client.close();
  await server.stop();
});

const refused = (e: unknown) => (isAxiosError(e) ? e.response?.status : e);

test("carries the token, and renews it for as many as ask", async () => {
  const api = create({ baseURL: `${server.url}/api` });
  attach(api, client);
  expect((await api.get("/auth/profile/")).data).toMatchObject({ email: "ada@example.com" });
  server.expire();
  const answers = await Promise.all(Array.from({ length: 20 }, () => api.get("/auth/profile/")));
  expect(answers.map((a) => a.status)).toEqual(Array.from({ length: 20 }, () => 200));
  expect(server.refreshes).toBe(1);
});

test("sends the body again as it was", async () => {
  const api = create({ baseURL: `${server.url}/api` });
  attach(api, client);
  server.expire();
  expect((await api.put("/auth/profile/", { first_name: "Grace" })).data).toMatchObject({
    first_name: "Grace",
  });
  const sent = server.requests.filter((r) => r.body.includes("Grace"));
  expect(sent.map((r) => r.body)).toEqual(['{"first_name":"Grace"}', '{"first_name":"Grace"}']);
  expect(sent[0]?.headers.authorization).not.toBe(sent[1]?.headers.authorization);
});

test("tries once more and no more", async () => {
  const api = create({ baseURL: `${server.url}/api` });
  attach(api, client);
  server.before = (what) => (what.endsWith("orders/") ? Promise.resolve([401, {}]) : undefined);
  expect(await api.get("/orders/").catch(refused)).toBe(401);
  expect(server.count("GET /api/orders/")).toBe(2);
  expect(server.refreshes).toBe(1);
});

test("a failed login and a session that is over", async () => {
  const api = create({ baseURL: `${server.url}/api` });
  attach(api, client);
  expect(await api.post("/auth/login/", { email: "x", password: "wrong" }).catch(refused)).toBe(401);
  expect(server.refreshes).toBe(0);
  server.end();
  expect(await api.get("/auth/profile/").catch(refused)).toBe(401);
  expect(server.refreshes).toBe(1);
  expect(client.state.status).toBe("signedOut");
});

test("another origin gets no token", async () => {
  const other = new FakeServer();
  await other.start();
  try {
    const api = create();
    attach(api, client);
    await api.get(`${other.url}/api/auth/profile/`).catch(refused);
    expect(other.requests[0]?.headers).not.toHaveProperty("authorization");
    expect(server.refreshes).toBe(0);
  } finally {
    await other.stop();
  }
});

test("can be taken off again", async () => {
  const api = create({ baseURL: `${server.url}/api` });
  const detach = attach(api, client);
  detach();
  expect(await api.get("/auth/profile/").catch(refused)).toBe(401);
});

test("an instance that lets a 401 pass is served, too", async () => {
  const api = create({ baseURL: `${server.url}/api`, validateStatus: () => true });
  attach(api, client);
  server.expire();
  expect((await api.get("/auth/profile/")).status).toBe(200);
  expect(server.refreshes).toBe(1);
});

test("a stream is not sent twice", async () => {
  const api = create({ baseURL: `${server.url}/api` });
  attach(api, client);
  server.expire();
  const body = Readable.from(['{"first_name":"Grace"}']);
  expect(await api.put("/auth/profile/", body).catch(refused)).toBe(401);
  expect(server.count("PUT /api/auth/profile/")).toBe(1);
});
