import { useEffect, useState } from "react";

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "3 minutes ago", in a language. What is under a minute ago is "now". */
export function relative(then: number, now: number, language: string): string {
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const seconds = Math.round((then - now) / 1000);
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return format.format(0, "second");
}

/** A time as people say it, with the exact one on hover and for screen readers. */
export function Ago({ time, language }: { time: string; language: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, []);
  const exact = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" }).format(
    new Date(time),
  );
  return (
    <time dateTime={time} title={exact}>
      {relative(Date.parse(time), now, language)}
      <span className="sr-only">, {exact}</span>
    </time>
  );
}

/** A day, spelt out. */
export function Day({ time, language }: { time: string; language: string }) {
  return (
    <time dateTime={time}>
      {new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(new Date(time))}
    </time>
  );
}

/** A day and the time of that day. */
export function Moment({ time, language }: { time: string; language: string }) {
  return (
    <time dateTime={time}>
      {new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(time))}
    </time>
  );
}
