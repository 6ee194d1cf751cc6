import type { Diagnosis, Finding } from "@latchkey/client";
import { useQuery } from "@tanstack/react-query";
import { CircleAlert, CircleCheck, Info, RefreshCw, TriangleAlert, type LucideIcon } from "lucide-react";
import { ask } from "../../ask";
import { Heading } from "../../people/screen";
import type { FindingText } from "../../text/doctor/de";
import { useLanguage, useText } from "../../text/text";
import { Button } from "../../ui/button";
import { classes } from "../../ui/classes";
import { CopyField } from "../../ui/copy";
import { Shape } from "../../ui/state";
import { Ago } from "../../ui/time";
import { Guard, LoadFailed } from "./guard";
import { useConsoleText } from "./text";

/** What of the server should not stay as it is, and how it is mended. */
export function HealthScreen() {
  return <Guard permission="system.read">{() => <Health />}</Guard>;
}

/** The findings' texts in a language; the server's own are English. */
const texts: Record<string, () => Promise<Record<string, FindingText>>> = {
  de: () => import("../../text/doctor/de").then((m) => m.de),
};

function useFindingTexts(): Record<string, FindingText> | undefined {
  const { language } = useLanguage();
  const { data, isError } = useQuery({
    queryKey: ["doctor texts", language],
    queryFn: async () => (await texts[language]?.()) ?? {},
    staleTime: Infinity,
  });
  return isError ? {} : data;
}

function Health() {
  const text = useText();
  const t = useConsoleText();
  const { language } = useLanguage();
  const words = useFindingTexts();
  const query = useQuery({
    queryKey: ["doctor"],
    queryFn: async ({ signal }) => (await ask<Diagnosis>("/api/doctor/", { signal })).data,
  });
  const found = query.data?.findings.filter((f) => f.severity !== "ok") ?? [];
  const well = (query.data?.findings.length ?? 0) - found.length;
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <Heading title={t.healthTitle} />
        <Button waiting={query.isFetching && text.waiting} onClick={() => void query.refetch()}>
          <RefreshCw size={18} aria-hidden="true" />
          {t.lookAgain}
        </Button>
      </div>
      {query.isError && (
        <LoadFailed
          error={query.error}
          kept={query.data !== undefined}
          onRetry={() => void query.refetch()}
        />
      )}
      {query.data && words ? (
        <>
          <p role="status" className="text-soft">
            {found.length === 0 ? t.nothingToMend(well) : t.toMend(found.length, well)}{" "}
            <Ago time={query.data.checked_at} language={language} />
          </p>
          {found.length === 0 ? (
            <p className="flex items-center gap-3 rounded-card border border-line bg-good-paper p-4">
              <CircleCheck size={20} aria-hidden="true" className="shrink-0 text-good" />
              {t.allWell}
            </p>
          ) : (
            <ul aria-label={t.healthTitle} className="space-y-4">
              {found.map((f) => (
                <li key={f.id}>
                  <FindingCard finding={f} words={words[f.id]} />
                </li>
              ))}
            </ul>
          )}
        </>
      ) : (
        query.isPending && <Shape label={text.loading} rows={6} />
      )}
    </div>
  );
}

const notice: Look = { icon: Info, className: "text-soft" };
const looks: Record<string, Look> = {
  error: { icon: CircleAlert, className: "text-danger" },
  warning: { icon: TriangleAlert, className: "text-brass-text" },
  notice,
};
type Look = { icon: LucideIcon; className: string };

/** Puts a finding's parameters into a text. */
export function fill(text: string, params: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (hole, name: string) => params[name] ?? hole);
}

function FindingCard({ finding, words }: { finding: Finding; words: FindingText | undefined }) {
  const t = useConsoleText();
  const { icon: Icon, className } = looks[finding.severity] ?? notice;
  const [what, why, mend] = words
    ? words.map((text) => fill(text, finding.params))
    : [finding.what, finding.why, finding.mend];
  const id = `finding-${finding.id}`;
  return (
    <article aria-labelledby={id} className="rounded-card border border-line bg-surface p-4 sm:p-6">
      <p className={classes("mb-2 flex items-center gap-2 text-small font-semibold", className)}>
        <Icon size={18} aria-hidden="true" className="shrink-0" />
        {t.severities[finding.severity] ?? finding.severity}
      </p>
      <h2 id={id} className="max-w-prose break-words">
        {what}
      </h2>
      <p className="mt-1 max-w-prose text-soft">{why}</p>
      <p className="mt-3 max-w-prose">
        <span className="font-medium">{t.mend}:</span> {mend}
      </p>
      {finding.do && (
        <div className="mt-3 max-w-3xl">
          <CopyField id={`do-${finding.id}`} label={t.mendLine} value={finding.do} texts={t} quiet />
        </div>
      )}
    </article>
  );
}
