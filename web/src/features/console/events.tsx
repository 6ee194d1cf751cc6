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

/** What else the event tells, where that is not in its changes; what has no words here is told as the server wrote it. */
export function Detail({ row }: { row: AuditRow }) {
  const text = useText();
  const t = useConsoleText();
  if (!row.detail || Object.keys(row.changes ?? {}).length > 0) return null;
  return (
    <span className="block text-small font-normal text-soft">
      {detailText(row.event, row.detail, t, text)}
    </span>
  );
}

export function detailText(
  event: string,
  detail: string,
  t: ReturnType<typeof useConsoleText>,
  text: ReturnType<typeof useText>,
): string {
  const [, n = ""] = /(?:^|: )(\d+)(?: sessions)?$/.exec(detail) ?? [];
  const [word = "", ...rest] = detail.split(" ");
  switch (event) {
    case "password_changed":
    case "password_reset":
    case "signed_out":
    case "all_sessions_ended":
    case "restored":
      return n ? t.told.sessions(Number(n)) : detail;
    case "guesses_ended":
      return n ? t.told.failures(Number(n)) : detail;
    case "address_blocked":
      return n ? t.told.emails(Number(n)) : detail;
    case "throttle_lifted":
      return [t.attemptKinds[word] ?? word, ...rest].join(" ");
    case "profile_changed":
      return detail
        .split(", ")
        .map((field) => t.fields[field] ?? field)
        .join(", ");
    case "user_created":
      return Object.hasOwn(text.roles, detail) ? text.roles[detail as Role] : detail;
    case "service_key_changed":
      if (word === "created") return t.told.made(rest.join(" "));
      return word === "revoked" ? t.told.ended(rest.join(" ")) : detail;
    default:
      return detail;
  }
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
