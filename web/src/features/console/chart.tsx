import { AxisBottom, AxisLeft } from "@visx/axis";
import { scaleLinear, scaleTime, scaleUtc } from "@visx/scale";
import { AreaClosed, LinePath } from "@visx/shape";
import { useEffect, useId, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { useLanguage } from "../../text/text";
import { classes } from "../../ui/classes";
import { useConsoleText } from "./text";

export type Unit = "hour" | "day";
export type Line = {
  id: string;
  name: string;
  /** null where it was not counted. */
  points: { at: string; n: number | null }[];
  /** Told by the stroke, too: what went wrong is dashed. */
  look: "main" | "danger";
};

const height = 220;
const top = 12;
const bottom = 30;
const left = 44;
/** How much room a letter of a label takes, at most. */
const letter = 7.5;
const labelHeight = 18;

/**
 * Lines over time, from zero, each labelled at its end; what is under the pointer, or where the arrow keys have led, is said
 * in full. The table behind it says the same.
 */
export default function Chart({
  id,
  title,
  summary,
  unit,
  lines,
}: {
  id: string;
  title: string;
  summary: string;
  unit: Unit;
  lines: Line[];
}) {
  return (
    <section aria-labelledby={id} className="min-w-0 rounded-card border border-line bg-surface p-4">
      <h2 id={id} className="text-large">
        {title}
      </h2>
      <p className="mb-3 text-small text-soft">{summary}</p>
      <Plot title={title} unit={unit} lines={lines} />
      <Behind title={title} unit={unit} lines={lines} />
    </section>
  );
}

/** How a time is said: a day is the server's, in UTC; an hour is here. */
function useTimeNames(unit: Unit): { full: (at: Date) => string; tick: (at: Date) => string } {
  const { language } = useLanguage();
  const zone = unit === "day" ? { timeZone: "UTC" } : {};
  const full = new Intl.DateTimeFormat(language, {
    ...zone,
    weekday: "short",
    day: "numeric",
    month: "short",
    ...(unit === "hour" ? { hour: "2-digit", minute: "2-digit" } : {}),
  });
  const day = new Intl.DateTimeFormat(language, { ...zone, day: "numeric", month: "short" });
  const hour = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
  return {
    full: (at) => full.format(at),
    tick: (at) => (unit === "hour" && at.getHours() !== 0 ? hour : day).format(at),
  };
}

/** A number as people write it; a dash where it was not counted. */
function useCount(): (n: number | null | undefined) => string {
  const t = useConsoleText();
  return (n) => (n === null || n === undefined ? "–" : t.number(n));
}

/** How wide an element is, and stays told. */
function useWidth(): [(element: HTMLElement | null) => void, number] {
  const [element, setElement] = useState<HTMLElement | null>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!element) return;
    const measure = () => setWidth(element.clientWidth);
    measure();
    if (typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [setElement, width];
}

const looks = {
  main: { text: "text-brass", dash: undefined },
  danger: { text: "text-danger", dash: "5 4" },
} as const;

function Plot({ title, unit, lines }: { title: string; unit: Unit; lines: Line[] }) {
  const t = useConsoleText();
  const { language } = useLanguage();
  const names = useTimeNames(unit);
  const [box, width] = useWidth();
  const [at, setAt] = useState<number>();
  const svg = useRef<SVGSVGElement>(null);
  const hint = useId();

  const times = lines[0]?.points.map((p) => new Date(p.at)) ?? [];
  const last = times.length - 1;
  const right = Math.max(...lines.map((l) => l.name.length)) * letter + 12;
  const end = Math.max(width - right, left + 1);
  const most = Math.max(1, ...lines.flatMap((l) => l.points.map((p) => p.n ?? 0)));
  const x = (unit === "day" ? scaleUtc : scaleTime)<number>({
    domain: [times[0] ?? new Date(0), times[last] ?? new Date(1)],
    range: [left, end],
  });
  const y = scaleLinear<number>({ domain: [0, most], range: [height - bottom, top], nice: 4 });
  const count = useCount();
  const place = (i: number) => x(times[i] ?? new Date(0));
  const sentence = (i: number) =>
    `${names.full(times[i] ?? new Date(0))}: ${lines.map((l) => `${count(l.points[i]?.n)} ${l.name}`).join(", ")}`;
  const short = new Intl.NumberFormat(language, { notation: "compact" });

  const labels = spread(
    lines.map((l) => y(l.points.findLast((p) => p.n !== null)?.n ?? 0)),
    top + 4,
    height - bottom,
  );

  const onKey = (event: KeyboardEvent) => {
    const from = at ?? last;
    const steps: Record<string, number> = {
      ArrowLeft: from - 1,
      ArrowDown: from - 1,
      ArrowRight: from + 1,
      ArrowUp: from + 1,
      PageDown: from - 7,
      PageUp: from + 7,
      Home: 0,
      End: last,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    setAt(Math.max(0, Math.min(last, to)));
  };
  const onPointer = (event: PointerEvent) => {
    const edge = svg.current?.getBoundingClientRect().left ?? 0;
    const share = (event.clientX - edge - left) / (end - left);
    setAt(Math.max(0, Math.min(last, Math.round(share * last))));
  };

  if (last < 0) return null;
  return (
    <div ref={box} className="relative">
      <div
        role="slider"
        tabIndex={0}
        aria-label={title}
        aria-describedby={hint}
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={at ?? last}
        aria-valuetext={sentence(at ?? last)}
        onKeyDown={onKey}
        onFocus={() => setAt((now) => now ?? last)}
        onBlur={() => setAt(undefined)}
        onPointerMove={onPointer}
        onPointerLeave={() => setAt(undefined)}
        className="touch-pan-y rounded-card"
      >
        <svg ref={svg} width={width} height={height} aria-hidden="true" className="block text-soft">
          {width > 0 && (
            <>
              <AxisLeft
                scale={y}
                left={left}
                numTicks={4}
                hideAxisLine
                tickLength={0}
                tickFormat={(n) => (Number.isInteger(Number(n)) ? short.format(Number(n)) : "")}
                tickLabelProps={{ fill: "currentColor", fontSize: 12, dx: -6, dy: 4, textAnchor: "end" }}
              />
              {y.ticks(4).map((n) => (
                <line
                  key={n}
                  x1={left}
                  x2={end}
                  y1={y(n)}
                  y2={y(n)}
                  className={n === 0 ? "stroke-edge" : "stroke-line"}
                />
              ))}
              <AxisBottom
                scale={x}
                top={height - bottom}
                numTicks={Math.max(2, Math.floor((end - left) / 90))}
                hideAxisLine
                tickStroke="currentColor"
                tickLength={5}
                tickFormat={(d) => names.tick(new Date(Number(d)))}
                tickLabelProps={{ fill: "currentColor", fontSize: 12, dy: 3, textAnchor: "middle" }}
              />
              {lines.map((l, i) => (
                <g key={l.id} className={looks[l.look].text}>
                  {i === 0 && (
                    <AreaClosed
                      data={l.points}
                      x={(_, j) => place(j)}
                      y={(p) => y(p.n ?? 0)}
                      defined={(p) => p.n !== null}
                      yScale={y}
                      fill="currentColor"
                      fillOpacity={0.1}
                    />
                  )}
                  <LinePath
                    data={l.points}
                    x={(_, j) => place(j)}
                    y={(p) => y(p.n ?? 0)}
                    defined={(p) => p.n !== null}
                    stroke="currentColor"
                    strokeWidth={2}
                    strokeLinejoin="round"
                    {...(looks[l.look].dash ? { strokeDasharray: looks[l.look].dash } : {})}
                  />
                  {l.points.map(
                    (p, j) =>
                      // What stands alone makes no line.
                      p.n !== null &&
                      l.points[j - 1]?.n == null &&
                      l.points[j + 1]?.n == null && (
                        <circle key={p.at} cx={place(j)} cy={y(p.n)} r={2.5} fill="currentColor" />
                      ),
                  )}
                  <text
                    x={end + 8}
                    y={(labels[i] ?? 0) + 4}
                    fill="currentColor"
                    fontSize={13}
                    fontWeight={500}
                  >
                    {l.name}
                  </text>
                </g>
              ))}
              {at !== undefined && (
                <g>
                  <line
                    x1={place(at)}
                    x2={place(at)}
                    y1={top}
                    y2={height - bottom}
                    stroke="currentColor"
                    strokeDasharray="2 3"
                  />
                  {lines.map(
                    (l) =>
                      l.points[at]?.n != null && (
                        <circle
                          key={l.id}
                          cx={place(at)}
                          cy={y(l.points[at]?.n ?? 0)}
                          r={4}
                          strokeWidth={2}
                          stroke="currentColor"
                          className={classes("fill-surface", looks[l.look].text)}
                        />
                      ),
                  )}
                </g>
              )}
            </>
          )}
        </svg>
      </div>
      <p id={hint} hidden>
        {t.chartHint}
      </p>
      <p aria-hidden="true" className="min-h-5 text-small tabular-nums">
        {at !== undefined && sentence(at)}
      </p>
    </div>
  );
}

/** Moves labels that would lie on one another apart, within their bounds. */
export function spread(wanted: number[], low: number, high: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const at = [...wanted];
  let floor = low;
  for (const i of order) {
    at[i] = Math.max(at[i] ?? 0, floor);
    floor = (at[i] ?? 0) + labelHeight;
  }
  let ceiling = high;
  for (const i of order.toReversed()) {
    at[i] = Math.min(at[i] ?? 0, ceiling);
    ceiling = (at[i] ?? 0) - labelHeight;
  }
  return at;
}

/** The same as a table. */
function Behind({ title, unit, lines }: { title: string; unit: Unit; lines: Line[] }) {
  const t = useConsoleText();
  const names = useTimeNames(unit);
  const count = useCount();
  return (
    <details className="mt-2 text-small">
      <summary className="inline-flex min-h-11 items-center underline underline-offset-4">{t.table}</summary>
      <div
        role="region"
        aria-label={`${title}: ${t.table}`}
        // What scrolls is reached by the keyboard.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        className="max-h-72 overflow-y-auto"
      >
        <table className="w-full text-left tabular-nums">
          <caption className="sr-only">{title}</caption>
          <thead>
            <tr>
              <th scope="col" className="sticky top-0 bg-surface py-1 pr-4 font-medium">
                {t.at}
              </th>
              {lines.map((l) => (
                <th
                  key={l.id}
                  scope="col"
                  className="sticky top-0 bg-surface py-1 pr-4 text-right font-medium"
                >
                  {l.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {lines[0]?.points.map((p, i) => (
              <tr key={p.at} className="border-t border-line">
                <th scope="row" className="py-1 pr-4 font-normal">
                  {names.full(new Date(p.at))}
                </th>
                {lines.map((l) => (
                  <td key={l.id} className="py-1 pr-4 text-right">
                    {count(l.points[i]?.n)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
