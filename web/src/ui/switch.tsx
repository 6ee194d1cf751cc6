import { classes } from "./classes";

/** Something that is on or off, at once. */
export function Switch({
  label,
  on,
  onChange,
  hint,
}: {
  label: string;
  on: boolean;
  onChange: (on: boolean) => void;
  hint?: string;
}) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={on}
      title={hint}
      onClick={() => onChange(!on)}
      className="inline-flex min-h-11 items-center gap-2 rounded-card px-1 text-small font-medium"
    >
      <span
        aria-hidden="true"
        className={classes(
          "relative h-6 w-11 rounded-full border transition-colors",
          on ? "border-brass bg-brass" : "border-edge bg-sunken",
        )}
      >
        <span
          className={classes(
            "absolute top-0.5 size-[1.125rem] rounded-full transition-[left]",
            on ? "left-[1.3rem] bg-on-brass" : "left-0.5 bg-soft",
          )}
        />
      </span>
      {label}
    </button>
  );
}
