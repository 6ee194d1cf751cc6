import { useAuth } from "@latchkey/client/react";
import { useQuery } from "@tanstack/react-query";
import { Check } from "lucide-react";
import { Link } from "react-router";
import { paths } from "../../paths";
import { lastEventQuery, profileQuery, sessionsQuery } from "../../people/queries";
import { RoleBadge } from "../../people/role";
import { Heading } from "../../people/screen";
import { useLanguage, useText } from "../../text/text";
import { Card } from "../../ui/state";
import { Ago, Day } from "../../ui/time";

/** Who one is, and what one may do. */
export function Component() {
  const text = useText();
  const { language } = useLanguage();
  const { user } = useAuth();
  const profile = useQuery(profileQuery).data;
  const sessions = useQuery(sessionsQuery).data;
  const last = useQuery(lastEventQuery).data?.results[0];
  if (!user) return null;
  return (
    <div className="space-y-6">
      <Heading title={text.home}>{text.welcome(user.first_name)}</Heading>
      <div className="grid items-start gap-4 md:grid-cols-2">
        <Card id="you" title={text.you} aside={<RoleBadge role={user.role} />}>
          <p className="text-large font-medium">
            {user.first_name} {user.last_name}
          </p>
          <p className="break-all text-soft">{user.email}</p>
          {profile && (
            <p className="mt-3 text-small text-soft">
              {text.memberSince} <Day time={profile.created_at} language={language} />
            </p>
          )}
          <p className="mt-3">
            <TextLink to={paths.profile}>{text.profile}</TextLink>
          </p>
        </Card>
        <Card id="role" title={text.yourRole}>
          <p className="mb-3 font-medium">{text.roleIs[user.role]}</p>
          <ul className="space-y-2">
            {text.roleMay[user.role].map((may) => (
              <li key={may} className="flex gap-2">
                <Check size={20} aria-hidden="true" className="mt-0.5 shrink-0 text-brass-text" />
                {may}
              </li>
            ))}
          </ul>
        </Card>
        <Card id="glance" title={text.atAGlance}>
          <dl className="space-y-3">
            <div>
              <dt className="sr-only">{text.signedInDevices}</dt>
              <dd>
                {sessions ? text.devices(sessions.results.length) : <span className="shape block h-6 w-56" />}
              </dd>
            </div>
            <div>
              <dt className="text-small text-soft">{text.lastEvent}</dt>
              <dd>
                {last ? (
                  <>
                    {text.events[last.event](last)}, <Ago time={last.at} language={language} />
                  </>
                ) : (
                  <span className="shape block h-6 w-56" />
                )}
              </dd>
            </div>
          </dl>
          <p className="mt-3">
            <TextLink to={paths.security}>{text.security}</TextLink>
          </p>
        </Card>
      </div>
    </div>
  );
}

function TextLink({ to, children }: { to: string; children: string }) {
  return (
    <Link to={to} className="inline-flex min-h-11 items-center font-medium underline underline-offset-4">
      {children}
    </Link>
  );
}
