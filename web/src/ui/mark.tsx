import { classes } from "./classes";

/** The mark: a keyhole cut from a rounded square. It turns a quarter when `turn` is set. */
export function Mark({ size = 28, turn = false }: { size?: number; turn?: boolean }) {
  return (
    <svg
      viewBox="0 0 32 32"
      width={size}
      height={size}
      aria-hidden="true"
      className={classes("shrink-0 text-brass", turn && "mark-turn")}
    >
      <path
        fill="currentColor"
        fillRule="evenodd"
        d="M8 1h16a7 7 0 0 1 7 7v16a7 7 0 0 1-7 7H8a7 7 0 0 1-7-7V8a7 7 0 0 1 7-7Zm8 6.5a5 5 0 0 0-2.6 9.27L11.9 24.5h8.2l-1.5-7.73A5 5 0 0 0 16 7.5Z"
      />
    </svg>
  );
}
