import { useEffect, useRef } from "react";

export type Problem = {
  /** The id of the field that it is about. */ field?: string | undefined;
  message: string;
};

/** What kept a form from being sent. It takes the focus each time there is a new one. */
export function Summary({ title, problems }: { title: string; problems: readonly Problem[] }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (problems.length > 0) ref.current?.focus();
  }, [problems]);
  if (problems.length === 0) return null;
  return (
    <div
      ref={ref}
      role="alert"
      tabIndex={-1}
      className="rounded-card border-2 border-danger bg-danger-paper p-3 text-small"
    >
      <p className="font-semibold text-danger">{title}</p>
      <ul className="mt-1 space-y-1">
        {problems.map(({ field, message }) => (
          <li key={`${field} ${message}`}>
            {field ? (
              <a
                href={`#${field}`}
                className="underline underline-offset-2"
                onClick={(event) => {
                  event.preventDefault();
                  document.getElementById(field)?.focus();
                }}
              >
                {message}
              </a>
            ) : (
              message
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
