// Writes src/schema.ts: the types of the API's description, internal/api/openapi.yaml.
//
//   node scripts/generate.mjs           writes it
//   node scripts/generate.mjs --check   fails if it is not what it would write
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

const source = new URL("../../internal/api/openapi.yaml", import.meta.url);
const target = fileURLToPath(new URL("../src/schema.ts", import.meta.url));

export function generate() {
  const { components, paths } = parse(readFileSync(source, "utf8"));
  let out = "// Made from internal/api/openapi.yaml by scripts/generate.mjs. Do not edit.\n";
  for (const [name, schema] of Object.entries(components.schemas)) {
    out += `\n${comment(schema.description, "")}export type ${name} = ${type(schema, "")};\n`;
  }
  out += "\n/** The paths of the API by the name of what they do. */\nexport const paths = {\n";
  for (const [path, item] of Object.entries(paths)) {
    for (const operation of Object.values(item)) {
      if (operation.operationId) out += `  ${operation.operationId}: ${JSON.stringify(path)},\n`;
    }
  }
  return out + "} as const;\n";
}

function comment(text, indent) {
  if (!text) return "";
  const lines = text.trim().split("\n");
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((l) => `${indent} * ${l}`.trimEnd()).join("\n")}\n${indent} */\n`;
}

function type(schema, indent) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((v) => JSON.stringify(v)).join(" | ");
  for (const key of ["oneOf", "anyOf"]) {
    // An anyOf that only says which names are required is no type.
    if (schema[key]?.every((s) => s.type || s.$ref))
      return schema[key].map((s) => type(s, indent)).join(" | ");
  }
  if (Array.isArray(schema.type))
    return schema.type.map((t) => type({ ...schema, type: t }, indent)).join(" | ");
  switch (schema.type) {
    case "string":
      return "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "null":
      return "null";
    case "array": {
      const items = type(schema.items, indent);
      return items.includes(" | ") ? `(${items})[]` : `${items}[]`;
    }
    case "object":
      return object(schema, indent);
  }
  throw new Error(`no type for ${JSON.stringify(schema)}`);
}

function object(schema, indent) {
  const inner = `${indent}  `;
  if (!schema.properties) {
    if (schema.maxProperties === 0) return "Record<string, never>";
    const names = schema.propertyNames?.enum?.map((v) => JSON.stringify(v)).join(" | ") ?? "string";
    const values =
      typeof schema.additionalProperties === "object" ? type(schema.additionalProperties, indent) : "unknown";
    return names === "string" ? `Record<string, ${values}>` : `Partial<Record<${names}, ${values}>>`;
  }
  const required = new Set(schema.required);
  let out = "{\n";
  for (const [name, property] of Object.entries(schema.properties)) {
    out += `${comment(property.description, inner)}${inner}${name}${required.has(name) ? "" : "?"}: ${type(property, inner)};\n`;
  }
  return `${out}${indent}}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = generate();
  if (!process.argv.includes("--check")) {
    writeFileSync(target, made);
  } else if (readFileSync(target, "utf8") !== made) {
    console.error(
      "client/src/schema.ts is not what internal/api/openapi.yaml says: npm run generate -w client",
    );
    process.exit(1);
  }
}
