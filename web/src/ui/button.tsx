import type { ButtonHTMLAttributes, ReactNode } from "react";
import { classes } from "./classes";

type Kind = "primary" | "plain" | "danger" | "quiet";

const kinds: Record<Kind, string> = {
  primary: "bg-brass text-on-brass border-transparent hover:bg-brass-press",
  plain: "bg-surface text-ink border-edge hover:bg-sunken",
  danger: "bg-danger text-on-danger border-transparent hover:opacity-90",
  quiet:
    "bg-transparent text-ink border-transparent underline underline-offset-4 decoration-edge hover:bg-sunken",
};

export type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  kind?: Kind;
  /** What it says while it waits; it keeps its width and cannot be pressed. */
  waiting?: false | string | undefined;
  children: ReactNode;
};

/** How a button looks, for links that look like one. */
export function buttonClass(kind: Kind): string {
  return classes(
    "relative inline-flex min-h-11 items-center justify-center gap-2 rounded-card border px-4 py-2 text-base font-medium text-center transition-colors",
    kinds[kind],
  );
}

export function Button({
  kind = "plain",
  waiting = false,
  className,
  children,
  onClick,
  type = "button",
  ...rest
}: ButtonProps) {
  return (
    <button
      {...rest}
      // The two forms are all that there is.
      type={type === "submit" ? "submit" : "button"}
      aria-disabled={waiting ? true : rest["aria-disabled"]}
      onClick={(event) => {
        // It keeps the focus, which a disabled button loses.
        if (waiting) event.preventDefault();
        else onClick?.(event);
      }}
      className={classes(buttonClass(kind), waiting && "cursor-progress", className)}
    >
      <span
        className={classes("inline-flex items-center gap-2", waiting && "opacity-0")}
        aria-hidden={waiting ? true : undefined}
      >
        {children}
      </span>
      {waiting && <span className="absolute inset-0 grid place-items-center">{waiting}</span>}
    </button>
  );
}
