// The request that a filled-in form stands for.

export interface Call {
  method: string;
  /** With `{name}` where a parameter goes. */
  path: string;
  inputs: { name: string; where: string; type: string; value: string }[];
  /** Whether there is a body, and whether the credential goes along. */
  body: boolean;
  credential: boolean;
  mode: string;
  access: string;
}

/** The request that a form stands for. What is left empty is not sent. */
export function request(call: Call): { url: string; init: RequestInit } {
  const filled = call.inputs.filter((input) => input.value !== "");
  const url = call.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(
      call.inputs.find((input) => input.where === "path" && input.name === name)?.value ?? "",
    ),
  );
  const query = new URLSearchParams(
    filled.filter((input) => input.where === "query").map((input) => [input.name, input.value]),
  );
  const headers: Record<string, string> = {};
  for (const input of filled) if (input.where === "header") headers[input.name] = input.value;
  if (call.mode !== "") headers["Auth-Mode"] = call.mode;
  if (call.credential && call.access !== "" && call.mode !== "cookie") {
    headers["Authorization"] = `Bearer ${call.access}`;
  }
  const fields = filled.filter((input) => input.where === "body");
  // In cookie mode a refresh is a request without a body.
  const body = call.body && (fields.length > 0 || call.mode === "");
  if (body) headers["Content-Type"] = "application/json";
  return {
    url: query.size > 0 ? `${url}?${query}` : url,
    init: {
      method: call.method,
      headers,
      cache: "no-store",
      // Without cookies a request is nobody's but the token's, whoever is
      // signed in with this browser.
      credentials: call.mode === "" ? "omit" : "same-origin",
      ...(body
        ? { body: JSON.stringify(Object.fromEntries(fields.map((one) => [one.name, typed(one)]))) }
        : {}),
    },
  };
}

function typed({ type, value }: { type: string; value: string }): unknown {
  if (type === "integer" || type === "number") return Number.isNaN(Number(value)) ? value : Number(value);
  if (type === "boolean") return value === "true";
  return value;
}
