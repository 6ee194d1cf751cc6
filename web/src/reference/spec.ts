// What of OpenAPI 3.1 our own description uses, and reading it.

import { parse } from "yaml";

export interface Schema {
  $ref?: string;
  description?: string;
  type?: string | string[];
  format?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  example?: unknown;
  examples?: unknown[];
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  maxProperties?: number;
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  propertyNames?: Schema;
  items?: Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
}

export interface Parameter {
  $ref?: string;
  name: string;
  in: "path" | "query" | "header" | "cookie";
  description?: string;
  required?: boolean;
  schema?: Schema;
}

export interface Header {
  $ref?: string;
  description?: string;
  schema?: Schema;
}

export interface Media {
  schema?: Schema;
  example?: unknown;
}

export interface Response {
  $ref?: string;
  description?: string;
  headers?: Record<string, Header>;
  content?: Record<string, Media>;
}

export interface RequestBody {
  $ref?: string;
  required?: boolean;
  content: Record<string, Media>;
}

export type Security = Record<string, string[]>[];

interface RawOperation {
  operationId: string;
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: Parameter[];
  security?: Security;
  requestBody?: RequestBody;
  responses: Record<string, Response>;
}

export interface Document {
  info: { title: string; version: string; summary?: string; description?: string };
  tags?: { name: string; description?: string }[];
  security?: Security;
  paths: Record<string, Record<string, unknown>>;
  components: Record<string, Record<string, unknown>>;
}

/** An answer of an operation. `name` is that of the shared answer it refers to, if it does. */
export interface Answer extends Response {
  status: string;
  name?: string;
}

/** An operation with what it refers to put in its place, but for schemas. */
export interface Operation {
  id: string;
  method: string;
  path: string;
  tag: string;
  summary: string;
  description: string;
  security: Security;
  parameters: Parameter[];
  body?: RequestBody;
  answers: Answer[];
}

const methods = ["get", "post", "put", "patch", "delete"];

export class Spec {
  readonly operations: Operation[];
  readonly tags: { name: string; description: string }[];

  constructor(readonly document: Document) {
    this.operations = Object.entries(document.paths).flatMap(([path, item]) =>
      methods
        .filter((method) => item[method] !== undefined)
        .map((method) =>
          this.operation(path, method, item[method] as RawOperation, item["parameters"] as Parameter[]),
        ),
    );
    const described = new Map((document.tags ?? []).map((tag) => [tag.name, tag.description ?? ""]));
    for (const { tag } of this.operations) if (!described.has(tag)) described.set(tag, "");
    this.tags = [...described].map(([name, description]) => ({ name, description }));
  }

  get schemas(): Record<string, Schema> {
    return (this.document.components["schemas"] ?? {}) as Record<string, Schema>;
  }

  /** Follows references until there is none. */
  resolve<T extends { $ref?: string }>(value: T): T {
    let found = value;
    while (found.$ref !== undefined) {
      const at = found.$ref;
      const [kind = "", name = ""] = at.replace("#/components/", "").split("/");
      const target = this.document.components[kind]?.[name];
      if (target === undefined) throw new Error(`the API's description has no ${at}`);
      found = target as T;
    }
    return found;
  }

  private operation(path: string, method: string, raw: RawOperation, shared: Parameter[] = []): Operation {
    return {
      id: raw.operationId,
      method: method.toUpperCase(),
      path,
      tag: raw.tags?.[0] ?? "other",
      summary: raw.summary ?? "",
      description: raw.description ?? "",
      security: raw.security ?? this.document.security ?? [],
      parameters: [...shared, ...(raw.parameters ?? [])].map((parameter) => this.resolve(parameter)),
      ...(raw.requestBody ? { body: this.resolve(raw.requestBody) } : {}),
      answers: Object.entries(raw.responses).map(([status, response]) => ({
        ...this.resolve(response),
        status,
        ...(response.$ref ? { name: nameOf(response.$ref) } : {}),
      })),
    };
  }
}

/** The last part of a reference: the name of what it points to. */
export function nameOf(ref: string): string {
  return ref.slice(ref.lastIndexOf("/") + 1);
}

export function readSpec(text: string): Spec {
  return new Spec(parse(text) as Document);
}

/** The schema of a body in JSON, if it has one. */
export function jsonSchema(content: Record<string, Media> | undefined): Schema | undefined {
  return content?.["application/json"]?.schema;
}

/** The shapes that a body may have; one, unless the schema says `oneOf`. */
export function shapes(schema: Schema): Schema[] {
  return schema.oneOf ?? [schema];
}
