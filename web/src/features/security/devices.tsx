import { LatchkeyError, type Session } from "@latchkey/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { MonitorSmartphone } from "lucide-react";
import { useState } from "react";
import { deviceName } from "../../people/device";
import { words } from "../../people/problems";
import { NotProved, useProof } from "../../people/proof";
import { sessionsQuery } from "../../people/queries";
import { client } from "../../session";
import { useLanguage, useText } from "../../text/text";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/confirm";
import { Card, Failed, Shape } from "../../ui/state";
import { Ago } from "../../ui/time";
import { useToast } from "../../ui/toast";

/** Where one is signed in, and how to end that. */
export function Devices() {
  const text = useText();
  const query = useQuery(sessionsQuery);
  const sessions = query.data?.results;
  const others = sessions?.filter((s) => !s.current) ?? [];
  return (
    <Card
      id="devices"
      title={text.signedInDevices}
      aside={others.length > 0 && <EndOthers count={others.length} />}
    >
      {query.isError && (
        <Failed
          title={text.failedTitle}
          detail={words(query.error, text)}
          retry={text.tryAgain}
          onRetry={() => void query.refetch()}
        />
      )}
      {!sessions && !query.isError && <Shape label={text.loading} rows={2} />}
      {sessions && <Table sessions={sessions} />}
      {sessions && others.length === 0 && <p className="mt-3 text-small text-soft">{text.onlyThis}</p>}
    </Card>
  );
}

function Table({ sessions }: { sessions: Session[] }) {
  const text = useText();
  const { language } = useLanguage();
  const [ending, setEnding] = useState<Session>();
  const here = sessions.find((s) => s.current);
  return (
    <>
      {/* A table where there is room, cards where there is not; the roles are said, since display takes them away. */}
      <table role="table" className="block w-full text-left md:table">
        <caption className="sr-only">{text.signedInDevices}</caption>
        <thead role="rowgroup" className="sr-only md:not-sr-only md:table-header-group">
          <tr role="row" className="border-b border-line text-small text-soft md:table-row">
            {[text.device, text.address, text.firstSeen, text.lastSeen].map((name) => (
              <th role="columnheader" key={name} scope="col" className="py-2 pr-4 font-medium">
                {name}
              </th>
            ))}
            <th role="columnheader" scope="col" className="py-2">
              <span className="sr-only">{text.action}</span>
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup" className="block md:table-row-group">
          {sessions.map((s) => {
            const name = deviceName(s, text);
            const fresh = here !== undefined && !s.current && s.first_seen > here.first_seen;
            return (
              <tr
                role="row"
                key={s.id}
                className="block border-b border-line py-3 last:border-0 md:table-row"
              >
                <th
                  role="rowheader"
                  scope="row"
                  className="block pr-4 font-medium md:table-cell md:py-2 md:align-middle"
                >
                  <span className="flex flex-wrap items-center gap-2">
                    <MonitorSmartphone size={20} aria-hidden="true" className="shrink-0 text-soft" />
                    {name}
                    {s.current && <Badge>{text.thisDevice}</Badge>}
                    {fresh && <Badge hint={text.newDeviceHint}>{text.newDevice}</Badge>}
                  </span>
                </th>
                <Cell name={text.address}>{s.address || "–"}</Cell>
                <Cell name={text.firstSeen}>
                  <Ago time={s.first_seen} language={language} />
                </Cell>
                <Cell name={text.lastSeen}>
                  <Ago time={s.last_seen} language={language} />
                </Cell>
                <td role="cell" className="block pt-2 md:table-cell md:py-1 md:text-right">
                  {!s.current && (
                    <Button onClick={() => setEnding(s)} aria-label={text.signOutDevice(name)}>
                      {text.signOut}
                    </Button>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {ending && <EndOne session={ending} onDone={() => setEnding(undefined)} />}
    </>
  );
}

function Badge({ children, hint }: { children: string; hint?: string }) {
  return (
    <span
      title={hint}
      className="rounded-full border border-brass-text px-2 text-small font-medium text-brass-text"
    >
      {children}
    </span>
  );
}

function Cell({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <td
      role="cell"
      className="block text-small wrap-break-word tabular-nums md:table-cell md:py-2 md:pr-4 md:align-middle"
    >
      <span aria-hidden="true" className="mr-2 text-soft md:hidden">
        {name}
      </span>
      {children}
    </td>
  );
}

/** After an end the lists are asked for again, whatever came of it. */
function useReload(): () => void {
  const queries = useQueryClient();
  return () => {
    void queries.invalidateQueries({ queryKey: ["sessions"] });
    void queries.invalidateQueries({ queryKey: ["events"] });
  };
}

function EndOne({ session, onDone }: { session: Session; onDone: () => void }) {
  const text = useText();
  const toast = useToast();
  const prove = useProof();
  const name = deviceName(session, text);
  const reload = useReload();
  const end = useMutation({
    mutationFn: () => prove(text.signOutDevice(name), () => client.sessions.end(session.id)),
    onSuccess: () => toast(text.signedOutDevice(name)),
    onError(error) {
      if (error instanceof NotProved) return;
      if (error instanceof LatchkeyError && error.status === 404) toast(text.deviceGone(name));
      else toast(words(error, text), { failed: true });
    },
    onSettled() {
      reload();
      onDone();
    },
  });
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onDone()}
      title={`${text.signOutDevice(name)}?`}
      action={text.signOutDevice(name)}
      cancel={text.cancel}
      after="devices"
      waiting={end.isPending && text.waiting}
      onConfirm={() => end.mutate()}
    >
      {text.signOutDeviceBody(session.address || text.unknownAddress)}
    </Confirm>
  );
}

function EndOthers({ count }: { count: number }) {
  const text = useText();
  const toast = useToast();
  const prove = useProof();
  const reload = useReload();
  const [open, setOpen] = useState(false);
  const end = useMutation({
    mutationFn: () => prove(text.signOutOthersDo(count), () => client.sessions.endOthers()),
    onSuccess: ({ ended }) => toast(text.signedOutOthers(ended)),
    onError(error) {
      if (!(error instanceof NotProved)) toast(words(error, text), { failed: true });
    },
    onSettled() {
      reload();
      setOpen(false);
    },
  });
  return (
    <>
      <Button onClick={() => setOpen(true)}>{text.signOutOthers}</Button>
      <Confirm
        open={open}
        onOpenChange={setOpen}
        title={text.signOutOthersTitle(count)}
        action={text.signOutOthersDo(count)}
        cancel={text.cancel}
        after="devices"
        waiting={end.isPending && text.waiting}
        onConfirm={() => end.mutate()}
      >
        {text.signOutOthersBody}
      </Confirm>
    </>
  );
}
