// How an operation is called, in the languages that people copy from.

import { exampleOf, requestExample } from "./examples";
import type { Operation, Spec } from "./spec";

/** The address in the guide's examples. The page puts its own there. */
export const origin = "http://localhost:8000";

export type Language = "curl" | "fetch" | "client";

export interface Snippet {
  language: Language;
  title: string;
  code: string;
}

const accessToken = "your_access_token_here";

export function snippets(spec: Spec, operation: Operation): Snippet[] {
  const body = requestExample(spec, operation);
  const client = clientCall(spec, operation, body);
  return [
    { language: "curl", title: "curl", code: curl(spec, operation, body) },
    { language: "fetch", title: "fetch", code: fetchCall(spec, operation, body) },
    ...(client ? [{ language: "client" as const, title: "@latchkey/client", code: client }] : []),
  ];
}

/** Whether a call without a credential is answered 401. */
export function needsCredential(operation: Operation): boolean {
  return operation.security.length > 0 && !operation.security.some((one) => Object.keys(one).length === 0);
}

export function takesBearer(operation: Operation): boolean {
  return operation.security.some((one) => "bearer" in one);
}

function curl(spec: Spec, operation: Operation, body: unknown): string {
  const url = address(spec, operation);
  const lines = [`curl -X ${operation.method} ${url.includes("?") ? `"${url}"` : url}`];
  if (needsCredential(operation)) lines.push(`-H "Authorization: Bearer ${accessToken}"`);
  if (body !== undefined) {
    lines.push(`-H "Content-Type: application/json"`);
    lines.push(`-d '${indent(JSON.stringify(body, null, 2)).replaceAll("'", `'\\''`)}'`);
  }
  return lines.join(" \\\n  ");
}

function fetchCall(spec: Spec, operation: Operation, body: unknown, client = false): string {
  const url = address(spec, operation);
  const headers = [
    ...(needsCredential(operation) && !client ? [`    Authorization: "Bearer ${accessToken}",`] : []),
    ...(body === undefined ? [] : [`    "Content-Type": "application/json",`]),
  ];
  const options = [
    ...(operation.method === "GET" ? [] : [`  method: "${operation.method}",`]),
    ...(headers.length > 0 ? ["  headers: {", ...headers, "  },"] : []),
    ...(body === undefined ? [] : [`  body: JSON.stringify(${indent(script(body))}),`]),
  ];
  const name = client ? "auth.fetch" : "fetch";
  const call =
    options.length > 0
      ? `const response = await ${name}("${url}", {\n${options.join("\n")}\n});`
      : `const response = await ${name}("${url}");`;
  return `${call}\n${reading(operation)}`;
}

/** How the answer is read: as what the first good one is. */
function reading(operation: Operation): string {
  const good = operation.answers.find((answer) => answer.status.startsWith("2"));
  if (good?.content === undefined) return `console.log(response.status); // ${good?.status}`;
  const read = good.content["application/json"] ? "json" : "text";
  return `console.log(response.status, await response.${read}());`;
}

function address(spec: Spec, operation: Operation): string {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    if (name === "id" && operation.path.includes("/sessions/")) return sessionID(spec);
    const parameter = operation.parameters.find((one) => one.in === "path" && one.name === name);
    return String(exampleOf(spec, parameter?.schema ?? {}, name));
  });
  const query = operation.parameters
    .filter((one) => one.in === "query" && (one.required || one.schema?.default !== undefined))
    .map((one) => `${one.name}=${String(exampleOf(spec, one.schema ?? {}, one.name))}`);
  return origin + path + (query.length > 0 ? `?${query.join("&")}` : "");
}

function sessionID(spec: Spec): string {
  return (exampleOf(spec, { $ref: "#/components/schemas/Session" }) as { id: string }).id;
}

/** A value as a script would write it: no quotes around names that need none. */
function script(value: unknown): string {
  return JSON.stringify(value, null, 2)
    .replaceAll(/^(\s*)"([A-Za-z_]\w*)":/gm, "$1$2:")
    .replaceAll(/([^{[,\n])\n(\s*)([}\]])/g, "$1,\n$2$3");
}

function indent(text: string): string {
  return text.replaceAll("\n", "\n  ");
}

const createClient = `import { createClient } from "@latchkey/client";

const auth = createClient({ baseURL: "${origin}" });
`;

/** With the client library: by the function that it has for the operation, else by its fetch. */
function clientCall(spec: Spec, operation: Operation, body: unknown): string | undefined {
  const own = clientCalls(script(body ?? {}), sessionID(spec))[operation.id];
  if (own) return createClient + own;
  return needsCredential(operation) ? createClient + fetchCall(spec, operation, body, true) : undefined;
}

const clientCalls = (body: string, session: string): Record<string, string> => ({
  register: `const user = await auth.register(${body});`,
  login: `const user = await auth.login(${body});`,
  logout: `await auth.logout();`,
  refresh: `// Every call of it refreshes when it must; this does so now.\nconst signedIn = await auth.refresh();`,
  verify: `const good = await auth.verify("your_token_here");`,
  profile: `const profile = await auth.profile.get();`,
  updateProfile: `const profile = await auth.profile.update(${body});`,
  sessions: `const { results } = await auth.sessions.list();`,
  endSession: `await auth.sessions.end("${session}");`,
  endOtherSessions: `const { ended } = await auth.sessions.endOthers();`,
  confirm: `await auth.confirm("your_password_here");`,
  changePassword: `const { ended } = await auth.password.change(${body});`,
  events: `const { results, next } = await auth.events.list({ limit: 50 });`,
  settings: `const settings = await auth.settings();`,
});
