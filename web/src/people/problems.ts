import { LatchkeyError, NetworkError } from "@latchkey/client";
import type { FieldValues, Path, UseFormReturn } from "react-hook-form";
import type { Text } from "../text/en";
import type { Problem } from "../ui/summary";

/** How long to wait, in words. */
export function wait(seconds: number, text: Text): string {
  return seconds < 90 ? text.seconds(Math.ceil(seconds)) : text.minutes(Math.ceil(seconds / 60));
}

/** What an error that is about no field says to a person. */
export function words(error: unknown, text: Text): string {
  if (error instanceof NetworkError) return text.unreachable;
  if (!(error instanceof LatchkeyError)) return text.unexpected;
  switch (error.status) {
    case 409:
      return text.conflict;
    case 429:
      return text.throttled(wait(error.retryAfter ?? 60, text));
    case 503:
      return text.unavailable;
    default:
      return error.status >= 500 ? text.unexpected : text.server(error.message);
  }
}

/** The sentences of a field's error. */
export function sentences(error: { message?: string } | undefined): string[] {
  return error?.message ? error.message.split("\n") : [];
}

/**
 * Puts what the server said of a form under its fields, and gives all of it for the summary. `prefix` is what the ids of
 * the form's fields begin with.
 */
export function applyServerErrors<T extends FieldValues>(
  form: UseFormReturn<T>,
  names: readonly Path<T>[],
  error: unknown,
  text: Text,
  prefix: string,
): Problem[] {
  const fields = error instanceof LatchkeyError ? error.fields : {};
  const problems: Problem[] = [];
  for (const [name, messages] of Object.entries(fields)) {
    const known = names.find((n) => n === name);
    const said = (messages ?? []).map((m) => text.server(m));
    if (known) form.setError(known, { type: "server", message: said.join("\n") });
    for (const message of said) problems.push({ field: known && `${prefix}-${known}`, message });
  }
  return problems.length > 0 ? problems : [{ message: words(error, text) }];
}

/** The problems that the form itself has found, for the summary, in the order of `names`. */
export function ownProblems<T extends FieldValues>(
  form: UseFormReturn<T>,
  names: readonly Path<T>[],
  prefix: string,
  labels: Record<string, string>,
): Problem[] {
  return names.flatMap((name) => {
    const { error } = form.getFieldState(name);
    return sentences(error).map((message) => ({
      field: `${prefix}-${name}`,
      message: `${labels[name] ?? name}: ${message}`,
    }));
  });
}
