// @vitest-environment jsdom

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createClient } from "@latchkey/client";
import { beforeAll, describe, expect, test } from "vitest";
import { answerExamples, byOperation, requestExample } from "./examples";
import { highlight } from "./highlight";
import { schemaExample } from "./operation";
import { renderReference } from "./page";
import { snippets } from "./snippets";
import { jsonSchema, readSpec, type Media } from "./spec";
import { introduction, reasons, tagTitles } from "./text";
import { problems } from "./validate";

const root = resolve(import.meta.dirname, "../../..");
const openapi = readFileSync(resolve(root, "internal/api/openapi.yaml"), "utf8");
const deviations = readFileSync(resolve(root, "docs/deviations.md"), "utf8");
const spec = readSpec(openapi);
const html = renderReference(openapi, deviations);

beforeAll(() => {
  document.body.innerHTML = html;
});

const operations = spec.operations.map((operation) => [operation.id, operation] as const);
const names = Object.keys(spec.schemas);

describe("the page", () => {
  test.each(operations)("has %s with its method, path and answers", (id, operation) => {
    const part = document.getElementById(id);
    expect(part?.querySelector(".method")?.textContent).toBe(operation.method);
    expect(part?.querySelector(".path")?.textContent).toBe(operation.path);
    expect(part?.textContent).toContain(operation.summary);
    const statuses = [...(part?.querySelectorAll<HTMLElement>(".answer") ?? [])].map(
      (one) => one.dataset["status"],
    );
    expect(statuses.sort()).toEqual(operation.answers.map((answer) => answer.status).sort());
    for (const answer of operation.answers) {
      expect(part?.textContent).toContain(answer.description?.trim().split(/[`\n]/)[0]);
      expect(reasons).toHaveProperty(answer.status);
    }
    expect(document.querySelector(`#contents a[href="#${id}"]`)).not.toBeNull();
  });

  test.each(operations)("has the parameters and fields of %s in a table and in its form", (id, operation) => {
    const part = document.getElementById(id);
    const schema = jsonSchema(operation.body?.content);
    const wanted = [
      ...operation.parameters.map((parameter) => parameter.name),
      ...Object.keys((schema && spec.resolve(schema).properties) ?? {}),
    ];
    const found = (selector: string) => [...(part?.querySelectorAll(selector) ?? [])];
    expect(found(".fields tbody th").map((cell) => cell.textContent)).toEqual(expect.arrayContaining(wanted));
    expect(found(".try [data-where]").map((input) => input.getAttribute("name"))).toEqual(
      expect.arrayContaining(wanted.filter((name) => name !== "Auth-Mode")),
    );
  });

  test.each(names)("has the schema %s", (name) => {
    expect(document.getElementById(`schema-${name}`)?.querySelector("h3")?.textContent).toContain(name);
  });

  test("has each id once, and every link within it leads somewhere", () => {
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
    const links = [...document.querySelectorAll('a[href^="#"]')].map((link) =>
      link.getAttribute("href")?.slice(1),
    );
    expect(links.filter((id) => id === undefined || !ids.includes(id))).toEqual([]);
    for (const label of document.querySelectorAll("label[for]")) {
      expect(ids).toContain(label.getAttribute("for"));
    }
  });

  test("has nothing that its Content-Security-Policy forbids", () => {
    expect(document.querySelector("script, style, [style], iframe, object, img")).toBeNull();
    expect(html).not.toMatch(/<[^>]+\son[a-z]+=/);
  });

  test("links to the description, to the app and to every deviation", () => {
    expect(document.querySelector('a[href="/api/schema/"]')).not.toBeNull();
    expect(document.querySelector('a[href="/"]')).not.toBeNull();
    const rows = deviations.split("\n").filter((line) => line.startsWith("|") && !/^\|[-|\s]+$/.test(line));
    expect(document.querySelectorAll("#deviations tr")).toHaveLength(rows.length);
  });

  test("has a title for every tag", () => {
    for (const { name } of spec.tags) expect(tagTitles).toHaveProperty(name);
  });
});

describe("the examples", () => {
  test.each(operations)("of %s are what the schemas say", (_, operation) => {
    expect(wrong(operation.body?.content, requestExample(spec, operation))).toEqual([]);
    for (const answer of operation.answers) {
      const examples = answerExamples(spec, operation, answer);
      expect(examples.length > 0).toBe(jsonSchema(answer.content) !== undefined);
      for (const { value, schema = "" } of examples) {
        expect(wrong(answer.content, value)).toEqual([]);
        expect(problems(spec, spec.schemas[schema] ?? {}, value)).toEqual([]);
      }
    }
  });

  test.each(names)("of the schema %s is what it says", (name) => {
    expect(problems(spec, spec.schemas[name] ?? {}, schemaExample(spec, name))).toEqual([]);
  });

  test("are of operations that there are", () => {
    const known = spec.operations.flatMap((one) => one.answers.map((answer) => `${one.id} ${answer.status}`));
    expect(Object.keys(byOperation).filter((key) => !known.includes(key))).toEqual([]);
  });

  test("of the introduction are JSON where they say so", () => {
    const samples = introduction.flatMap((section) => section.samples ?? []);
    const json = samples.filter((sample) => sample.language === "json");
    expect(json.map((sample) => typeof JSON.parse(sample.code))).toEqual(json.map(() => "object"));
  });

  test("that are wrong are found", () => {
    const user = { $ref: "#/components/schemas/User" };
    const good = schemaExample(spec, "User") as object;
    expect(problems(spec, user, { ...good, id: "1" })).toEqual(["body.id is no integer"]);
    expect(problems(spec, user, { ...good, role: "king" })).toHaveLength(1);
    expect(problems(spec, user, { ...good, more: 1 })).toEqual(["body.more is unknown"]);
    expect(problems(spec, user, { id: 1 })).toHaveLength(4);
  });
});

describe("the ways to call", () => {
  test.each(operations)("%s by fetch and by curl send what the schema says", async (id, operation) => {
    const all = snippets(spec, operation);
    const code = (language: string) => all.find((one) => one.language === language)?.code ?? "";
    const pattern = new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, "[^/{}]+")}$`);

    const { url, init } = await run(code("fetch"));
    expect(new URL(url).pathname).toMatch(pattern);
    expect(init?.method ?? "GET").toBe(operation.method);
    expect(wrong(operation.body?.content, parsed(init?.body))).toEqual([]);

    const [, method, address] = /^curl -X (\S+) "?(\S+?)"?(?: \\|$)/m.exec(code("curl")) ?? [];
    expect(method).toBe(operation.method);
    expect(address).toBe(url);
    const [, data] = /-d '([^]*)'$/.exec(code("curl")) ?? [];
    expect(wrong(operation.body?.content, parsed(data))).toEqual([]);
    expect(document.getElementById(id)?.textContent).toContain(code("curl"));
  });

  const withClient = spec.operations.flatMap((operation) =>
    snippets(spec, operation)
      .filter(({ language }) => language === "client")
      .map(({ code }) => [`${operation.method} ${operation.path}`, code] as const),
  );

  test.each(withClient)("%s by our client is what the client does", async (call, code) => {
    expect(await runWithClient(code)).toContain(call);
  });

  test("are coloured without a letter changed", () => {
    for (const { language, code } of spec.operations.flatMap((operation) => snippets(spec, operation))) {
      const tokens = highlight(code, language === "curl" ? "sh" : "js");
      expect(tokens.map((token) => token.text).join("")).toBe(code);
    }
  });
});

/** What is wrong with a body, if there is to be one. */
function wrong(content: Record<string, Media> | undefined, value: unknown): string[] {
  const schema = jsonSchema(content);
  return schema ? problems(spec, schema, value) : [];
}

function parsed(body: unknown): unknown {
  return typeof body === "string" ? JSON.parse(body) : undefined;
}

/** Runs an example against a fetch that only listens. */
async function run(code: string): Promise<{ url: string; init: RequestInit | undefined }> {
  let heard: { url: string; init: RequestInit | undefined } | undefined;
  const listen = (url: string, init?: RequestInit) => {
    heard = { url, init };
    return Promise.resolve(new Response("{}"));
  };
  // eslint-disable-next-line no-new-func
  const body = new Function("fetch", "console", `return (async () => {\n${code}\n})();`) as (
    fetch: typeof listen,
    console: { log: () => void },
  ) => Promise<void>;
  await body(listen, { log: () => undefined });
  if (!heard) throw new Error("the example called nothing");
  return heard;
}

/** Runs an example with our client, against a server that answers its examples. Gives what was asked for. */
async function runWithClient(code: string): Promise<string[]> {
  const calls: string[] = [];
  const answer = (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const path = new URL(input instanceof Request ? input.url : input).pathname;
    const operation = spec.operations.find(
      (one) =>
        one.method === (init.method ?? "GET") &&
        new RegExp(`^${one.path.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(path),
    );
    const good = operation?.answers.find(({ status }) => status.startsWith("2"));
    if (!operation || !good) throw new Error(`there is no ${init.method} ${path}`);
    const bad = init.body ? wrong(operation.body?.content, parsed(init.body)) : [];
    if (bad.length > 0) throw new Error(bad.join("; "));
    calls.push(`${operation.method} ${operation.path}`);
    const examples = answerExamples(spec, operation, good);
    const { value } = examples.find((example) => example.schema?.endsWith("Cookie")) ?? examples[0] ?? {};
    const body = value === undefined ? null : JSON.stringify(value);
    return Promise.resolve(new Response(body, { status: Number(good.status) }));
  };
  // eslint-disable-next-line no-new-func
  const body = new Function(
    "createClient",
    "console",
    `return (async () => {\n${code.replace(/^import .*\n/, "")}\n})();`,
  ) as (create: typeof createClient, console: { log: () => void }) => Promise<void>;
  await body((options) => createClient({ ...options, fetch: answer, tabs: false }), { log: () => undefined });
  return calls;
}
