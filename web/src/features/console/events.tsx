import type { Role } from "@latchkey/client";
import { TriangleAlert } from "lucide-react";
import { Fragment, type ReactNode } from "react";
import { Link } from "react-router";
import { userPath } from "../../paths";
import { deviceName } from "../../people/device";
import { useText } from "../../text/text";
import type { AuditRow, Party } from "./audit";
import { useConsoleText } from "./text";

const alarming: ReadonlySet<string> = new Set(["login_failed", "reuse_detected", "user_deleted"]);

/** What happened, as a sentence in which people are links. */
export function Sentence({ row, plain = false }: { row: AuditRow; plain?: boolean }) {
  const text = useText();
  const t = useConsoleText();
  const words = eventText(row.event, t);
  const same = row.user !== null && row.actor !== null && row.user.id === row.actor.id;
  const template = (same && words.self) || words.other;
  const parts: Record<string, ReactNode> = {
    "{user}": <Name party={row.user} nobody={t.nobody} plain={plain} />,
    "{actor}": <Name party={row.actor} nobody={t.server} plain={plain} />,
  };
  return (
    <span>
      {alarming.has(row.event) && (
        <TriangleAlert
          size={18}
          role="img"
          aria-label={text.warning}
          className="mr-1.5 inline-block align-text-bottom text-danger"
        />
      )}
      {template.split(/(\{user\}|\{actor\})/).map((part, i) => (
        // The parts of a sentence stay where they are.
        // oxlint-disable-next-line react/no-array-index-key
        <Fragment key={i}>{parts[part] ?? part}</Fragment>
      ))}
      {row.count > 1 && `, ${t.times(row.count)}`}
    </span>
  );
}

export function eventText(event: string, t: ReturnType<typeof useConsoleText>) {
  return Object.hasOwn(t.events, event) ? t.events[event as keyof typeof t.events] : t.unknownEvent(event);
}

function Name({ party, nobody, plain }: { party: Party | null; nobody: string; plain: boolean }) {
  const t = useConsoleText();
  if (!party) return nobody;
  if (!party.email) return t.gone;
  if (plain) return party.email;
  return (
    <Link
      to={userPath(party.id)}
      className="font-medium break-all underline decoration-edge underline-offset-4 hover:decoration-current"
    >
      {party.email}
    </Link>
  );
}

/** What was changed, before and after. */
export function Changes({ row }: { row: AuditRow }) {
  const t = useConsoleText();
  const value = useValueName();
  const changes = Object.entries(row.changes ?? {});
  if (changes.length === 0) return null;
  return (
    <ul aria-label={t.changes} className="mt-1 space-y-0.5 text-small text-soft">
      {changes.map(([field, [before, after]]) => (
        <li key={field}>
          {t.fields[field] ?? field}: <del className="decoration-edge">{value(field, before)}</del>
          <span aria-hidden="true"> → </span>
          <ins className="text-ink no-underline">{value(field, after)}</ins>
        </li>
      ))}
    </ul>
  );
}

/** How the value of a field is said. */
export function useValueName(): (field: string, value: unknown) => string {
  const text = useText();
  const t = useConsoleText();
  return (field, value) => {
    const said = value === null || value === undefined ? "" : String(value);
    if (field === "role" && Object.hasOwn(text.roles, said)) return text.roles[said as Role];
    if (field === "is_active") return said === "true" || said === "True" ? t.yes : t.no;
    return said || t.empty;
  };
}

/** On which device and from where. */
export function Where({ row }: { row: AuditRow }) {
  const text = useText();
  const device = row.device || row.browser || row.os ? deviceName(row, text) : "";
  return <>{[device, row.address].filter(Boolean).join(" · ") || "–"}</>;
}
