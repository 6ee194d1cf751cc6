import { ArrowDown, ArrowUp, ChevronsUpDown } from "lucide-react";
import type { KeyboardEvent, ReactNode } from "react";
import { classes } from "./classes";

export type Column = {
  id: string;
  name: ReactNode;
  /** Where one can order by it: how it is ordered now, and what orders by it. */
  sort?: { now: "ascending" | "descending" | undefined; by: () => void } | undefined;
  className?: string;
};

/**
 * A table where there is room, and cards where there is not: no scrolling sideways. The roles are said, since display takes
 * them away. The head stays in sight. Arrow keys, Home and End move through the rows.
 */
export function Table({
  caption,
  columns,
  children,
  busy = false,
}: {
  caption: string;
  columns: readonly Column[];
  children: ReactNode;
  /** What stands here is of a question before this one. */
  busy?: boolean;
}) {
  return (
    <table
      role="table"
      aria-busy={busy}
      className={classes(
        "block w-full border-separate border-spacing-0 text-left transition-opacity delay-200 lg:table",
        busy && "opacity-60",
      )}
    >
      <caption className="sr-only">{caption}</caption>
      <thead role="rowgroup" className="hidden lg:table-header-group">
        <tr role="row" className="text-small text-soft lg:table-row">
          {columns.map(({ id, name, sort, className }) => (
            <th
              role="columnheader"
              key={id}
              scope="col"
              aria-sort={sort?.now}
              className={classes(
                "sticky top-0 z-[1] border-b border-edge bg-paper py-1 pr-4 font-medium wrap-break-word",
                className,
              )}
            >
              {sort ? (
                <button
                  type="button"
                  onClick={sort.by}
                  className="-ml-2 inline-flex min-h-11 items-center gap-1 rounded-card px-2 text-left font-medium hover:text-ink"
                >
                  {name}
                  <Direction now={sort.now} />
                </button>
              ) : (
                <span className="inline-flex min-h-11 items-center">{name}</span>
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody
        role="rowgroup"
        onKeyDown={moveThroughRows}
        className="grid grid-cols-[minmax(0,1fr)] gap-3 md:grid-cols-[repeat(2,minmax(0,1fr))] lg:table-row-group"
      >
        {children}
      </tbody>
    </table>
  );
}

function Direction({ now }: { now: "ascending" | "descending" | undefined }) {
  const Icon = now === "ascending" ? ArrowUp : now === "descending" ? ArrowDown : ChevronsUpDown;
  return <Icon size={16} aria-hidden="true" className={classes("shrink-0", !now && "opacity-60")} />;
}

export function Row({ children, marked = false }: { children: ReactNode; marked?: boolean }) {
  return (
    <tr
      role="row"
      className={classes(
        "block rounded-card border p-4 focus-within:border-edge lg:table-row lg:hover:bg-sunken",
        marked ? "border-brass bg-sunken" : "border-line bg-surface lg:bg-transparent",
      )}
    >
      {children}
    </tr>
  );
}

const cell = "lg:table-cell lg:border-b lg:border-line lg:py-2 lg:pr-4 lg:align-middle";

/** The cell that says which row it is. */
export function RowHead({ children, className }: { children: ReactNode; className?: string }) {
  return (
    <th
      role="rowheader"
      scope="row"
      className={classes("block min-w-0 text-left font-medium", cell, className)}
    >
      {children}
    </th>
  );
}

/** A cell; on a card its column's name stands before it. */
export function Cell({
  name,
  children,
  className,
}: {
  name?: string;
  children: ReactNode;
  className?: string;
}) {
  return (
    <td role="cell" className={classes("block text-small wrap-break-word tabular-nums", cell, className)}>
      {name && <span className="mr-2 text-soft lg:hidden">{name}</span>}
      {children}
    </td>
  );
}

const stops = "a[href], button:not(:disabled), input:not(:disabled)";

/** From a control in a row to the one at the same place in another. */
function moveThroughRows(event: KeyboardEvent<HTMLElement>) {
  const from = event.target;
  if (!(from instanceof HTMLElement) || event.altKey || event.ctrlKey || event.metaKey) return;
  // In a field of text the arrows belong to the text.
  if (from instanceof HTMLInputElement && from.type !== "checkbox") return;
  const row = from.closest("tr");
  const rows = [...event.currentTarget.querySelectorAll("tr")];
  const here = row ? rows.indexOf(row) : -1;
  if (!row || here < 0) return;
  const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const place = [...row.querySelectorAll(stops)].indexOf(from);
  const there = [...(rows[to]?.querySelectorAll<HTMLElement>(stops) ?? [])];
  // A row may have fewer controls: one's own has no box to select it.
  (there[place] ?? there.at(-1))?.focus();
}
