import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import { useSearchParams } from "react-router";
import { NotProved, useProof } from "../../people/proof";
import { Heading } from "../../people/screen";
import { useLanguage, useText } from "../../text/text";
import { Button, buttonClass } from "../../ui/button";
import { Choice, Field } from "../../ui/field";
import { Shape } from "../../ui/state";
import { Switch } from "../../ui/switch";
import { Cell, Row, RowHead, Table } from "../../ui/table";
import { Ago } from "../../ui/time";
import { useToast } from "../../ui/toast";
import {
  exportPath,
  listAudit,
  nextAudit,
  readAuditFilters,
  tryExport,
  writeAuditFilters,
  type AuditFilters,
  type AuditRow,
} from "./audit";
import { Mark } from "./badges";
import { Changes, Detail, Sentence, Where } from "./events";
import { Guard, LoadFailed } from "./guard";
import { useKept } from "./kept";
import { said } from "./names";
import { useConsoleText } from "./text";
import { UserPicker } from "./user-picker";

const size = 50;
/** How often the first page is asked for while it is live, in ms. */
const beat = 2_000;

/** What everybody and the server did. */
export function AuditScreen() {
  return <Guard permission="audit.read">{() => <Audit />}</Guard>;
}

function Audit() {
  const text = useText();
  const t = useConsoleText();
  const [params, setParams] = useSearchParams();
  const filters = readAuditFilters(params);
  const live = params.get("live") === "1";
  const go = (next: AuditFilters, on: boolean) => {
    const to = writeAuditFilters(next);
    if (on) to.set("live", "1");
    setParams(to, { replace: true });
  };

  const pages = useInfiniteQuery({
    queryKey: ["audit", "pages", filters],
    queryFn: ({ pageParam, signal }) => listAudit(filters, { size, cursor: pageParam, signal }),
    initialPageParam: "",
    getNextPageParam: nextAudit,
    staleTime: 0,
    enabled: !live,
  });
  // Live is the newest page, over and over; a page that is hidden asks for nothing.
  const tail = useQuery({
    queryKey: ["audit", "tail", filters],
    queryFn: ({ signal }) => listAudit(filters, { size, signal }),
    staleTime: 0,
    enabled: live,
    refetchInterval: beat,
    refetchIntervalInBackground: false,
  });
  const loaded = useMemo(() => pages.data?.pages.flatMap((page) => page.results), [pages.data]);
  const current = live ? tail.data?.results : loaded;
  const rows = useKept(current);
  const fresh = useArrivals(tail.data?.results, live, loaded);
  const query = live ? tail : pages;

  return (
    <div className="space-y-5">
      <div className="space-y-1">
        <Heading title={t.audit} />
        <p className="text-soft">{t.auditIntro}</p>
      </div>
      <Filters filters={filters} onChange={(next) => go(next, live)} />
      <div className="flex flex-wrap items-center justify-between gap-3">
        <Switch label={t.live} hint={t.liveHint} on={live} onChange={(on) => go(filters, on)} />
        <div className="flex flex-wrap items-center gap-2">
          <span id="export" className="text-small text-soft">
            {t.exportAs}
          </span>
          <DownloadLink filters={filters} format="csv" name={t.csv} />
          <DownloadLink filters={filters} format="jsonl" name={t.jsonl} />
        </div>
      </div>
      <p role="status" className="sr-only">
        {fresh.size > 0 && t.arrived(fresh.size)}
      </p>
      {query.isError && (
        <LoadFailed
          error={query.error}
          kept={rows !== undefined}
          onRetry={() => void (!live && pages.data ? pages.fetchNextPage() : query.refetch())}
        />
      )}
      {!rows && query.isPending && <Shape label={text.loading} rows={8} />}
      {rows?.length === 0 && <p className="rounded-card border border-line bg-surface p-6">{t.noEvents}</p>}
      {rows && rows.length > 0 && (
        <Rows rows={rows} fresh={fresh} busy={current === undefined && query.isFetching} />
      )}
      {!live && pages.hasNextPage && !pages.isError && (
        <Button waiting={pages.isFetchingNextPage && text.waiting} onClick={() => void pages.fetchNextPage()}>
          {t.older}
        </Button>
      )}
    </div>
  );
}

/**
 * Which rows came with the last answer that brought any, since this is on. What was there `before` is not new; what came
 * between then and the first answer is.
 */
