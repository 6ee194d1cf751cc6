import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { CircleCheck, Hand } from "lucide-react";
import { useMemo, useState } from "react";
import { Link } from "react-router";
import { userPath } from "../../paths";
import { NotProved, useProof } from "../../people/proof";
import { Heading } from "../../people/screen";
import { useLanguage, useText } from "../../text/text";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/confirm";
import { Shape } from "../../ui/state";
import { Cell, Row, RowHead, Table } from "../../ui/table";
import { Ago } from "../../ui/time";
import { useToast } from "../../ui/toast";
import { Guard, LoadFailed, useRefusal } from "./guard";
import { useKept } from "./kept";
import { isStatus, said } from "./names";
import { useConsoleText } from "./text";
import { lift, listThrottled, nextThrottled, type Throttled } from "./throttle";

const size = 50;

/** Who fails to sign in, who is refused for it, and the way to lift that. */
export function ThrottleScreen() {
  return <Guard permission="throttle.lift">{() => <Attempts />}</Guard>;
}

function Attempts() {
  const text = useText();
  const t = useConsoleText();
  const pages = useInfiniteQuery({
    queryKey: ["throttle"],
    queryFn: ({ pageParam, signal }) => listThrottled({ size, cursor: pageParam, signal }),
    initialPageParam: "",
    getNextPageParam: nextThrottled,
    staleTime: 0,
  });
  const loaded = useMemo(() => pages.data?.pages.flatMap((page) => page.results), [pages.data]);
  const rows = useKept(loaded);
  const [asking, setAsking] = useState<Throttled>();
  return (
    <div className="space-y-5">
      <div className="max-w-2xl space-y-1">
        <Heading title={t.attempts} />
        <p id="attempts-intro" tabIndex={-1} className="text-soft outline-none">
          {t.attemptsIntro}
        </p>
      </div>
      {pages.isError && (
        <LoadFailed
          error={pages.error}
          kept={rows !== undefined}
          onRetry={() => void (pages.data ? pages.fetchNextPage() : pages.refetch())}
        />
      )}
      {!rows && pages.isPending && <Shape label={text.loading} rows={6} />}
      {rows?.length === 0 && <p className="rounded-card border border-line bg-surface p-6">{t.noAttempts}</p>}
      {rows && rows.length > 0 && <Rows rows={rows} onLift={setAsking} />}
      {pages.hasNextPage && !pages.isError && (
        <Button waiting={pages.isFetchingNextPage && text.waiting} onClick={() => void pages.fetchNextPage()}>
          {t.older}
        </Button>
      )}
      {asking && <AskLift counter={asking} onClose={() => setAsking(undefined)} />}
    </div>
  );
}

/** Whom it is about, in a few words. */
export function useSubject(): (counter: Throttled) => string {
  const t = useConsoleText();
  return ({ kind, user, address }) => {
    if (kind === "address") return address;
    if (!user) return t.unknownEmail;
    return user.email || t.gone;
  };
}

function Rows({ rows, onLift }: { rows: Throttled[]; onLift: (counter: Throttled) => void }) {
  const t = useConsoleText();
  const { language } = useLanguage();
  const subject = useSubject();
  return (
    <Table
      caption={t.attempts}
      columns={[
        { id: "who", name: t.attemptWho },
        { id: "failures", name: t.attemptFailures },
        { id: "last", name: t.attemptLast },
        { id: "now", name: t.attemptNow },
        { id: "act", name: <span className="sr-only">{t.lift}</span> },
      ]}
    >
      {rows.map((row) => (
        <Row key={row.id}>
          <RowHead className="lg:w-5/12">
            {row.user?.email ? (
              <Link
                to={userPath(row.user.id)}
                className="font-medium break-all underline decoration-edge underline-offset-4 hover:decoration-current"
              >
                {subject(row)}
              </Link>
            ) : (
              <span className="break-words">{subject(row)}</span>
            )}
            <span className="block text-small font-normal text-soft">
              {t.attemptKinds[row.kind]}
              {row.kind === "device" && row.address && ` · ${row.address}`}
            </span>
          </RowHead>
          <Cell name={t.attemptFailures} className="tabular-nums">
            {t.number(row.failures)}
          </Cell>
          <Cell name={t.attemptLast} className="lg:whitespace-nowrap">
            <Ago time={row.last_at} language={language} />
          </Cell>
          <Cell name={t.attemptNow}>
            <State row={row} />
          </Cell>
          <Cell className="pt-2 lg:py-1 lg:text-right">
            <Button className="lg:whitespace-nowrap" onClick={() => onLift(row)}>
              {t.lift}
              <span className="sr-only">: {subject(row)}</span>
            </Button>
          </Cell>
        </Row>
      ))}
    </Table>
  );
}

/** Whether attempts are refused now, until when and why. */
function State({ row }: { row: Throttled }) {
  const t = useConsoleText();
  const { language } = useLanguage();
  if (!row.refused_until) {
    return (
      <span className="inline-flex items-center gap-1.5">
        <CircleCheck size={16} aria-hidden="true" className="shrink-0 text-good" />
        {t.notRefused}
      </span>
    );
  }
  return (
    <span className="inline-flex items-start gap-1.5">
      <Hand size={16} aria-hidden="true" className="mt-1 shrink-0 text-danger" />
      <span>
        {t.refused} (<Ago time={row.refused_until} language={language} />)
        <span className="block text-small text-soft">{t.reasons[row.reason]}</span>
      </span>
    </span>
  );
}

function AskLift({ counter, onClose }: { counter: Throttled; onClose: () => void }) {
  const text = useText();
  const t = useConsoleText();
  const say = useToast();
  const queries = useQueryClient();
  const prove = useProof();
  const name = useSubject()(counter);
  const act = useMutation({
    mutationFn: () => prove(t.liftDo(name), () => lift(counter.id)),
    onSuccess: () => say(t.lifted(name)),
    onError: (error) => {
      if (error instanceof NotProved) return;
      // Somebody else was faster, or it has expired.
      if (isStatus(error, 404)) say(t.lifted(name));
      else say(said(error, text), { failed: true });
    },
    onSettled: async () => {
      await queries.invalidateQueries({ queryKey: ["throttle"] });
      onClose();
    },
  });
  useRefusal(act.error);
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={t.liftTitle(name)}
      action={t.liftDo(name)}
      cancel={text.cancel}
      waiting={act.isPending && text.waiting}
      danger={false}
      after="attempts-intro"
      onConfirm={() => act.mutate()}
    >
      {t.liftBody[counter.kind]}
    </Confirm>
  );
}
