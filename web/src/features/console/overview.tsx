import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { Link, useSearchParams } from "react-router";
import { ask } from "../../ask";
import { Heading } from "../../people/screen";
import { useText } from "../../text/text";
import { classes } from "../../ui/classes";
import { Shape } from "../../ui/state";
import type { Line, Unit } from "./chart";
import { Guard, LoadFailed } from "./guard";
import { useKept } from "./kept";
import { useConsoleText } from "./text";

// What draws comes when there is something to draw.
const Chart = lazy(() => import("./chart"));

/** null is what was not counted: the server did not run. */
type Point = { at: string; count: number | null };
type Stats = {
  unit: Unit;
  series: {
    logged_in: Point[];
    login_failed: Point[];
    registered: Point[];
    live_sessions: Point[];
  };
  now: { users: number; users_exact: boolean; live_sessions: number };
};

const ranges = [1, 7, 30, 90] as const;
type Range = (typeof ranges)[number];

/** How it goes: sign-ins, failures, new users and devices over time. */
export function OverviewScreen() {
  return <Guard permission="stats.read">{() => <Overview />}</Guard>;
}

function Overview() {
  const text = useText();
  const t = useConsoleText();
  const [params] = useSearchParams();
  const days: Range = ranges.find((n) => String(n) === params.get("days")) ?? 7;
  const query = useQuery({
    queryKey: ["stats", days],
    queryFn: async ({ signal }) => ({
      days,
      ...(await ask<Stats>(`/api/stats/?days=${days}`, { signal })).data,
    }),
  });
  const stats = useKept(query.data);
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <Heading title={t.overviewTitle} />
        <nav aria-label={t.range} className="flex flex-wrap gap-1">
          {ranges.map((n) => (
            <Link
              key={n}
              to={n === 7 ? "?" : `?days=${n}`}
              replace
              aria-current={n === days ? "true" : undefined}
              className={classes(
                "inline-flex min-h-11 items-center rounded-card border px-3 text-small",
                n === days
                  ? "border-brass bg-sunken font-semibold"
                  : "border-transparent text-soft hover:bg-sunken",
              )}
            >
              {t.ranges[n]}
            </Link>
          ))}
        </nav>
      </div>
      {query.isError && (
        <LoadFailed error={query.error} kept={stats !== undefined} onRetry={() => void query.refetch()} />
      )}
      {!stats && query.isPending && <Shape label={text.loading} rows={6} />}
      {stats && (
        <Suspense fallback={<Shape label={text.loading} rows={6} />}>
          <Charts stats={stats} days={stats.days} busy={query.data === undefined && query.isPending} />
        </Suspense>
      )}
    </div>
  );
}

const sum = (points: Point[]) => points.reduce((n, p) => n + (p.count ?? 0), 0);

function Charts({ stats, days, busy }: { stats: Stats; days: Range; busy: boolean }) {
  const t = useConsoleText();
  const { unit, now } = stats;
  const { logged_in, login_failed, registered, live_sessions } = stats.series;
  const per = unit === "hour" ? t.perHour : t.perDay;
  const range = t.ranges[days];
  const counts = live_sessions.flatMap((p) => p.count ?? []);
  const line = (id: string, name: string, points: Point[], look: Line["look"]): Line => ({
    id,
    name,
    look,
    points: points.map((p) => ({ at: p.at, n: p.count })),
  });
  return (
    <div aria-busy={busy} className={classes("space-y-5 transition-opacity delay-200", busy && "opacity-60")}>
      <dl aria-label={t.now} className="flex flex-wrap gap-4">
        <Figure name={t.usersNow} value={now.users_exact ? t.number(now.users) : t.moreThan(now.users)} />
        <Figure name={t.sessionsNow} value={t.number(now.live_sessions)} />
      </dl>
      <Chart
        id="sign-ins"
        title={t.signInsTitle(per, range)}
        summary={t.signInsSum(sum(logged_in), sum(login_failed))}
        unit={unit}
        lines={[
          line("ok", t.lineSignIns, logged_in, "main"),
          line("failed", t.lineFailed, login_failed, "danger"),
        ]}
      />
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-5 lg:grid-cols-[repeat(2,minmax(0,1fr))]">
        <Chart
          id="new-users"
          title={t.newUsersTitle(per, range)}
          summary={t.newUsersSum(sum(registered))}
          unit={unit}
          lines={[line("new", t.lineNew, registered, "main")]}
        />
        <Chart
          id="live"
          title={t.liveTitle(per, range)}
          summary={counts.length > 0 ? t.liveSum(Math.min(...counts), Math.max(...counts)) : ""}
          unit={unit}
          lines={[line("live", t.lineLive, live_sessions, "main")]}
        />
      </div>
    </div>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div className="flex min-w-40 flex-col-reverse rounded-card border border-line bg-surface px-4 py-3">
      <dt className="text-small text-soft">{name}</dt>
      <dd className="text-h1 font-semibold tabular-nums">{value}</dd>
    </div>
  );
}
