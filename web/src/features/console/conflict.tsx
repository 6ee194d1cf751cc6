import { useEffect, useRef } from "react";
import { Button } from "../../ui/button";
import { useValueName } from "./events";
import { useConsoleText } from "./text";
import type { User } from "./users";

const fields = ["email", "first_name", "last_name", "phone", "role", "is_active"] as const;

export type Difference = { field: (typeof fields)[number]; was: unknown; now: unknown };

/** What somebody else has changed. */
export function conflictOf(was: User, now: User): Difference[] {
  return fields.flatMap((field) =>
    was[field] === now[field] ? [] : [{ field, was: was[field], now: now[field] }],
  );
}

/** Says that somebody else was quicker, what that changed, and what became of what was typed. It takes the focus. */
export function Conflict({
  name,
  differences,
  onTake,
}: {
  name: string;
  differences: Difference[];
  /** Lets go what was typed; undefined where nothing was. */
  onTake?: (() => void) | undefined;
}) {
  const t = useConsoleText();
  const value = useValueName();
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (differences) ref.current?.focus();
  }, [differences]);
  return (
    <div
      ref={ref}
      role="alert"
      tabIndex={-1}
      className="space-y-2 rounded-card border-2 border-brass bg-sunken p-3 text-small"
    >
      <p className="font-semibold">{t.conflictTitle(name)}</p>
      {differences.length > 0 && (
        <ul className="list-disc pl-5">
          {differences.map(({ field, was, now }) => (
            <li key={field}>
              {t.conflictRow(t.fields[field] ?? field, value(field, was), value(field, now))}
            </li>
          ))}
        </ul>
      )}
      <p>{onTake ? t.conflictBody : t.conflictOther}</p>
      {onTake && <Button onClick={onTake}>{t.takeNewer}</Button>}
    </div>
  );
}
