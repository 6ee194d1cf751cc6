import type { Event } from "@latchkey/client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { TriangleAlert } from "lucide-react";
import { deviceName } from "../../people/device";
import { words } from "../../people/problems";
import { client } from "../../session";
import { useLanguage, useText } from "../../text/text";
import { Button } from "../../ui/button";
import { Card, Failed, Shape } from "../../ui/state";
import { Ago } from "../../ui/time";

const pageSize = 10;

/** What one should look at twice. */
const alarming: ReadonlySet<Event["event"]> = new Set([
  "login_failed",
  "reuse_detected",
  "deactivated",
] as const);

/** What happened on the account, in sentences. */
export function Activity() {
  const text = useText();
  const { language } = useLanguage();
  const query = useInfiniteQuery({
    queryKey: ["events", "all"],
    queryFn: ({ pageParam }) =>
      client.events.list({ limit: pageSize, ...(pageParam ? { before: pageParam } : {}) }),
    initialPageParam: 0,
    staleTime: 0, // see queries.ts
    getNextPageParam: (last) => (last.next ? last.results.at(-1)?.id : undefined),
  });
  const events = query.data?.pages.flatMap((p) => p.results);
  return (
    <Card id="activity" title={text.activity}>
      {!events && query.isPending && <Shape label={text.loading} rows={4} />}
      {events?.length === 0 && <p className="text-soft">{text.noActivity}</p>}
      {events && events.length > 0 && (
        <ol className="divide-y divide-line">
          {events.map((e) => (
            <li key={e.id} className="flex gap-2 py-2.5">
              {alarming.has(e.event) && (
                <TriangleAlert
                  size={20}
                  role="img"
                  aria-label={text.warning}
                  className="mt-0.5 shrink-0 text-danger"
                />
              )}
              <div className="min-w-0 wrap-break-word">
                <p>{text.events[e.event](e)}</p>
                <p className="text-small text-soft">
                  {text.eventFrom(e.device ? deviceName(e, text) : "", e.address)}
                  {(e.device || e.address) && " · "}
                  <Ago time={e.at} language={language} />
                </p>
              </div>
            </li>
          ))}
        </ol>
      )}
      {query.isError && (
        <Failed
          title={text.failedTitle}
          detail={words(query.error, text)}
          retry={text.tryAgain}
          onRetry={() => void (events ? query.fetchNextPage() : query.refetch())}
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
