import { useAuth } from "@latchkey/client/react";
import { useQuery } from "@tanstack/react-query";
import { ChevronLeft } from "lucide-react";
import { useState } from "react";
import { Link, useLocation, useParams } from "react-router";
import type { Answer } from "../../ask";
import { paths } from "../../paths";
import type { May } from "../../people/permissions";
import { RoleBadge } from "../../people/role";
import { Heading } from "../../people/screen";
import { useLanguage, useText } from "../../text/text";
import { Card, Shape } from "../../ui/state";
import { Ago, Day } from "../../ui/time";
import { Access } from "./access";
import { Mark, StateBadge } from "./badges";
import { Details } from "./details";
import { Devices } from "./devices";
import { Guard, LoadFailed, Nothing, Refused } from "./guard";
import { History } from "./history";
import { useKept } from "./kept";
import { LinkCard, LinkOffer } from "./link-card";
import { isStatus, nameOf } from "./names";
import { useConsoleText } from "./text";
import { userQuery, type ResetLink, type User } from "./users";

/** One user: who that is, what may be done, where signed in, and what happened. */
export function UserScreen() {
  const id = Number(useParams()["id"]);
  if (!Number.isSafeInteger(id) || id < 1) return <Nothing user />;
  return <Guard permission="users.read">{(may) => <One key={id} id={id} may={may} />}</Guard>;
}

function One({ id, may }: { id: number; may: May }) {
  const text = useText();
  const query = useQuery(userQuery(id));
  const answer = useKept(query.data);
  if (isStatus(query.error, 404)) return <Nothing user />;
  if (!answer && isStatus(query.error, 403)) return <Refused />;
  return (
    <div className="space-y-5">
      <BackLink />
      {query.isError && (
        <LoadFailed error={query.error} kept={answer !== undefined} onRetry={() => void query.refetch()} />
      )}
      {answer ? (
        <Known answer={answer} may={may} />
      ) : (
        !query.isError && (
          <>
            <h1 className="sr-only">{text.loading}</h1>
            <Shape label={text.loading} rows={6} />
          </>
        )
      )}
    </div>
  );
}

function BackLink() {
  const t = useConsoleText();
  return (
    <Link
      to={paths.users}
      className="-ml-2 inline-flex min-h-11 items-center gap-1 rounded-card px-2 text-small underline underline-offset-4"
    >
      <ChevronLeft size={18} aria-hidden="true" />
      {t.toUsers}
    </Link>
  );
}

function Known({ answer, may }: { answer: Answer<User>; may: May }) {
  const text = useText();
  const t = useConsoleText();
  const { language } = useLanguage();
  const me = useAuth().user?.id;
  const created = (useLocation().state as { created?: unknown } | null)?.created === true;
  const [link, setLink] = useState<ResetLink>();
  const user = answer.data;
  const name = nameOf(user);
  const own = user.id === me;
  const history = may("users.history", user.role);
  return (
    <>
      <div className="space-y-2">
        <Heading title={name} />
        <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
          <RoleBadge role={user.role} />
          <StateBadge active={user.is_active} />
          {own && <Mark>{t.you}</Mark>}
        </div>
        <dl className="flex flex-wrap gap-x-6 gap-y-1 text-small">
          <Fact name={t.created}>
            <Day time={user.created_at} language={language} />
          </Fact>
          <Fact name={text.changedAt}>
            <Ago time={user.updated_at} language={language} />
          </Fact>
          <Fact name={t.lastLogin}>
            {user.last_login ? <Ago time={user.last_login} language={language} /> : t.never}
          </Fact>
        </dl>
      </div>
      {link && <LinkCard key={link.link} link={link} name={name} onClose={() => setLink(undefined)} />}
      {created && !link && !user.last_login && may("users.reset", user.role) && (
        <LinkOffer id={user.id} name={name} onLink={setLink} />
      )}
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-5 lg:grid-cols-[minmax(0,1fr)_minmax(0,1fr)]">
        <Details answer={answer} editable={may("users.edit", user.role)} />
        <Access answer={answer} may={may} own={own} onLink={setLink} />
      </div>
      {history ? (
        <>
          <Devices id={user.id} />
          <History id={user.id} />
        </>
      ) : (
        own && (
          <Card id="history" title={t.history}>
            <p className="text-soft">
              {t.ownHistory}{" "}
              <Link
                to={paths.security}
                className="inline-flex min-h-11 items-center underline underline-offset-4"
              >
                {text.security}
              </Link>
            </p>
          </Card>
        )
      )}
    </>
  );
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt className="inline text-soft">{name}</dt> <dd className="inline">{children}</dd>
    </div>
  );
}
