import { useQuery } from "@tanstack/react-query";
import { useLanguage, useText } from "../../text/text";
import { deviceName } from "../../people/device";
import { Card, Shape } from "../../ui/state";
import { Cell, Row, RowHead, Table } from "../../ui/table";
import { Ago } from "../../ui/time";
import { Mark } from "./badges";
import { LoadFailed } from "./guard";
import { useConsoleText } from "./text";
import { userSessionsQuery } from "./users";

/** Where a user is signed in. */
export function Devices({ id }: { id: number }) {
  const text = useText();
  const t = useConsoleText();
  const { language } = useLanguage();
  const query = useQuery(userSessionsQuery(id));
  const sessions = query.data;
  return (
    <Card id="devices" title={t.signedInDevices}>
      {query.isError && (
        <LoadFailed error={query.error} kept={sessions !== undefined} onRetry={() => void query.refetch()} />
      )}
      {!sessions && query.isPending && <Shape label={text.loading} rows={2} />}
      {sessions?.length === 0 && <p className="text-soft">{t.noDevices}</p>}
      {sessions && sessions.length > 0 && (
        <Table
          caption={t.signedInDevices}
          columns={[
            { id: "device", name: text.device, className: "bg-surface" },
            { id: "address", name: text.address, className: "bg-surface" },
            { id: "first", name: text.firstSeen, className: "bg-surface" },
            { id: "last", name: text.lastSeen, className: "bg-surface" },
          ]}
        >
          {sessions.map((s) => (
            <Row key={s.id}>
              <RowHead>
                <span className="inline-flex flex-wrap items-center gap-2">
                  {deviceName(s, text)}
                  {s.current && <Mark>{text.thisDevice}</Mark>}
                </span>
              </RowHead>
              <Cell name={text.address}>{s.address || "–"}</Cell>
              <Cell name={text.firstSeen}>
                <Ago time={s.first_seen} language={language} />
              </Cell>
              <Cell name={text.lastSeen}>
                <Ago time={s.last_seen} language={language} />
              </Cell>
            </Row>
          ))}
        </Table>
      )}
    </Card>
  );
}
