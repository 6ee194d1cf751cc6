import { useQueryClient } from "@tanstack/react-query";
import { Circle, CircleCheck, CircleX, LoaderCircle } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { useText } from "../../text/text";
import { Button } from "../../ui/button";
import { Progress } from "../../ui/progress";
import { nameOf, said } from "./names";
import { runAll, type Outcome } from "./run-all";
import { useConsoleText } from "./text";
import { bulkActs, type BulkAct, type User } from "./users";

export type BulkJob = { act: BulkAct; users: readonly User[] };

type States = ReadonlyMap<number, Outcome>;

/** Does something to many users, and shows what came of each. It begins at once. */
export function Bulk({
  job,
  onUndo,
  onClose,
}: {
  job: BulkJob;
  /** Takes back what was done to these. */
  onUndo: (done: User[]) => void;
  onClose: () => void;
}) {
  const text = useText();
  const t = useConsoleText();
  const queries = useQueryClient();
  const [states, setStates] = useState<States>(new Map());
  const [running, setRunning] = useState(true);
  const stop = useRef(false);
  const heading = useRef<HTMLHeadingElement>(null);

  const run = useCallback(
    async (users: readonly User[]) => {
      stop.current = false;
      setRunning(true);
      await runAll(
        users,
        (user) => bulkActs[job.act](user.id),
        (user, outcome) => setStates((all) => new Map(all).set(user.id, outcome)),
        () => stop.current,
      );
      setRunning(false);
      void queries.invalidateQueries({ queryKey: ["users"] });
    },
    [job, queries],
  );

  const begun = useRef(false);
  useEffect(() => {
    if (!begun.current) void run(job.users);
    begun.current = true;
    heading.current?.focus();
  }, [run, job]);
  // Who leaves the screen stops what has not begun.
  useEffect(() => () => void (stop.current = true), []);

  const of = (state: Outcome["state"]) => job.users.filter((u) => states.get(u.id)?.state === state);
  const done = of("done");
  const failed = of("failed");
  const left = job.users.filter((u) => !states.has(u.id));
  const finished = done.length + failed.length;
  const words = t.bulk[job.act];
  const outcome = [
    words.done(done.length),
    failed.length > 0 && t.failedCount(failed.length),
    left.length > 0 && t.leftCount(left.length),
  ]
    .filter(Boolean)
    .join(", ");

  return (
    <section aria-labelledby="bulk" className="space-y-3 rounded-card border border-edge bg-surface p-4">
      <div className="flex flex-wrap items-baseline justify-between gap-x-4">
        <h2 id="bulk" ref={heading} tabIndex={-1} className="outline-none">
          {running ? words.title : outcome}
        </h2>
        <p className="text-small text-soft tabular-nums">{t.progress(finished, job.users.length)}</p>
      </div>
      <Progress label={words.title} done={finished} all={job.users.length} />
      <p role="status" className="sr-only">
        {!running && outcome}
      </p>
      <div className="flex flex-wrap gap-3">
        {running ? (
          <Button onClick={() => (stop.current = true)}>{t.stop}</Button>
        ) : (
          <>
            {failed.length > 0 && (
              <Button kind="primary" onClick={() => void run(failed)}>
                {t.tryFailed(failed.length)}
              </Button>
            )}
            {left.length > 0 && <Button onClick={() => void run(left)}>{t.goOn}</Button>}
            {job.act === "deactivate" && done.length > 0 && (
              <Button onClick={() => onUndo(done)}>{text.undo}</Button>
            )}
            <Button onClick={onClose}>{text.close}</Button>
          </>
        )}
      </div>
      <ul className="grid grid-cols-[minmax(0,1fr)] gap-x-6 gap-y-1 text-small md:grid-cols-[repeat(2,minmax(0,1fr))]">
        {job.users.map((user) => (
          <Result key={user.id} user={user} outcome={states.get(user.id)} />
        ))}
      </ul>
    </section>
  );
}

function Result({ user, outcome }: { user: User; outcome: Outcome | undefined }) {
  const text = useText();
  const t = useConsoleText();
  const looks = {
    waiting: { icon: Circle, word: t.waitingRow, className: "text-soft" },
    running: { icon: LoaderCircle, word: t.runningRow, className: "text-soft" },
    done: { icon: CircleCheck, word: t.doneRow, className: "text-good" },
    failed: { icon: CircleX, word: t.failedRow, className: "text-danger" },
  };
  const { icon: Icon, word, className } = looks[outcome?.state ?? "waiting"];
  return (
    <li className="flex gap-2">
      <Icon size={16} role="img" aria-label={word} className={`mt-0.5 shrink-0 ${className}`} />
      <span className="min-w-0">
        {nameOf(user)}
        {outcome?.state === "failed" && (
          <span className="block text-danger">{said(outcome.error, text)}</span>
        )}
      </span>
    </li>
  );
}
