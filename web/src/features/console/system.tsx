import { useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { ask } from "../../ask";
import { Heading } from "../../people/screen";
import { useLanguage, useText } from "../../text/text";
import { Field } from "../../ui/field";
import { Card, Shape } from "../../ui/state";
import { Cell, Row, RowHead, Table } from "../../ui/table";
import { Ago, Moment } from "../../ui/time";
import { Guard, LoadFailed } from "./guard";
import { useConsoleText } from "./text";

type Key = {
  kid: string;
  algorithm: string;
  state: string;
  created_at: string;
  retired_at: string | null;
  accept_until: string | null;
};
type Setting = { key: string; value: unknown; source: string; doc: string };
type System = {
  version: string;
  go: string;
  started_at: string;
  database: { engine: string; version: string; size: number; schema: number | string };
  keys: Key[];
  audit: Trail;
  settings: Setting[];
};
/** How far the history is sealed. */
type Trail = {
  state: string;
  head: string;
  events: number;
  sealed_at: string | null;
  unsealed: number;
  accepted_at: string | null;
  verified_at: string | null;
  problems: number;
};

/** What runs here, on what, with which keys and settings. */
export function SystemScreen() {
  return <Guard permission="system.read">{() => <Loaded />}</Guard>;
}

function Loaded() {
  const text = useText();
  const t = useConsoleText();
  const query = useQuery({
    queryKey: ["system"],
    queryFn: async ({ signal }) => (await ask<System>("/api/system/", { signal })).data,
  });
  return (
    <div className="space-y-5">
      <Heading title={t.systemTitle} />
      {query.isError && (
        <LoadFailed
          error={query.error}
          kept={query.data !== undefined}
          onRetry={() => void query.refetch()}
        />
      )}
      {query.data ? (
        <Known system={query.data} />
      ) : (
        query.isPending && <Shape label={text.loading} rows={6} />
      )}
    </div>
  );
}

/** A size as people say it. */
export function bytes(n: number, language: string): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = n < 1 ? 0 : Math.min(Math.floor(Math.log10(n) / 3), units.length - 1);
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: units[step] ?? "byte",
    unitDisplay: step === 0 ? "long" : "short",
    maximumFractionDigits: 1,
  }).format(n / 1000 ** step);
}

function Known({ system }: { system: System }) {
  const t = useConsoleText();
  const { language } = useLanguage();
  const { database } = system;
  return (
    <>
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-5 md:grid-cols-[repeat(2,minmax(0,1fr))]">
        <Card id="program" title={t.program}>
          <Facts
            facts={[
              [t.version, system.version],
              [t.go, system.go],
              [t.started, <Ago key="started" time={system.started_at} language={language} />],
            ]}
          />
        </Card>
        <Card id="database" title={t.database}>
          <Facts
            facts={[
              [t.engine, `${database.engine} ${database.version}`],
              [t.size, bytes(database.size, language)],
              [t.schema, database.schema],
            ]}
          />
        </Card>
      </div>
      <Card id="trail" title={t.trail}>
        <Facts facts={trailFacts(system.audit, t, language)} />
      </Card>
      <section aria-labelledby="keys" className="space-y-3">
        <h2 id="keys">{t.keys}</h2>
        {system.keys.length === 0 ? <p className="text-soft">{t.noKeys}</p> : <Keys keys={system.keys} />}
      </section>
      <Settings settings={system.settings} />
    </>
  );
}

function trailFacts(
  trail: Trail,
  t: ReturnType<typeof useConsoleText>,
  language: string,
): [string, ReactNode][] {
  const wrong = trail.state === "broken";
  const number = (n: number) => new Intl.NumberFormat(language).format(n);
  const facts: [string, ReactNode][] = [
    [
      t.trailState,
      <span key="state" className={wrong ? "text-danger" : undefined}>
        {t.trailStates[trail.state] ?? trail.state}
      </span>,
    ],
  ];
  if (trail.sealed_at) {
    facts.push(
      [t.trailSealed, <Ago key="sealed" time={trail.sealed_at} language={language} />],
      [t.trailEvents, number(trail.events)],
    );
  }
  facts.push([t.trailOpen, number(trail.unsealed)]);
  if (trail.accepted_at) {
    facts.push([t.trailAccepted, <Moment key="accepted" time={trail.accepted_at} language={language} />]);
  }
  facts.push([
    t.trailVerified,
    trail.verified_at ? (
      <span key="verified" className={trail.problems > 0 ? "text-danger" : undefined}>
        <Ago time={trail.verified_at} language={language} />, {t.trailProblems(trail.problems)}
      </span>
    ) : (
      t.trailNever
    ),
  ]);
  if (trail.sealed_at) {
    facts.push([
      t.trailHead,
      <code key="head" className="font-mono text-small break-all">
        {trail.head}
      </code>,
    ]);
  }
  return facts;
}

function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 gap-y-2">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-soft">{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Keys({ keys }: { keys: Key[] }) {
  const t = useConsoleText();
  const { language } = useLanguage();
  const time = (at: string | null) => (at ? <Moment time={at} language={language} /> : "–");
  return (
    <Table
      caption={t.keys}
      columns={[
        { id: "kid", name: t.key },
        { id: "algorithm", name: t.algorithm },
        { id: "state", name: t.state },
        { id: "created", name: t.created },
        { id: "retired", name: t.retired },
        { id: "until", name: t.acceptUntil },
      ]}
    >
      {keys.map((key) => (
        <Row key={key.kid}>
          <RowHead className="font-mono text-small">{key.kid}</RowHead>
          <Cell name={t.algorithm}>{key.algorithm}</Cell>
          <Cell name={t.state}>{t.keyStates[key.state] ?? key.state}</Cell>
          <Cell name={t.created}>{time(key.created_at)}</Cell>
          <Cell name={t.retired}>{time(key.retired_at)}</Cell>
          <Cell name={t.acceptUntil}>{time(key.accept_until)}</Cell>
        </Row>
      ))}
    </Table>
  );
}

function Settings({ settings }: { settings: Setting[] }) {
  const t = useConsoleText();
  const [typed, setTyped] = useState("");
  const wanted = typed.trim().toLowerCase();
  const found = settings.filter((s) => `${s.key} ${s.doc}`.toLowerCase().includes(wanted));
  const value = (v: unknown) => {
    const words = Array.isArray(v) ? v.join(", ") : v === null || v === undefined ? "" : String(v);
    return words ? <code className="font-mono">{words}</code> : <span className="text-soft">{t.notSet}</span>;
  };
  return (
    <section aria-labelledby="settings" className="space-y-3">
      <h2 id="settings">{t.inForce}</h2>
      <Field
        id="find-setting"
        label={t.findSetting}
        type="search"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        className="max-w-sm"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      {found.length === 0 ? (
        <p role="status" className="text-soft">
          {t.noSetting}
        </p>
      ) : (
        <Table
          caption={t.inForce}
          columns={[
            { id: "setting", name: t.setting },
            { id: "value", name: t.value, className: "w-1/4" },
            { id: "source", name: t.source, className: "whitespace-nowrap" },
          ]}
        >
          {found.map((s) => (
            <Row key={s.key}>
              <RowHead>
                <code className="font-mono text-small">{s.key}</code>
                <span className="block max-w-prose text-small font-normal text-soft">{s.doc}</span>
              </RowHead>
              <Cell name={t.value} className="pt-1">
                {value(s.value)}
              </Cell>
              <Cell name={t.source}>{t.sources[s.source] ?? s.source}</Cell>
            </Row>
          ))}
        </Table>
      )}
    </section>
  );
}
