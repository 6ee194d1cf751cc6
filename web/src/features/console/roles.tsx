import { useAuth } from "@latchkey/client/react";
import { useQuery } from "@tanstack/react-query";
import { Check, Minus } from "lucide-react";
import { powersQuery, type RolePowers } from "../../people/permissions";
import { RoleBadge } from "../../people/role";
import { Heading } from "../../people/screen";
import { useText } from "../../text/text";
import { Shape } from "../../ui/state";
import { Cell, Row, RowHead, Table } from "../../ui/table";
import { Mark } from "./badges";
import { LoadFailed } from "./guard";
import { useConsoleText } from "./text";

/** What each role may do, from the table that the server goes by. */
export function RolesScreen() {
  const text = useText();
  const t = useConsoleText();
  const query = useQuery(powersQuery(useAuth().user?.role));
  const roles = query.data?.roles;
  // The order of the richest role is the table's.
  const permissions = [...new Set(roles?.flatMap((r) => r.permissions.map((p) => p.permission)))];
  return (
    <div className="space-y-5">
      <div className="space-y-2">
        <Heading title={t.rolesTitle} />
        <p className="max-w-prose text-soft">
          {t.rolesIntro} {t.own}
        </p>
      </div>
      {query.isError && (
        <LoadFailed error={query.error} kept={roles !== undefined} onRetry={() => void query.refetch()} />
      )}
      {!roles && query.isPending && <Shape label={text.loading} rows={8} />}
      {roles && (
        <>
          <Table
            caption={t.rolesTitle}
            columns={[
              { id: "permission", name: t.permission },
              ...roles.map((r) => ({
                id: r.role,
                name: (
                  <span className="flex flex-wrap items-center gap-2">
                    <RoleBadge role={r.role} />
                    {r.limited && <Mark>{t.limited}</Mark>}
                  </span>
                ),
              })),
            ]}
          >
            {permissions.map((permission) => (
              <Row key={permission}>
                <RowHead>{t.permissions[permission] ?? permission}</RowHead>
                {roles.map((r) => (
                  <Cell key={r.role} className="py-1" name={text.roles[r.role]}>
                    <Power of={r} permission={permission} all={roles.length} />
                  </Cell>
                ))}
              </Row>
            ))}
          </Table>
          {roles.some((r) => r.limited) && (
            <p className="max-w-prose text-small text-soft">
              <Mark>{t.limited}</Mark> {t.limitedHint}
            </p>
          )}
        </>
      )}
    </div>
  );
}

function Power({ of, permission, all }: { of: RolePowers; permission: string; all: number }) {
  const text = useText();
  const t = useConsoleText();
  const grant = of.permissions.find((p) => p.permission === permission);
  if (!grant)
    return (
      <span className="inline-flex items-center gap-1.5 align-bottom text-soft">
        <Minus size={16} aria-hidden="true" />
        <span className="lg:sr-only">{t.mayNot}</span>
      </span>
    );
  const whom =
    grant.roles === null
      ? t.may
      : grant.roles.length === all
        ? t.mayAll
        : grant.roles.map((r) => text.roles[r]).join(", ");
  return (
    <span className="inline-flex items-center gap-1.5 align-bottom">
      <Check size={16} aria-hidden="true" className="shrink-0 text-brass-text" />
      {whom}
    </span>
  );
}