function useArrivals(
  rows: AuditRow[] | undefined,
  on: boolean,
  before: AuditRow[] | undefined,
): ReadonlySet<number> {
  const [seen, setSeen] = useState<{
    rows?: AuditRow[];
    known?: ReadonlySet<number>;
    fresh: ReadonlySet<number>;
  }>({ fresh: new Set() });
  if (on && rows && rows !== seen.rows) {
    const ids = rows.map((row) => row.id);
    const known = seen.known ?? new Set((before ?? rows).map((row) => row.id));
    const fresh = ids.filter((id) => !known.has(id));
    setSeen({
      rows,
      known: new Set([...known, ...ids]),
      fresh: fresh.length > 0 ? new Set(fresh) : seen.fresh,
    });
  } else if (!on && seen.known) {
    setSeen({ fresh: new Set() });
  }
  return seen.fresh;
}

function Rows({ rows, fresh, busy }: { rows: AuditRow[]; fresh: ReadonlySet<number>; busy: boolean }) {
  const t = useConsoleText();
  const { language } = useLanguage();
  return (
    <Table
      caption={t.audit}
      busy={busy}
      columns={[
        { id: "what", name: t.what },
        { id: "where", name: t.where },
        { id: "when", name: t.when },
      ]}
    >
      {rows.map((row) => (
        <Row key={row.id} marked={fresh.has(row.id)}>
          <RowHead className="lg:w-7/12">
            <span className="font-normal">
              {fresh.has(row.id) && (
                <>
                  <Mark>{t.fresh}</Mark>{" "}
                </>
              )}
              <Sentence row={row} />
            </span>
            <Changes row={row} />
            <Detail row={row} />
          </RowHead>
          <Cell className="text-soft">
            <Where row={row} />
          </Cell>
          <Cell className="lg:whitespace-nowrap">
            <Ago time={row.at} language={language} />
          </Cell>
        </Row>
      ))}
    </Table>
  );
}

/**
 * A plain link: the cookie goes with it, and what comes may be larger than a page could hold. Only the token must be good
 * when it is followed, and the password proved: nobody asks for either during a download.
 */
function DownloadLink({
  filters,
  format,
  name,
}: {
  filters: AuditFilters;
  format: "csv" | "jsonl";
  name: string;
}) {
  const text = useText();
  const t = useConsoleText();
  const toast = useToast();
  const prove = useProof();
  const href = exportPath(filters, format);
  const ready = useRef(false);
  return (
    <a
      href={href}
      download
      className={buttonClass("plain")}
      onClick={(event) => {
        if (ready.current) {
          ready.current = false;
          return;
        }
        event.preventDefault();
        const link = event.currentTarget;
        prove(`${t.exportAs}: ${name}`, () => tryExport(format))
          .then(() => {
            ready.current = true;
            link.click();
          })
          .catch((error: unknown) => {
            if (!(error instanceof NotProved)) toast(said(error, text), { failed: true });
          });
      }}
    >
      <Download size={18} aria-hidden="true" />
      <span className="sr-only">{t.exportAs} </span>
      {name}
    </a>
  );
}

function Filters({ filters, onChange }: { filters: AuditFilters; onChange: (next: AuditFilters) => void }) {
  const t = useConsoleText();
  const names = Object.entries(t.events)
    .map(([id, { name }]) => ({ id, name }))
    .sort((a, b) => a.name.localeCompare(b.name));
  const known = filters.event === "" || names.some(({ id }) => id === filters.event);
  const filtered = Object.values(filters).some(Boolean);
  return (
    <search className="flex flex-wrap items-end gap-3">
      <UserPicker user={filters.user} onChange={(user) => onChange({ ...filters, user })} />
      <Choice
        id="filter-event"
        label={t.event}
        value={filters.event}
        options={[
          { id: "", name: t.anyEvent },
          ...(known ? [] : [{ id: filters.event, name: filters.event }]),
          ...names,
        ]}
        onChange={(event) => onChange({ ...filters, event })}
      />
      <TimeField
        id="filter-since"
        label={t.since}
        time={filters.since}
        onChange={(since) => onChange({ ...filters, since })}
      />
      <TimeField
        id="filter-until"
        label={t.until}
        time={filters.until}
        onChange={(until) => onChange({ ...filters, until })}
      />
      {filtered && (
        <Button kind="quiet" onClick={() => onChange({ user: "", event: "", since: "", until: "" })}>
          {t.clearFilters}
        </Button>
      )}
    </search>
  );
}

/** A time of the address as the field wants it: here, and without a zone. */
export function localTime(time: string): string {
  if (!time) return "";
  const at = new Date(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function TimeField({
  id,
  label,
  time,
  onChange,
}: {
  id: string;
  label: string;
  time: string;
  onChange: (time: string) => void;
}) {
  return (
    <Field
      id={id}
      label={label}
      type="datetime-local"
      value={localTime(time)}
      onChange={(event) => {
        const at = new Date(event.target.value);
        onChange(Number.isNaN(at.getTime()) ? "" : at.toISOString().replace(".000Z", "Z"));
      }}
    />
  );
}
