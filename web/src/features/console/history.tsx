import { useInfiniteQuery } from "@tanstack/react-query";
import { useLanguage, useText } from "../../text/text";
import { Button } from "../../ui/button";
import { Card, Shape } from "../../ui/state";
import { Ago } from "../../ui/time";
import { listAudit, nextAudit } from "./audit";
import { Changes, Sentence, Where } from "./events";
import { LoadFailed } from "./guard";
import { useConsoleText } from "./text";

const size = 10;

/** What happened on a user's account. */
export function History({ id }: { id: number }) {
  const text = useText();
  const t = useConsoleText();
  const { language } = useLanguage();
  const query = useInfiniteQuery({
    queryKey: ["users", "history", id],
    queryFn: ({ pageParam, signal }) =>
      listAudit({ user: String(id), event: "", since: "", until: "" }, { size, cursor: pageParam, signal }),
    initialPageParam: "",
    getNextPageParam: nextAudit,
    staleTime: 0,
  });
  const rows = query.data?.pages.flatMap((page) => page.results);
  return (
    <Card id="history" title={t.history}>
      {!rows && query.isPending && <Shape label={text.loading} rows={4} />}
      {rows?.length === 0 && <p className="text-soft">{t.noHistory}</p>}
      {rows && rows.length > 0 && (
        <ol className="divide-y divide-line">
          {rows.map((row) => (
            <li key={row.id} className="py-2.5">
              <p>
                <Sentence row={row} />
              </p>
              <Changes row={row} />
              <p className="text-small wrap-break-word text-soft">
                <Where row={row} /> · <Ago time={row.at} language={language} />
              </p>
            </li>
          ))}
        </ol>
      )}
      {query.isError && (
        <LoadFailed
          error={query.error}
          kept={rows !== undefined}
          onRetry={() => void (rows ? query.fetchNextPage() : query.refetch())}
        />
      )}
      {query.hasNextPage && !query.isError && (
        <Button
          className="mt-3"
          waiting={query.isFetchingNextPage && text.waiting}
          onClick={() => void query.fetchNextPage()}
        >
          {text.showMore}
        </Button>
      )}
    </Card>
  );
}
