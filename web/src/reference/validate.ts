// Whether a value is what a schema says: as much of JSON Schema as ours use.

import type { Schema, Spec } from "./spec";

/** What is wrong with the value, one sentence each. Empty if nothing is. */
export function problems(spec: Spec, schema: Schema, value: unknown, at = "body"): string[] {
  const own = spec.resolve(schema);
  const found: string[] = [];
  const no = (text: string) => found.push(`${at} ${text}`);

  if (own.oneOf) {
    const fits = own.oneOf.filter((one) => problems(spec, one, value, at).length === 0);
    if (fits.length !== 1) no(`fits ${fits.length} of ${own.oneOf.length} shapes`);
  }
  if (own.anyOf && !own.anyOf.some((one) => problems(spec, one, value, at).length === 0)) no("fits no shape");
  if (own.const !== undefined && value !== own.const) no(`is not ${JSON.stringify(own.const)}`);
  if (own.enum && !own.enum.includes(value)) no(`is none of ${JSON.stringify(own.enum)}`);
  if (own.type !== undefined && ![own.type].flat().some((type) => is(type, value))) {
    no(`is no ${[own.type].flat().join(" or ")}`);
  }

  if (typeof value === "string") {
    // An example may be shortened, as the guide's tokens are.
    const whole = !value.endsWith("...");
    if (own.pattern && whole && !new RegExp(own.pattern).test(value)) no(`does not match ${own.pattern}`);
    if (own.format === "email" && !/^[^@\s]+@[^@\s]+$/.test(value)) no("is no e-mail address");
    if (value.length < (own.minLength ?? 0)) no("is too short");
    if (value.length > (own.maxLength ?? Infinity)) no("is too long");
  }
  if (typeof value === "number") {
    if (value < (own.minimum ?? -Infinity)) no("is too small");
    if (value > (own.maximum ?? Infinity)) no("is too large");
  }
  if (Array.isArray(value)) {
    if (value.length < (own.minItems ?? 0)) no("has too few entries");
    if (value.length > (own.maxItems ?? Infinity)) no("has too many entries");
    const { items } = own;
    if (items) value.forEach((item, i) => found.push(...problems(spec, items, item, `${at}[${i}]`)));
  } else if (typeof value === "object" && value !== null) {
    found.push(...ofObject(spec, own, value as Record<string, unknown>, at));
  }
  return found;
}

function ofObject(spec: Spec, own: Schema, value: Record<string, unknown>, at: string): string[] {
  const found: string[] = [];
  const keys = Object.keys(value);
  for (const name of own.required ?? []) if (!(name in value)) found.push(`${at} lacks ${name}`);
  if (keys.length < (own.minProperties ?? 0)) found.push(`${at} has too few keys`);
  if (keys.length > (own.maxProperties ?? Infinity)) found.push(`${at} has too many keys`);
  for (const key of keys) {
    const inner = `${at}.${key}`;
    if (own.propertyNames) found.push(...problems(spec, own.propertyNames, key, `the name of ${inner}`));
    const property = own.properties?.[key];
    if (property) found.push(...problems(spec, property, value[key], inner));
    else if (own.additionalProperties === false) found.push(`${inner} is unknown`);
    else if (typeof own.additionalProperties === "object") {
      found.push(...problems(spec, own.additionalProperties, value[key], inner));
    }
  }
  return found;
}

function is(type: string, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "integer":
      return Number.isInteger(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}
