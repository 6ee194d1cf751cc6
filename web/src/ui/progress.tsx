/** How far something is, in words beside it and as a bar. */
export function Progress({ label, done, all }: { label: string; done: number; all: number }) {
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={all}
      aria-valuenow={done}
      className="h-3 overflow-hidden rounded-full border border-edge bg-sunken"
    >
      <div
        className="h-full bg-brass transition-[width]"
        style={{ width: `${all === 0 ? 100 : (done / all) * 100}%` }}
      />
    </div>
  );
}
