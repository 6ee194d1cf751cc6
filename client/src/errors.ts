import type { FieldErrors } from "./schema.js";

/** What is wrong, by field; `non_field_errors` is what belongs to none. */
export type Problems = FieldErrors;

/** An answer of the server that is no success. */
export class LatchkeyError extends Error {
  override name = "LatchkeyError";

  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** The server's words for the request as a whole, to be shown to a person. */
    message: string,
    /** SimpleJWT's code, such as `token_not_valid`; "" where the answer has none. */
    readonly code = "",
    /** What is wrong with the fields of a form; empty where it is not about fields. */
    readonly fields: Problems = {},
    /** How many seconds to wait (429, 503); undefined where the server does not say. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** The server was not reached, or the answer was lost on its way. */
export class NetworkError extends Error {
  override name = "NetworkError";

  constructor(options?: ErrorOptions) {
    super("The server could not be reached.", options);
  }
}

/** What an error says about the fields of a form; empty for any other error. */
export function fieldErrors(error: unknown): Problems {
  return error instanceof LatchkeyError ? error.fields : {};
}

/** A refusal of what asks for a fresh proof of the password: `confirm`, then do it again. */
export type Unconfirmed = LatchkeyError & { status: 403; code: "confirmation_required" };

/** Whether an error says that the password has to be proved first; nothing has changed then. */
export function isUnconfirmed(error: unknown): error is Unconfirmed {
  return error instanceof LatchkeyError && error.code === "confirmation_required";
}

/** Makes the error of an answer that `fetch` gave. Every shape of the guide is read. */
export async function errorOf(response: Response): Promise<LatchkeyError> {
  const after = Number(response.headers.get("Retry-After"));
  let body: unknown;
  try {
    body = await response.json();
  } catch {
    body = undefined; // a proxy's page, say
  }
  const read = isObject(body) ? body : {};
  const details = isObject(read["details"]) ? read["details"] : "detail" in read ? {} : read;
  const message = [read["detail"], read["error"]].find((v) => typeof v === "string");
  return new LatchkeyError(
    response.status,
    typeof message === "string" ? message : `The server answered ${response.status}.`,
    typeof read["code"] === "string" ? read["code"] : "",
    Object.fromEntries(Object.entries(details).filter(([, v]) => Array.isArray(v))) as Problems,
    after > 0 ? after : undefined,
  );
}

function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}
