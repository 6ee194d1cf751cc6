import {
  ChartLine,
  Hand,
  HeartPulse,
  KeyRound,
  ScrollText,
  Server,
  Users,
  type LucideIcon,
} from "lucide-react";
import { NavLink, Outlet } from "react-router";
import { paths } from "../../paths";
import { useMay, type Permission } from "../../people/permissions";
import { classes } from "../../ui/classes";
import { AuditScreen } from "./audit-screen";
import { Nothing } from "./guard";
import { HealthScreen } from "./health";
import { UsersScreen } from "./list";
import { NewUserScreen } from "./new-user";
import { OverviewScreen } from "./overview";
import { RolesScreen } from "./roles";
import { SystemScreen } from "./system";
import { useConsoleText } from "./text";
import { ThrottleScreen } from "./throttle-screen";
import { UserScreen } from "./user";

type Place = {
  to: string;
  name: "overview" | "users" | "audit" | "attempts" | "roles" | "health" | "system";
  icon: LucideIcon;
  /** What one needs to see it; nothing for what everybody may. */
  needs?: Permission;
};

const places: Place[] = [
  { to: paths.admin, name: "overview", icon: ChartLine, needs: "stats.read" },
  { to: paths.users, name: "users", icon: Users, needs: "users.read" },
  { to: paths.audit, name: "audit", icon: ScrollText, needs: "audit.read" },
  { to: paths.attempts, name: "attempts", icon: Hand, needs: "throttle.lift" },
  { to: paths.roles, name: "roles", icon: KeyRound },
  { to: paths.health, name: "health", icon: HeartPulse, needs: "system.read" },
  { to: paths.system, name: "system", icon: Server, needs: "system.read" },
];

/** The frame of the administration: where one may go. */
function Console() {
  const t = useConsoleText();
  const may = useMay();
  const shown = may ? places.filter(({ needs }) => !needs || may(needs)) : [];
  return (
    <div className="space-y-5">
      <nav aria-label={t.navigation} className="border-b border-line">
        <ul className="flex min-h-11 flex-wrap gap-x-1">
          {shown.map(({ to, name, icon: Icon }) => (
            <li key={to}>
              <NavLink
                to={to}
                end={to === paths.admin}
                className={({ isActive }) =>
                  classes(
                    "flex min-h-11 items-center gap-2 border-b-2 px-3 text-small",
                    isActive
                      ? "border-brass font-semibold text-ink"
                      : "border-transparent text-soft hover:text-ink",
                  )
                }
              >
                <Icon size={16} aria-hidden="true" />
                {t[name]}
              </NavLink>
            </li>
          ))}
        </ul>
      </nav>
      <Outlet />
    </div>
  );
}

function NothingScreen() {
  return <Nothing />;
}

/** The screens by name, for the router. */
export const screens = {
  console: Console,
  overview: OverviewScreen,
  users: UsersScreen,
  user: UserScreen,
  newUser: NewUserScreen,
  audit: AuditScreen,
  attempts: ThrottleScreen,
  roles: RolesScreen,
  health: HealthScreen,
  system: SystemScreen,
  nothing: NothingScreen,
};

export type ConsoleScreen = keyof typeof screens;
