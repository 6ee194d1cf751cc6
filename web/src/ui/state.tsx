import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "./button";
import { classes } from "./classes";

/** The shape of what comes, while it is under way. */
export function Shape({ label, rows = 3, className }: { label: string; rows?: number; className?: string }) {
  return (
    <div role="status" className={classes("space-y-3", className)}>
      <span className="sr-only">{label}</span>
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className="shape h-12" />
      ))}
    </div>
  );
}

/** Something could not be loaded: says so, and offers to try again. */
export function Failed({
  title,
  detail,
  retry,
  onRetry,
}: {
  title: string;
  detail?: string;
  retry: string;
  onRetry: () => void;
}) {
  return (
    <div
      role="alert"
      className="flex flex-wrap items-center gap-3 rounded-card border border-edge bg-surface p-4"
    >
      <div className="flex min-w-[min(15rem,100%)] grow basis-0 gap-3">
        <CircleAlert size={20} aria-hidden="true" className="mt-0.5 shrink-0 text-danger" />
        <div className="min-w-0">
          <p className="font-medium">{title}</p>
          {detail && <p className="text-small text-soft">{detail}</p>}
        </div>
      </div>
      <Button onClick={onRetry}>{retry}</Button>
    </div>
  );
}

/** A section of a screen. */
export function Card({
  title,
  id,
  children,
  aside,
}: {
  title: string;
  id: string;
  children: ReactNode;
  aside?: ReactNode;
}) {
  return (
    <section aria-labelledby={id} className="rounded-card border border-line bg-surface p-4 sm:p-6">
      <div className="mb-4 flex flex-wrap items-center justify-between gap-3">
        <h2 id={id} tabIndex={-1} className="outline-none">
          {title}
        </h2>
        {aside}
      </div>
      {children}
    </section>
  );
}
