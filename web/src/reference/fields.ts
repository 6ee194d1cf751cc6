// A schema as rows of a table: names, types and rules in words.

import { nameOf, type Schema, type Spec } from "./spec";

export interface Field {
  name: string;
  /** What it is, without its rules. */
  type: string;
  /** The schema of components that it is, or that its items are. */
  link?: string;
  presence: "required" | "optional" | "one of these";
  /** Sentences; Markdown's code spans may be in them. */
  rules: string[];
  schema: Schema;
}

/** The rows for the properties of an object. With `deep`, those of the objects in it too. */
export function fieldsOf(spec: Spec, schema: Schema, deep: boolean, prefix = ""): Field[] {
  const object = spec.resolve(schema);
  const choice = new Set((object.anyOf ?? []).flatMap((one) => one.required ?? []));
  const rows: Field[] = [];
  for (const [name, property] of Object.entries(object.properties ?? {})) {
    const own = spec.resolve(property);
    const link = property.$ref ?? own.items?.$ref;
    rows.push({
      name: prefix + name,
      type: typeOf(spec, property),
      ...(link ? { link: nameOf(link) } : {}),
      presence: object.required?.includes(name) ? "required" : choice.has(name) ? "one of these" : "optional",
      rules: [...rulesOf(property, own)],
      schema: own,
    });
    const item = own.items ? spec.resolve(own.items) : undefined;
    if (own.properties && (deep || !property.$ref)) {
      rows.push(...fieldsOf(spec, own, deep, `${prefix}${name}.`));
    } else if (item?.properties && (deep || !own.items?.$ref)) {
      rows.push(...fieldsOf(spec, item, deep, `${prefix}${name}[].`));
    }
  }
  return rows;
}

/** The type in words, such as "array of Session" or "integer or null". */
export function typeOf(spec: Spec, schema: Schema): string {
  const own = spec.resolve(schema);
  if (own.items) {
    const item = own.items.$ref ? nameOf(own.items.$ref) : typeOf(spec, own.items);
    return `array of ${item}`;
  }
  if (own.type !== undefined) return [own.type].flat().join(" or ");
  const value = own.const ?? own.enum?.[0];
  return value === undefined ? (own.properties ? "object" : "any") : typeof value;
}

/** What a value must hold, in words. What a linked schema says is left to it, but for short things. */
export function rulesOf(schema: Schema, own: Schema): string[] {
  const rules: string[] = [];
  const text = (schema.description ?? own.description)?.trim().replace(/\s*\n\s*/g, " ");
  if (text) rules.push(text);
  if (own.const !== undefined) rules.push(`Always ${code(own.const)}.`);
  if (own.enum) rules.push(`One of ${own.enum.map(code).join(", ")}.`);
  if (own.format === "email") rules.push("An e-mail address.");
  const characters = span(own.minLength, own.maxLength, "character");
  if (characters) rules.push(characters);
  const range = span(own.minimum, own.maximum);
  if (range) rules.push(range);
  const entries = span(own.minItems, own.maxItems, "entry", "entries");
  if (entries && own.maxItems !== 1) rules.push(entries);
  if (own.pattern && !schema.$ref) rules.push(pattern(own.pattern));
  if (own.default !== undefined) rules.push(`${code(own.default)} unless given.`);
  return rules;
}

function code(value: unknown): string {
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

function pattern(source: string): string {
  const hex = /^\^\[0-9a-f\]\{(\d+)\}\$$/.exec(source);
  return hex ? `${hex[1]} hexadecimal digits.` : `Matches \`${source}\`.`;
}

function span(least: number | undefined, most: number | undefined, unit = "", units = `${unit}s`): string {
  const of = (n: number) => (unit === "" ? `${n}` : `${n} ${n === 1 ? unit : units}`);
  if (least !== undefined && most !== undefined) {
    return least === most ? `Exactly ${of(least)}.` : `${least} to ${of(most)}.`;
  }
  if (most !== undefined) return `At most ${of(most)}.`;
  if (least === undefined || least === 0) return "";
  return `${of(least)} or more.`;
}
