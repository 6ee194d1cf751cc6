import { getResponse } from "msw";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Connect, Plugin } from "vite";
import { makeWorld } from "./api";

/** Serves the fake world's API, for looking at the screens without a server: `npm run fake -w web`. */
export function fake(): Plugin {
  const world = makeWorld({ users: 1_234 });
  const answer = async (req: IncomingMessage, res: ServerResponse, next: Connect.NextFunction) => {
    if (!req.url?.startsWith("/api/")) return next();
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const request = new Request(new URL(req.url, `http://${req.headers.host}`), {
      method: req.method ?? "GET",
      headers: new Headers(Object.entries(req.headers).map(([k, v]): [string, string] => [k, String(v)])),
      ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
    });
    const response = await getResponse(world.handlers, request);
    res.statusCode = response?.status ?? 404;
    response?.headers.forEach((value, name) => res.setHeader(name, value));
    res.end(response ? Buffer.from(await response.arrayBuffer()) : "");
  };
  const use = (server: { middlewares: { use: (f: Connect.NextHandleFunction) => unknown } }) => {
    server.middlewares.use((req, res, next) => {
      // oxlint-disable-next-line promise/no-callback-in-promise -- that is what connect wants
      answer(req, res, next).catch(next);
    });
  };
  return { name: "fake", configureServer: use, configurePreviewServer: use };
}
