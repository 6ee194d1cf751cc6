import { useAuth } from "@latchkey/client/react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, type ReactNode } from "react";
import { Link } from "react-router";
import { paths } from "../../paths";
import { mayOf, powersQuery, type May, type Permission } from "../../people/permissions";
import { Heading } from "../../people/screen";
import { client } from "../../session";
import { useText } from "../../text/text";
import { buttonClass } from "../../ui/button";
import { Failed, Shape } from "../../ui/state";
import { isStatus, said } from "./names";
import { useConsoleText } from "./text";

/** Shows a screen to who has the permission, and gives it what one may do. */
export function Guard({
  permission,
  children,
}: {
  permission: Permission;
  children: (may: May) => ReactNode;
}) {
  const text = useText();
  const query = useQuery(powersQuery(useAuth().user?.role));
  if (query.data) {
    const may = mayOf(query.data);
    return may(permission) ? children(may) : <Refused />;
  }
  return query.isError ? (
    <Failed
      title={text.failedTitle}
      detail={said(query.error, text)}
      retry={text.tryAgain}
      onRetry={() => void query.refetch()}
    />
  ) : (
    <Shape label={text.loading} />
  );
}

/** For what one's role does not open. */
export function Refused() {
  const t = useConsoleText();
  return (
    <div className="max-w-lg space-y-4 py-6">
      <Heading title={t.refusedTitle} />
      <p className="text-soft">{t.refusedBody}</p>
      <Link to={paths.roles} className={buttonClass("plain")}>
        {t.seeRoles}
      </Link>
    </div>
  );
}

/** For an address in the console that is nobody's. */
export function Nothing({ user = false }: { user?: boolean }) {
  const t = useConsoleText();
  const text = useText();
  return (
    <div className="max-w-lg space-y-4 py-6">
      <Heading title={user ? t.noUserTitle : t.nothingTitle} />
      <p className="text-soft">{user ? t.noUserBody : text.notFoundBody}</p>
      <Link to={paths.users} className={buttonClass("primary")}>
        {t.toUsers}
      </Link>
    </div>
  );
}

/** A load that failed: what was there stays, and it can be tried again. */
export function LoadFailed({ error, kept, onRetry }: { error: unknown; kept: boolean; onRetry: () => void }) {
  const text = useText();
  const t = useConsoleText();
  useRefusal(error);
  return (
    <Failed
      title={text.failedTitle}
      detail={kept ? `${said(error, text)} ${t.stale}` : said(error, text)}
      retry={text.tryAgain}
      onRetry={onRetry}
    />
  );
}

/** A refusal tells that one's role is another now: it is asked for again, and with it what one may. */
export function useRefusal(reason: unknown): void {
  const queries = useQueryClient();
  const refused = isStatus(reason, 403);
  useEffect(() => {
    if (!refused) return;
    void client.profile.get().catch(() => {});
    void queries.invalidateQueries({ queryKey: ["permissions"] });
  }, [refused, queries]);
}
